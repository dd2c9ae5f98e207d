"""The viewer's keyboard: whole lines, read without holding up the loop, and silence while the screen is in use."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import termios
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

_LOCAL_FLAGS = 3  # their place in what tcgetattr gives


class Keyboard:
    """A terminal on standard input. What is typed shows only while a line is asked for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lines: deque[str] = deque()
        self._begun = ""

    @classmethod
    @contextmanager
    def quiet(cls) -> Iterator[Self | None]:
        """The keyboard with its echo off, and as it was at the end; None where standard input is no terminal."""
        if not sys.stdin.isatty():
            yield None
            return
        keyboard = cls(sys.stdin.fileno())
        before = termios.tcgetattr(keyboard._descriptor)
        keyboard._echo(False)
        try:
            yield keyboard
        finally:
            termios.tcsetattr(keyboard._descriptor, termios.TCSADRAIN, before)

    def forget(self) -> None:
        """Drop what was typed while nobody asked."""
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    async def line(self) -> str | None:
        """The next line without its end, None at the end of input (Ctrl-D)."""
        self._echo(True)
        try:
            while not self._lines:
                if not self._take(await self._readable()):
                    return None
            return self._lines.popleft()
        finally:
            self._echo(False)

    async def _readable(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._descriptor)
        return os.read(self._descriptor, 65_536)

    def _take(self, data: bytes) -> bool:
        *whole, self._begun = (self._begun + self._decoder.decode(data)).split("\n")
        self._lines.extend(whole)
        return bool(data)

    def _echo(self, shown: bool) -> None:
        settings: list[Any] = termios.tcgetattr(self._descriptor)
        if shown:
            settings[_LOCAL_FLAGS] |= termios.ECHO
        else:
            settings[_LOCAL_FLAGS] &= ~termios.ECHO
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, settings)
