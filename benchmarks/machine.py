"""On what a benchmark ran: the machine, the versions, the load; for the pages that are kept."""

from __future__ import annotations

import os
import platform as system
import timeit
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.bots import ROOT, Cores

WHY_NOT = "Where a goal is missed, [performance.md](performance.md) says what the time goes into."
ADDITIONS = 1_000_000
TRIES = 5
PACKAGES = ("aiohttp", "discord.py", "openai", "orjson", "slack-bolt", "slack-sdk", "sqlalchemy", "uvloop")


def facts(command: str, took: str, cores: Cores) -> Mapping[str, str]:
    """What a reader needs to judge the figures by. Asked at the end of a run: the load is of then."""
    disk = max(
        (part for part in psutil.disk_partitions(all=True) if str(ROOT).startswith(part.mountpoint)),
        key=lambda part: len(part.mountpoint),
        default=None,
    )
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": f"`{command}`, {took}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "its speed": f"{milliseconds():.0f} ms for a loop of a million additions in Python, the least of {TRIES}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{system.system()} {system.release()}, database on {disk.fstype if disk else 'an unknown disk'}",
        "Python": system.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "load averages at the end": f"{busy} (1, 5, 15 min)",
        "pinned": f"bot on core {cores.bot}, stand-ins on core {cores.stand_ins}" if cores.bot is not None else "no",
    }


def table(found: Mapping[str, str]) -> str:
    """The facts in Markdown."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in found.items())])


def milliseconds() -> float:
    """How fast one core is just now: hosts share theirs, and some are three times as fast an hour later."""
    return min(timeit.repeat("total += 1", "total = 0", number=ADDITIONS, repeat=TRIES)) * 1000


def _processor() -> str:
    """The model's name as the system tells it."""
    source = Path("/proc/cpuinfo")
    lines = source.read_text().splitlines() if source.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, system.processor() or system.machine())
