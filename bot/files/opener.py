"""Has files opened in processes of their own, a few at a time and of each person one, each for a bounded time."""

from __future__ import annotations

import asyncio
import json
import math
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from bot.backend.completion import Picture
from bot.child import answer_of, program
from bot.files.fetching import NOT_NOW, NotNow
from bot.files.kinds import NOT_ITS_NAME, Kind, Unreadable
from bot.files.opening import TOO_MUCH, Opened, shortened
from bot.files.texts import decoded_plainly

log = structlog.get_logger(__name__)

# Each may take all the memory that `opening.py` gives it. Pictures, which take a moment, wait for no documents.
DOCUMENTS_AT_ONCE = 2
PICTURES_AT_ONCE = 2
# What decoded the file went astray over it. Otherwise its time or memory was up.
_CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE)
# Before it was deaf to that: the file is opened another time.
_TOLD_TO_END = (-signal.SIGTERM, -signal.SIGINT)


@dataclass(slots=True)
class _Sender:
    """Somebody whose files are open or wait to be: so many of them."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    files: int = 0


@dataclass(slots=True)
class _Lane:
    """Lets few files be open at a time, of each sender one: whoever sends many has others go between them."""

    _room: asyncio.Semaphore
    _senders: dict[str, _Sender] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, sender: str) -> AsyncIterator[None]:
        """Wait for a place; the context is the file being open."""
        known = self._senders.setdefault(sender, _Sender())
        known.files += 1
        try:
            async with known.turn, self._room:
                yield
        finally:
            known.files -= 1
            if not known.files:
                del self._senders[sender]


@dataclass(slots=True)
class Opener:
    """Opens files, each within so many seconds, counted from when it is its turn. `sender` is who sent a file."""

    seconds: float = 20.0
    command: tuple[str, ...] = program("bot.files.opening")
    _documents: _Lane = field(default_factory=lambda: _Lane(asyncio.Semaphore(DOCUMENTS_AT_ONCE)))
    _pictures: _Lane = field(default_factory=lambda: _Lane(asyncio.Semaphore(PICTURES_AT_ONCE)))

    async def text(self, kind: Kind, data: bytes, most: int, *, sender: str = "") -> Opened:
        """The first `most` characters of a file's text. Raises `Unreadable`."""
        if kind in ("text", "csv"):
            # Most texts are UTF-8. Those need no process: no more is looked at than will be shown.
            plain = decoded_plainly(data, most)
            if plain is not None:
                return _checked(shortened(plain, most))
        async with self._documents.turn(sender):
            return await self._opened(kind, data, most)

    async def picture(self, data: bytes, *, sender: str = "") -> Picture:
        """A picture as the model sees it. Raises `Unreadable`."""
        async with self._pictures.turn(sender):
            opened = await self._opened("picture", data, 0)
        return Picture(opened.url, opened.tokens)

    async def _opened(self, kind: str, data: bytes, most: int) -> Opened:
        asked = {"kind": kind, "most": most, "seconds": math.ceil(self.seconds)}
        question = json.dumps(asked).encode() + b"\n" + data
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
            if code in _TOLD_TO_END:
                raise NotNow(NOT_NOW)
            raise Unreadable(NOT_ITS_NAME if code in _CRASHED else TOO_MUCH)
        return _checked(Opened(**json.loads(answer)))


def _checked(opened: Opened) -> Opened:
    if opened.why:
        raise Unreadable(opened.why)
    return opened
