"""Images for the model: scaled to what it sees, refused where they can't be read, fetched once."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from bot import context
from bot.backend.completion import CompletionRequest, ModelMessage, Picture
from bot.backend.parameters import Refusals, arguments
from bot.errors import DeliveryRefused
from bot.files.fetching import GONE
from bot.files.kinds import Unreadable
from bot.files.left_out import LeftOut, note
from bot.files.limits import FileLimits
from bot.files.opener import Opener
from bot.files.scaling import fit, scaled, tokens
from bot.messages import Address, Attachment
from bot.pictures import MOST_PICTURES, TOO_MANY, Pictures
from storage.records import StoredMessage


def drawn(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, (width, height), "teal").save(written, kind)
    return written.getvalue()


def seen(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.url.partition(",")[2])))


@pytest.mark.parametrize(
    ("size", "shown", "counts"),
    [
        ((100, 80), (100, 80), 85 + 170),
        ((1024, 1024), (768, 768), 85 + 4 * 170),
        ((4096, 2048), (1536, 768), 85 + 6 * 170),
        ((8000, 100), (2048, 26), 85 + 4 * 170),
        ((1, 5000), (1, 2048), 85 + 4 * 170),
    ],
)
def test_an_image_is_made_as_small_as_the_model_sees_it(
    size: tuple[int, int], shown: tuple[int, int], counts: int
) -> None:
    assert fit(*size) == shown
    picture = scaled(drawn(*size))
    assert seen(picture).size == shown
    assert picture.tokens == counts == tokens(*shown)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("GIF", "P"), ("WEBP", "RGB"), ("PNG", "L")]
)
def test_every_type_that_a_model_takes_is_shown(kind: str, mode: str) -> None:
    assert scaled(drawn(10, 10, kind, mode)).url.startswith("data:image/")


def test_what_is_transparent_stays_so() -> None:
    picture = scaled(drawn(10, 10, "PNG", "RGBA"))
    assert picture.url.startswith("data:image/png;base64,") and seen(picture).mode == "RGBA"


@pytest.mark.parametrize("data", [b"", b"<html>sign in</html>", drawn(50, 50)[:60], b"\x89PNG\r\n\x1a\n" + b"\0" * 99])
def test_what_is_no_image_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(Unreadable, match="no image"):
        scaled(data)


def test_a_bomb_of_pixels_is_not_unpacked() -> None:
    with pytest.raises(Unreadable, match="too many pixels"):
        scaled(drawn(12_000, 6_000, "PNG", "1"))


LIMITS = FileLimits(bytes=20 * 1024 * 1024, per_message=50, characters=1_000)
HERE = Address("slack", "T1", "C1", "1.0")


class Shelf:
    """A place with files, which counts who asks."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.read: list[str] = []

    async def read_file(self, file: Attachment, most_bytes: int) -> bytes:
        self.read.append(file.name)
        if file.name not in self.files:
            raise DeliveryRefused("http_404")
        return self.files[file.name]


def said(number: int, *attachments: Attachment) -> StoredMessage:
    return StoredMessage(number, number, str(number), "user", "U1", "Ada", "look", number, number, attachments)


def image(name: str, size: int = 100) -> Attachment:
    return Attachment(name, "image/png", size, f"https://files.example/{name}")


async def test_the_newest_images_are_shown_and_fetched_once() -> None:
    shelf = Shelf(**{f"i{n}": drawn(10, 10) for n in range(6)})
    pictures = Pictures(Opener(seconds=120), LIMITS)
    history = [said(n, image(f"i{n}")) for n in range(6)]
    found = await pictures.of(shelf, HERE, history)  # type: ignore[arg-type]
    shown = [number for number, [each] in found.items() if isinstance(each, Picture)]
    assert shown == [2, 3, 4, 5] and len(shown) == MOST_PICTURES
    assert [found[number] for number in (0, 1)] == [[LeftOut("i0", TOO_MANY)], [LeftOut("i1", TOO_MANY)]]
    await pictures.of(shelf, HERE, history)  # type: ignore[arg-type]
    assert sorted(shelf.read) == ["i2", "i3", "i4", "i5"]


async def test_an_image_that_cannot_be_read_is_told_of_in_its_place() -> None:
    pictures = Pictures(Opener(seconds=120), LIMITS)
    history = [said(1, image("gone"), image("huge", 30_000_000), Attachment("notes.txt", "text/plain", 5, "u"))]
    found = await pictures.of(Shelf(), HERE, history)  # type: ignore[arg-type]
    assert dict(found) == {1: [LeftOut("gone", GONE), LeftOut("huge", "it is larger than 20 MB")]}
    assert note(found[1][1]) == "[huge is left out: it is larger than 20 MB. You have not seen it.]"  # type: ignore[arg-type]


def test_images_go_to_the_model_with_what_was_said_and_count() -> None:
    picture = Picture("data:image/png;base64,xx", 255)
    budget = context.Budget(1_000, len, lambda text, n: text[:n])
    prompt = context.build("be kind", [said(1), said(2)], budget, {2: [picture, "[b is left out: why]"]})
    assert prompt.messages[2] == ModelMessage("user", "Ada: look\n[b is left out: why]", (picture,))
    body = arguments(CompletionRequest("m", prompt.messages), Refusals())
    assert body["messages"][1]["content"] == "Ada: look"
    assert body["messages"][2]["content"][1] == {"type": "image_url", "image_url": {"url": picture.url}}
    small = context.build("be kind", [said(1), said(2)], context.Budget(260, len, lambda t, n: t[:n]), {1: [picture]})
    assert small.start == 2
