"""The table for people at a terminal, and the page that is kept: `docs/benchmarks.md`."""

from __future__ import annotations

import os
import platform as system
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.table import Table

from benchmarks.bots import BOTS, ROOT, Cores
from benchmarks.figures import Row, Spread, calls, rounds_of, rows
from benchmarks.runs import CROWD, CROWD_STREAM_MS, LANES, PAUSE_MS, Run, Size
from benchmarks.stands import PLATFORMS, WORDS, Platform

TITLES: dict[Platform, str] = {"slack": "Slack", "discord": "Discord"}
HEADINGS = ("", "bare loop", "Parley", "Parley / bare", "goal", "met")
PACKAGES = ("aiohttp", "discord.py", "openai", "slack-bolt", "slack-sdk", "sqlalchemy", "uvloop")


def table(runs: Sequence[Run], platform: Platform, size: Size) -> Table:
    """One platform's rows."""
    shown = Table(title=f"{TITLES[platform]}: median (least – most) of {rounds_of(runs)}", title_justify="left")
    for heading in HEADINGS:
        shown.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for row in rows(runs, platform, size):
        *cells, met = _cells(row)
        style = "green" if row.met else "red"
        shown.add_row(*cells, f"[{style}]{met}[/]" if met else "")
    return shown


def page(runs: Sequence[Run], size: Size, cores: Cores, command: str, seconds: float) -> str:
    """The whole of `docs/benchmarks.md`."""
    parts = [
        "# Benchmarks",
        "Written by `make bench`; measured again by the same command. The *bare loop* is what Bolt or discord.py do "
        "with the OpenAI SDK in thirty lines ([Slack](../benchmarks/bare_slack.py), "
        "[Discord](../benchmarks/bare_discord.py)): it keeps nothing, sends the whole answer once, and loses what it "
        "was doing when it ends. Parley stores every message and every step of an answer, with a synchronous commit.",
        *(_platform(runs, platform, size) for platform in PLATFORMS),
        f"## The machine and the run\n\n{_machine(rounds_of(runs), cores, command, seconds)}",
        f"## How it is measured\n\n{_method(rounds_of(runs), size, cores)}",
    ]
    return "\n\n".join(parts) + "\n"


def _platform(runs: Sequence[Run], platform: Platform, size: Size) -> str:
    lines = [
        f"## {TITLES[platform]}",
        "",
        f"Median (least – most) of {rounds_of(runs)} rounds; a ratio is of the two runs of one round.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(_cells(row)).strip()} |" for row in rows(runs, platform, size)),
        "",
    ]
    for bot, name in (("bare", "The bare loop"), ("parley", "Parley")):
        made = calls(runs, platform, "bare" if bot == "bare" else "parley")
        lines.append(f"{name} per answer: {', '.join(f'`{kind}` {number:.2f}' for kind, number in made.items())}.  ")
    return "\n".join(lines).rstrip()


def _cells(row: Row) -> list[str]:
    digits, goal = row.measure.digits, row.measure.goal
    return [
        row.measure.name,
        _shown(row.bare, digits),
        _shown(row.parley, digits),
        _shown(row.ratio, 2, "×") if row.measure.key not in _NO_RATIO else "",
        goal.words if goal else "",
        {True: "yes", False: "no", None: ""}[row.met],
    ]


_NO_RATIO = {"memory grown", "stand-ins' cpu", "stand-ins' load"}


def _shown(spread: Spread | None, digits: int, unit: str = "") -> str:
    if spread is None:
        return "–"
    middle, least, most = (f"{value:.{digits}f}" for value in (spread.middle, spread.least, spread.most))
    return f"{middle}{unit}" if least == most else f"{middle}{unit} ({least} – {most})"


def _machine(rounds: int, cores: Cores, command: str, seconds: float) -> str:
    disk = max(
        (part for part in psutil.disk_partitions(all=True) if str(ROOT).startswith(part.mountpoint)),
        key=lambda part: len(part.mountpoint),
        default=None,
    )
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": f"`{command}`, {rounds} rounds in {seconds:.0f} s",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{system.system()} {system.release()}, database on {disk.fstype if disk else 'an unknown disk'}",
        "Python": system.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "load averages at the end": f"{busy} (1, 5, 15 min)",
        "pinned": f"bot on core {cores.bot}, stand-ins on core {cores.stand_ins}" if cores.bot is not None else "no",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())])


def _processor() -> str:
    """The model's name as the system tells it."""
    source = Path("/proc/cpuinfo")
    lines = source.read_text().splitlines() if source.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, system.processor() or system.machine())


def _method(rounds: int, size: Size, cores: Cores) -> str:
    pinned = (
        "The bot, with all its threads, is kept on one core and the stand-ins on another."
        if cores.bot is not None
        else "Nothing is pinned here: there is one core, or the system can't."
    )
    return "\n".join(
        [
            f"- Each round runs the bare loop, then Parley, first on Slack, then on Discord: "
            f"{rounds * len(PLATFORMS) * len(BOTS)} runs, each a process of its own, started anew.",
            "- What they talk to is one other process: the emulated platform over its own wire protocol (Socket Mode, "
            "the gateway, HTTP) and the emulated model, all on loopback, without rate limits. It also asks the "
            f"questions and takes the times, by the same clock. {pinned}",
            "- Parley runs as `python -m bot run` with a new SQLite file on disk, `PARLEY_PLATFORM_LIMITS=none` "
            "(this is about the machine, not the platforms' quotas), `PARLEY_LOG_LEVEL=warning`, and every other "
            "setting at its default.",
            "- A time goes from the moment a person's message is stored at the platform to the moment the *whole* "
            f"answer is: {len(WORDS.split()) + 1} words, told by the number at its end. An answer given twice, "
            "or a call off protocol, ends the benchmark.",
            f"- **alone**: {size.alone} questions one after the other with {PAUSE_MS:.0f} ms between, from a model "
            "that answers at once. Every question begins a new thread (Slack) or chain of replies (Discord).",
            f"- **{CROWD} at once**: {CROWD} questions in {CROWD} channels at the same moment, "
            f"{size.crowds} times, from a model that streams each answer over {CROWD_STREAM_MS:.0f} ms.",
            f"- **{LANES} lanes**: {size.sustained} questions, {LANES} at any time, each lane asking again as soon as "
            "it has its answer. The CPU is user and system time of the bot's process over this part, and the calls "
            "per answer are those of this part.",
            f"- **memory** is resident memory; between the two looks lie all {size.answers} answers of a run.",
            "- **start** goes from the process being asked for to its socket being identified at the platform; the "
            "very first start also makes the database.",
            "- **database commits** are transactions that changed something, counted in SQLite's write-ahead log "
            "from outside.",
            "- The stand-ins' own cost is in the table: where their load comes near 100 %, they and not the bot "
            "would be what is measured. They forget what they recorded before each part, and stand anew in each run.",
        ]
    )
