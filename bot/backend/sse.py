"""Server-sent events from a body as it comes: all that are whole by now, at once.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. The decoders of the SDK and
of httpx2 hand out one event at a time, each behind an await of its own: a fast model sends dozens in one packet.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

from bot.errors import StreamCut

MAX_EVENT = 1024 * 1024
"""Characters that one event may have; httpx2's own bound. A server that never ends one would fill the memory."""
_BOM = "\ufeff"


class Event(NamedTuple):
    """The `data` of an event, its lines joined, and its `name`, empty where it has none.

    A tuple, as there is one for each token.
    """

    data: str
    name: str = ""


class Decoder:
    """Guards what has come of an event that is not whole yet."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begun = False
        self._line = ""
        self._data: list[str] = []
        self._name = ""
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """The events that end in this piece of the body. Raises `StreamCut` where the next one is too large by now."""
        if self._size + len(self._line) > MAX_EVENT:
            raise StreamCut("an event without an end")
        text = self._decode(piece)
        if text and not self._begun:
            text, self._begun = text.removeprefix(_BOM), True
        events = []
        for line in self._lines(text):
            if line.startswith("data: "):  # as they nearly all do
                self._data.append(line[6:])
                self._size += len(line)
            elif line:
                self._field(line)
            else:
                if self._data:
                    events.append(Event("\n".join(self._data), self._name))
                self._data, self._name, self._size = [], "", 0
        return events

    def end(self) -> list[Event]:
        """The event that ends with the body: by a carriage return that was not the first half of a line's end."""
        return self.feed(b"\n") if self._line == "\r" else []

    def _lines(self, text: str) -> list[str]:
        """The lines that end here: by a line feed, a carriage return or both."""
        whole = self._line + text
        if "\r" in whole:
            # One at the very end may be the first half of both.
            held = "\r" if whole.endswith("\r") else ""
            whole = whole.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n") + held
        *lines, self._line = whole.split("\n")
        return lines

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(line)
        elif name == "event":
            self._name = value
