"""A question to a process of our own: bytes in, bytes out, for a bounded time, and gone whatever happens.

Whoever has it answered decides when it ends: a host that stops the bot signals every process of it (systemd, Heroku, a
terminal's Ctrl-C), while the worker still finishes what it is at.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_HOME = Path(__file__).resolve().parents[1]
# Before the module is loaded, which takes a moment.
_LAUNCH = (
    "import runpy, signal, sys\n"
    "for each in (signal.SIGINT, signal.SIGTERM): signal.signal(each, signal.SIG_IGN)\n"
    "runpy.run_module(sys.argv[1], run_name='__main__', alter_sys=True)"
)


def program(module: str) -> tuple[str, ...]:
    """The command that runs one of our modules, deaf to the signals that end the worker."""
    return sys.executable, "-c", _LAUNCH, module


async def answer_of(command: Sequence[str], question: bytes) -> tuple[bytes, int]:
    """What a program wrote, and how it ended. It is killed where its caller is cancelled. Raises OSError.

    What goes wrong in there could quote people's words, so nobody keeps what it says of it. It has no secrets.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, cwd=_HOME, env=_environment()
    )
    try:
        answer, _ = await process.communicate(question)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer, process.returncode or 0


def _environment() -> dict[str, str]:
    """The worker's own, without its secrets and settings: such a program needs none."""
    ours = ("SLACK_", "DISCORD_", "OPENAI_", "PARLEY_", "DATABASE_")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
