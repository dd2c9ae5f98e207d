"""The demo as a process: what it is started with, what it printed, and what it must not leave behind."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import psutil

from bot.demo.stage import KEY
from emulators.discord import DiscordServer
from emulators.slack import SlackWorkspace
from tests.secrecy import Planted, leaks

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "bot", "demo")
SECONDS = 170
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LEADS_ELSEWHERE = ("OPENAI_", "SLACK_", "DISCORD_", "PARLEY_", "DATABASE_URL")


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """A plain environment whose temporary files land in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEADS_ELSEWHERE)}
    return kept | {"TMPDIR": str(folder), "COLUMNS": "100", "LINES": "50"} | extra


def left_behind(folder: Path, pids: Sequence[int]) -> list[str]:
    """Folders of the demo and processes of the bot that are still there."""
    folders = [path.name for path in folder.iterdir() if path.name.startswith("parley-demo-")]
    return folders + [f"process {pid}" for pid in pids if psutil.pid_exists(pid)]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@asynccontextmanager
async def log_of(folder: Path) -> AsyncIterator[Callable[[], str]]:
    """The log of the bot that a demo starts in `folder`, to be read after its folder is gone.

    It is opened as soon as it is there: what is open can be read though it has been removed.
    """
    stack, found = ExitStack(), list[BinaryIO]()

    async def open_it() -> None:
        while not found:
            found.extend(stack.enter_context(path.open("rb")) for path in _logs(folder))
            await asyncio.sleep(0.05)

    waiting = asyncio.create_task(open_it())
    try:
        yield lambda: "\n".join(file.read().decode(errors="replace") for file in found)
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        stack.close()


def _logs(folder: Path) -> list[Path]:
    return list(folder.glob("parley-demo-*/bot.log"))


def leaked(log: str, screen: str, *keys: str) -> list[str]:
    """What the bot's log has of the tokens and keys of the demo, or of what was shown on the screen."""
    planted = Planted({*keys, KEY}, set(screen.splitlines())).add(SlackWorkspace(), DiscordServer())
    return leaks(log, planted)


def plain(output: str) -> str:
    """What was printed, without colours and cursor movements."""
    return _CONTROL.sub("", output)
