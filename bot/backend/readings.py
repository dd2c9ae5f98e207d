"""How often the streams of the model are read: all together so many times a second, and each every so often.

A model's words come one by one, and to look at each as it comes takes more time than all else about it. A few streams
are read as they come; of many each is read less often, with what has come meanwhile at once. Nobody sees the
difference: previews are seconds apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

A_SECOND = 1_000
"""Reads of all streams together. One takes a tenth of a millisecond: a tenth of a core."""
FEW = 5
"""Streams that are read as they come."""
LONGEST_PAUSE = 0.25
"""Seconds that words may wait to be read: an answer ends so much later at most, where 250 are written at once."""
MUCH = 8 * 1024
"""Bytes: where a read gave as many, more may be waiting (the SDK's transport gives 16 KiB at most), and is read now."""


class Readings:
    """Guards how many streams are open."""

    def __init__(self) -> None:
        self._open = 0

    @contextmanager
    def stream(self) -> Iterator[None]:
        """One more stream is read in here."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def pause(self, read: int) -> None:
        """Wait until a stream may be read again of which so many bytes were just read."""
        if self._open > FEW and read < MUCH:
            await asyncio.sleep(min(self._open / A_SECOND, LONGEST_PAUSE))
