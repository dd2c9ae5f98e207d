"""Characters that a stream tears apart: half an emoji in one chunk, as a JSON escape, and its other half in the next.

Servers that cut a text by its UTF-16 units do so. A half alone is in no UTF-8: neither the database nor a platform
would take it, and orjson refuses the JSON that has one.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LOST = "\N{REPLACEMENT CHARACTER}"


def loads(data: str | bytes) -> Any:
    """The value of a JSON text, whose strings may hold halves of characters. Raises ValueError where it is none."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        if not _ESCAPE.search(text):
            raise
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None


class Mender:
    """Puts a text's halves together as its pieces come. Guards the first half that the last piece ended in."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """What can be said by now; a half without its other one becomes U+FFFD."""
        if not self._half and (piece.isascii() or not _SURROGATE.search(piece)):
            return piece
        text, self._half = self._half + piece, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def end(self) -> str:
        """What is left where the text is over."""
        left, self._half = self._half, ""
        return _LOST if left else ""
