"""Has files opened in processes of their own, a few at a time, each for a bounded time."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from dataclasses import dataclass, field

import structlog

from bot.backend.completion import Picture
from bot.child import answer_of
from bot.files.kinds import NOT_ITS_NAME, Kind, Unreadable
from bot.files.opening import TOO_MUCH, Opened, shortened
from bot.files.texts import decoded_plainly

log = structlog.get_logger(__name__)

# Each may take all the memory that `opening.py` gives it.
AT_ONCE = 2
# What decoded the file went astray over it. Otherwise its time or memory was up.
_CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE)


@dataclass(slots=True)
class Opener:
    """Opens files, each within so many seconds. Guards that few are open at a time."""

    seconds: float = 20.0
    command: tuple[str, ...] = (sys.executable, "-m", "bot.files.opening")
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def text(self, kind: Kind, data: bytes, most: int) -> Opened:
        """The first `most` characters of a file's text. Raises `Unreadable`."""
        if kind in ("text", "csv"):
            # Most texts are UTF-8. Those need no process: no more is looked at than will be shown.
            plain = decoded_plainly(data, most)
            if plain is not None:
                return _checked(shortened(plain, most))
        return await self._opened(kind, data, most)

    async def picture(self, data: bytes) -> Picture:
        """A picture as the model sees it. Raises `Unreadable`."""
        opened = await self._opened("picture", data, 0)
        return Picture(opened.url, opened.tokens)

    async def _opened(self, kind: str, data: bytes, most: int) -> Opened:
        asked = {"kind": kind, "most": most, "seconds": math.ceil(self.seconds)}
        question = json.dumps(asked).encode() + b"\n" + data
        async with self._turn:
            try:
                async with asyncio.timeout(self.seconds):
                    answer, code = await answer_of(self.command, question)
            except TimeoutError:
                log.warning("file_not_opened", kind=kind, code="timeout")
                raise Unreadable(TOO_MUCH) from None
            except OSError as error:
                log.warning("file_not_opened", kind=kind, code=error.errno)
                raise Unreadable(TOO_MUCH) from None
        if code or not answer:
            log.warning("file_not_opened", kind=kind, code=code)
            raise Unreadable(NOT_ITS_NAME if code in _CRASHED else TOO_MUCH)
        return _checked(Opened(**json.loads(answer)))


def _checked(opened: Opened) -> Opened:
    if opened.why:
        raise Unreadable(opened.why)
    return opened
