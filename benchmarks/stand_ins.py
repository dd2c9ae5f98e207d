"""The stands as a process of their own, told what to do by JSON lines on its standard input, one answer line to each.

`open` a platform, name its `rooms`, wait until the bot is `ready`, `ask` it, `close`. A line that fails is answered by
`{"error": …}`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any

import psutil
import uvloop

from benchmarks.bots import Cores, pin
from benchmarks.stands import Stand, stand

_END_SECONDS = 3.0
_LINE = 1 << 20  # bytes; the times of some hundred answers


class StandIns:
    """The other end: starts the process, passes orders and answers. Guards the process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, cores: Cores) -> AsyncIterator[StandIns]:
        """The process, on its core; it opens nothing yet."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.stand_ins",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE,
        )  # fmt: skip
        stand_ins = cls(process)
        try:
            pin(process.pid, cores.stand_ins)
            yield stand_ins
        finally:
            await stand_ins._end()

    async def order(self, what: str, **details: Any) -> dict[str, Any]:
        """Have one order carried out. Raises RuntimeError with what went wrong there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"order": what, **details}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline() or '{"error": "it ended"}')
        if "error" in answer:
            raise RuntimeError(f"stand-ins, {what}: {answer['error']}")
        return answer

    async def _end(self) -> None:
        """Close its input, which ends it; or kill it, where it is in the middle of an order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class _Service:
    """One stand at a time."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._stand: Stand | None = None

    async def carry_out(self, order: str, details: Mapping[str, Any]) -> dict[str, Any]:
        if order == "open":
            self._stand = await self._stack.enter_async_context(stand(details["platform"]))
            # What stays for good need not be looked through again in the middle of a measurement.
            gc.collect()
            gc.freeze()
            return {"environment": self._stand.environment}
        assert self._stand is not None, "nothing is open"
        if order == "rooms":
            return {"workspace": self._stand.place.workspace, "channels": self._stand.place.rooms(details["count"])}
        if order == "ready":
            return {"at": await self._stand.ready(**details)}
        if order == "ask":
            before = _cpu_seconds()
            asked = await self._stand.ask(**details)
            return {**asdict(asked), "cpu": _cpu_seconds() - before}
        assert order == "close", order
        await self._stack.aclose()
        self._stand = None
        return {}


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    service = _Service()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        details = json.loads(line)
        try:
            answer = await service.carry_out(details.pop("order"), details)
        except Exception as failure:  # noqa: BLE001 - whatever it was, the other end is to say it
            answer = {"error": f"{type(failure).__name__}: {failure}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
