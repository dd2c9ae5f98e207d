"""The demo on a terminal: somebody types, the bot answers, and they leave."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.demo.support import COMMAND, ROOT, SECONDS, children, environment, left_behind, plain


@dataclass
class Terminal:
    """The demo behind a pseudo-terminal, seen from the viewer's chair."""

    process: asyncio.subprocess.Process
    controller: int
    _seen: bytearray = field(default_factory=bytearray)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> None:
        """Keep what the demo printed."""
        try:
            data = os.read(self.controller, 65_536)
        except OSError:  # Linux says EIO once the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.controller)
        self._seen += data
        self._more.set()

    @property
    def text(self) -> str:
        """All that was printed, without colours."""
        return plain(self._seen.decode(errors="replace"))

    async def shows(self, text: str, after: int = 0) -> int:
        """Wait until `text` is printed beyond a position; returns the position behind it."""
        async with asyncio.timeout(SECONDS):
            while (found := self.text.find(text, after)) < 0:
                self._more.clear()
                await self._more.wait()
        return found + len(text)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.controller, keys.encode())


@asynccontextmanager
async def terminal(folder: Path) -> AsyncIterator[Terminal]:
    """The demo on a terminal of 110 columns."""
    controller, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 110, 0, 0))
    environ = environment(folder) | {"TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--talk", cwd=ROOT, env=environ, stdin=end, stdout=end, stderr=end, start_new_session=True
    )
    os.close(end)
    screen = Terminal(process, controller)
    asyncio.get_running_loop().add_reader(controller, screen.take)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(controller)
        os.close(controller)


async def test_one_can_talk_to_the_bot_in_every_place_and_leave(tmp_path: Path) -> None:
    async with terminal(tmp_path) as screen:
        at = await screen.shows("Slack #general Robin ❯")
        pids = children(screen.process.pid)

        screen.type("@Parley remember that my cat is called Turing\n")
        at = await screen.shows("your cat is called Turing", at)
        at = await screen.shows("❯", at)
        screen.type("what is my cat called?\n")
        at = await screen.shows("You told me that your cat is called Turing", at)
        at = await screen.shows("❯", at)
        screen.type("/parley show\n")
        at = await screen.shows("only you can see this", at)

        for number, place in ((2, "Slack direct message"), (4, "Discord direct message")):
            screen.type(f"/place {number}\n")
            at = await screen.shows(f"{place} Robin ❯", at)
            screen.type("what is 17 * 23?\n")
            at = await screen.shows("391", at)
            at = await screen.shows("❯", at)

        screen.type("/place 3\n")
        at = await screen.shows("Discord #studio Robin ❯", at)
        screen.type("nobody in particular\n")
        at = await screen.shows("Nobody mentioned Parley", at)
        at = await screen.shows("❯", at)
        screen.type("/parley set temperature 0.3\n")
        at = await screen.shows("temperature in this channel is: 0.3", at)
        at = await screen.shows("❯", at)
        screen.type("/quit\n")
        async with asyncio.timeout(SECONDS):
            assert await screen.process.wait() == 0
        assert "Traceback" not in screen.text
    assert left_behind(tmp_path, pids) == []


@pytest.mark.parametrize("key", ["Ctrl-C", "Ctrl-D"])
async def test_a_key_leaves_the_talk_with_success(tmp_path: Path, key: str) -> None:
    async with terminal(tmp_path) as screen:
        await screen.shows("Robin ❯")
        pids = children(screen.process.pid)
        if key == "Ctrl-D":
            screen.type("\x04")
        else:
            # A key of the controlling terminal; this one controls nobody, so the signal is sent.
            screen.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(SECONDS):
            assert await screen.process.wait() == 0
        assert "Traceback" not in screen.text
    assert left_behind(tmp_path, pids) == []
