"""Processes of the bot that need not load the libraries: forked from one process which has.

The libraries are four fifths of the time that a start takes. What is ours is loaded by each process itself, with its
own environment, and runs as `python -m bot run` does: same code, same signals, same exit. As a program (`python -m
tests.nursery FD`) this is that process: for whoever connects to its socket it forks one that forks the bots, and ends
when its standard input does. `shared` starts one for all tests of a process, `nursery` is a test's connection to it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from tests import unmeasured

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = (
    "aiohttp", "aiosqlite", "alembic.command", "bpe_openai", "discord.ext.commands", "genai_prices", "markdown_it",
    "openai", "pydantic_settings", "rich.console", "slack_bolt.async_app", "slack_sdk.web.async_client",
    "sqlalchemy.dialects.sqlite", "structlog", "tenacity", "typer", "uvloop",
)  # fmt: skip


@dataclass
class Forked:
    """One process of the bot, with what `asyncio.subprocess.Process` offers of it."""

    pid: int
    returncode: int | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def send_signal(self, number: int) -> None:
        """Send it a signal; none where it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code, negative where a signal ended it, as soon as it has ended."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def has_ended(self, code: int) -> None:
        """Note how it ended."""
        self.returncode = code
        self._ended.set()


class Nursery:
    """Keeps the process that forks, and knows its children."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._born: asyncio.Queue[Forked] = asyncio.Queue()
        self._children: dict[int, Forked] = {}
        self._one_by_one = asyncio.Lock()

    async def start(self, environment: Mapping[str, str], log: Path) -> Forked:
        """Start `python -m bot run` in the project's folder, with just this environment; it writes to `log`."""
        await asyncio.to_thread(log.touch)
        async with self._one_by_one:
            request = {"environment": dict(environment), "log": str(log)}
            self._writer.write(json.dumps(request).encode() + b"\n")
            await self._writer.drain()
            return await self._born.get()

    async def listen(self) -> None:
        """Hear of births and deaths until the process that forks is gone."""
        while line := await self._reader.readline():
            told = json.loads(line)
            if "code" in told:
                self._children.pop(told["pid"]).has_ended(told["code"])
            else:
                self._children[told["pid"]] = child = Forked(told["pid"])
                self._born.put_nowait(child)


@functools.cache
def shared() -> Path:
    """The socket's address of the one process with the libraries loaded, started now if it was not yet."""
    folder = tempfile.TemporaryDirectory(prefix="nursery-")
    address = Path(folder.name, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", str(listener.fileno())], cwd=ROOT, stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()], env=unmeasured.environment(),
        )  # fmt: skip

    def end() -> None:
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return address


@contextlib.asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """What forks on request; it kills what is left of its children and goes when this is left."""
    reader, writer = await asyncio.open_unix_connection(await asyncio.to_thread(shared))
    kept = Nursery(reader, writer)
    listening = asyncio.create_task(kept.listen())
    try:
        yield kept
    finally:
        writer.write_eof()
        await listening
        writer.close()
        await writer.wait_closed()


def _serve(listener: socket.socket) -> None:
    """Fork one that forks for each who connects. Returns only in a child's child, which is to be the bot."""
    keeper = sys.stdin.fileno()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries those that have no more to tell
    while True:
        readable, _, _ = select.select([listener, keeper], [], [])
        if keeper in readable:
            raise SystemExit(0)
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            _fork_on_request(connection)
            return
        connection.close()


def _fork_on_request(connection: socket.socket) -> None:
    """Fork whenever it is asked for, and tell of each end. Returns only in a child, which is to be the bot."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    alive: set[int] = set()
    requests = connection.makefile("rb")

    def tell(**what: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(json.dumps(what).encode() + b"\n")

    def bury() -> None:
        while alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            alive.discard(pid)
            tell(pid=pid, code=os.waitstatus_to_exitcode(status))

    while True:
        readable, _, _ = select.select([connection.fileno(), waking], [], [])
        if waking in readable:
            os.read(waking, 4096)
            bury()
        if connection.fileno() not in readable:
            continue
        line = requests.readline()
        if not line:
            break
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (waking, woken):
                os.close(descriptor)
            requests.close()
            connection.close()
            _become(**json.loads(line))
            return
        alive.add(pid)
        tell(pid=pid)
    for pid in alive:
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
    while alive:
        pid, status = os.waitpid(-1, 0)
        alive.discard(pid)
        tell(pid=pid, code=os.waitstatus_to_exitcode(status))
    raise SystemExit(0)


def _become(environment: Mapping[str, str], log: str) -> None:
    """Take the environment and the output of the process that is to be."""
    os.environ.clear()
    os.environ.update(environment)
    sink = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)
    sys.argv = ["parley", "run"]


def _main() -> NoReturn:
    for library in LIBRARIES:
        importlib.import_module(library)
    assert not any(name.split(".")[0] in {"bot", "adapters", "storage"} for name in sys.modules)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    from bot.__main__ import main

    main()
    raise SystemExit(0)


if __name__ == "__main__":
    _main()
