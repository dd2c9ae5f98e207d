"""Images for the model: made as small as it sees them anyway, and handed over as data URLs.

What came with a question is fetched from the platform once, and kept at hand for what is asked of it next.
"""

from __future__ import annotations

import asyncio
import base64
import io
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from bot.adapter import Adapter, ReadsFiles
from bot.backend.completion import Picture
from bot.errors import DeliveryFailure
from bot.messages import Attachment
from storage.records import StoredMessage

log = structlog.get_logger(__name__)

# https://platform.openai.com/docs/guides/images-vision: what a model takes, and how it scales an image before it looks:
# into a square of 2,048, then its shorter side to 768. More than that is paid for in traffic and seen by nobody.
TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
LONGEST_SIDE = 2_048
SHORTER_SIDE = 768
# There too: 85 tokens, and 170 for each tile of 512.
BASE_TOKENS, TILE_TOKENS, TILE = 85, 170, 512
MOST_BYTES = 20 * 1024 * 1024
# A picture of more pixels is a bomb or a poster; neither is looked at.
MOST_PIXELS = 60_000_000
# So many of a conversation's newest are shown.
MOST_PICTURES = 4
KEPT_BYTES = 64 * 1024 * 1024


class Unseen(Exception):
    """An image that can't be shown; the text says why, for the model and so for the asker."""


@dataclass(slots=True)
class Pictures:
    """Fetches and scales. Guards those kept at hand, the last used last."""

    _kept: OrderedDict[str, Picture] = field(default_factory=OrderedDict)

    async def of(self, adapter: Adapter, history: Sequence[StoredMessage]) -> Mapping[int, Sequence[Picture | str]]:
        """The newest images of a conversation, by the id of their message; a text where one can't be shown, with why.

        Never raises: an answer without an image is better than none.
        """
        if not isinstance(adapter, ReadsFiles):
            return {}
        newest = [(m.id, a) for m in reversed(history) for a in reversed(m.attachments) if a.media_type in TYPES]
        shown = newest[:MOST_PICTURES]
        found = await asyncio.gather(*(self._picture(adapter, attachment) for _, attachment in shown))
        by_message: dict[int, list[Picture | str]] = {}
        for (message_id, _), picture in reversed(list(zip(shown, found, strict=True))):
            by_message.setdefault(message_id, []).append(picture)
        return by_message

    async def _picture(self, adapter: ReadsFiles, attachment: Attachment) -> Picture | str:
        known = self._kept.pop(attachment.url, None)
        if known is None:
            try:
                data = await self._read(adapter, attachment)
                known = await asyncio.to_thread(scaled, data)
            except Unseen as why:
                log.info("picture_unseen", why=str(why))
                return f"[the image {attachment.name} can't be shown: {why}]"
        self._kept[attachment.url] = known
        while sum(len(picture.url) for picture in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return known

    async def _read(self, adapter: ReadsFiles, attachment: Attachment) -> bytes:
        if attachment.size > MOST_BYTES:
            raise Unseen(f"it is larger than {MOST_BYTES // (1024 * 1024)} MB")
        try:
            return await adapter.read_file(attachment, MOST_BYTES)
        except DeliveryFailure as failure:
            log.warning("file_unread", code=failure.code)
            raise Unseen("it could not be read from the platform") from None


def scaled(data: bytes) -> Picture:
    """An image as the model sees it. Raises `Unseen`."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 -- most workers never see an image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unseen("it has too many pixels")
            upright = ImageOps.exif_transpose(image)
            flat = upright.convert("RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Unseen("it is no image that I can read") from None
    width, height = fit(flat.width, flat.height)
    if (width, height) != flat.size:
        flat = flat.resize((width, height), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    if flat.mode == "RGBA":
        flat.save(written, "PNG", optimize=True)
    else:
        flat.save(written, "JPEG", quality=85)
    kind = "png" if flat.mode == "RGBA" else "jpeg"
    url = f"data:image/{kind};base64,{base64.b64encode(written.getvalue()).decode()}"
    return Picture(url, tokens(width, height))


def fit(width: int, height: int) -> tuple[int, int]:
    """The size to which an image is scaled, in pixels; none is made larger."""
    share = min(1.0, LONGEST_SIDE / max(width, height), SHORTER_SIDE / min(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def tokens(width: int, height: int) -> int:
    """What an image of that size counts."""
    return BASE_TOKENS + TILE_TOKENS * math.ceil(width / TILE) * math.ceil(height / TILE)
