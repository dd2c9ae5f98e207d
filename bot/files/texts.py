"""Bytes → text: by a mark at their beginning, as UTF-8, else by a guess from how the letters are spread."""

from __future__ import annotations

import codecs

from bot.files.kinds import NOT_ITS_NAME, UNREADABLE, Unreadable

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A guess is made from so many bytes: it gets no better from more, only slower.
_GUESSED_FROM = 64 * 1024
# What a text holds of control characters: tabs, line breaks, form feeds, and the escapes of a terminal's colours.
_IN_TEXTS = frozenset("\t\n\r\f\b\x1b")


def decoded_plainly(data: bytes, most: int) -> str | None:
    """The text of bytes that say what they are, or are UTF-8, a little more than `most` characters of it; None of
    others. Raises `Unreadable`.

    Bounded by `most` alone: no more bytes are looked at than those characters can take.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return _as_text(_start_of(data, encoding, most))
    except UnicodeDecodeError:
        if encoding == "utf-8":
            return None
        raise Unreadable(NOT_ITS_NAME) from None


def decoded(data: bytes, most: int) -> str:
    """The same of any bytes that are a text; where they don't say how they are written, by a guess."""
    plain = decoded_plainly(data, most)
    if plain is not None:
        return plain
    from charset_normalizer import from_bytes  # noqa: PLC0415 -- seldom needed, and slow to load

    guess = None if b"\0" in data[:_GUESSED_FROM] else from_bytes(data[:_GUESSED_FROM]).best()
    if guess is None:
        raise Unreadable(UNREADABLE)
    return _as_text(_start_of(data, guess.encoding, most, "replace"))


def _start_of(data: bytes, encoding: str, most: int, errors: str = "strict") -> str:
    start = data[: 4 * (most + 2)]
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    return decoder.decode(start, final=len(start) == len(data))


def _as_text(text: str) -> str:
    """Line breaks as one kind. Raises `Unreadable` where it holds what no text does."""
    controls = {c for c in set(text) if (c < " " and c not in _IN_TEXTS) or "\x7f" <= c < "\x85"}
    if "\0" in controls or sum(text.count(c) for c in controls) > len(text) // 200:
        raise Unreadable(UNREADABLE)
    return text.replace("\r\n", "\n").replace("\r", "\n")
