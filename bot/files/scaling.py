"""Images for the model: made as small as it sees them anyway, as data URLs.

Runs in a process of its own (`opening.py`), which bounds its time and memory.
"""

from __future__ import annotations

import base64
import io
import math

from bot.backend.completion import Picture
from bot.files.kinds import Unreadable

# https://platform.openai.com/docs/guides/images-vision: how a model scales an image before it looks: into a square of
# 2,048, then its shorter side to 768. More than that is paid for in traffic and seen by nobody.
LONGEST_SIDE = 2_048
SHORTER_SIDE = 768
# There too: 85 tokens, and 170 for each tile of 512.
BASE_TOKENS, TILE_TOKENS, TILE = 85, 170, 512
# A picture of more pixels is a bomb or a poster; neither is looked at.
MOST_PIXELS = 60_000_000
NO_IMAGE = "it is no image that I can read"
TOO_MANY_PIXELS = "it has too many pixels"


def scaled(data: bytes) -> Picture:
    """An image as the model sees it: upright, without what a camera wrote into it. Raises `Unreadable`."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 -- slow to load, for texts too

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unreadable(TOO_MANY_PIXELS)
            # A JPEG is decoded no larger than it is needed.
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(image)
            flat = upright.convert("RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Unreadable(NO_IMAGE) from None
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
