"""How a worker says that it is well, and what a reader makes of it: the health file's form, the verdict, its table.

The worker's side, which looks and writes, is `heartbeat.py`. Nothing here is slow to load: a host asks every few
seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

FORMAT = 1
SUFFIX = ".health.json"
# Writings that a live worker may miss: a busy machine, a slow disk. As many and one more, and it counts as hung.
MISSED_WRITINGS = 4
# The database is probed every second writing, and a locked one fails a probe after 5 s.
PROBE_EVERY_WRITINGS = 2
MISSED_PROBE_WRITINGS = 8
STUCK_SECONDS = 5.0
LATE_SECONDS = 1.0
LONG_WAIT_SECONDS = 60.0

State = Literal["running", "draining", "stopped"]
Mark = Literal["well", "poorly", "ill"]
_SIGNS: Mapping[Mark, str] = {"well": "✓", "poorly": "!", "ill": "✗"}
_COLOURS: Mapping[Mark, str] = {"well": "\x1b[32m", "poorly": "\x1b[33m", "ill": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"
_DIM = "\x1b[2m"

_FAILURES = {
    "KeyRefused": "the key is refused",
    "QuotaExhausted": "the account has used up its quota",
    "ModelUnknown": "there is no such model for the key",
    "ModelRateLimited": "it gets more questions than it may take",
    "StreamCut": "its answers break off",
    "StreamStalled": "its answers stall",
}
_NOT_ANSWERING = "it does not answer"


@dataclass(frozen=True, slots=True)
class Socket:
    """A platform's connection, as `bot.adapter.Vitals`; `heard` in seconds before the writing."""

    up: bool
    heard: float | None
    overdue: float
    reconnections: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Loop:
    """How late the event loop woke at worst, in seconds: since the writing before, and in the last minute."""

    recent: float
    worst: float


@dataclass(frozen=True, slots=True)
class Database:
    """The last write that succeeded; `failure` is the database's own word, empty where the last one did."""

    wrote_at: float
    failure: str = ""
    failing_since: float | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """How many turns are open, and since when the oldest waits that may run."""

    open: int
    waiting_since: float | None


@dataclass(frozen=True, slots=True)
class Model:
    """As `bot.backend.standing.Standing`."""

    answered_at: float | None = None
    failure: str = ""
    failing_since: float | None = None
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker knows of itself, written every `every` seconds. Moments are seconds since the epoch.

    `queue` is None where it cannot be read.
    """

    at: float
    every: float
    started_at: float
    pid: int
    version: str
    state: State
    platforms: Mapping[str, Socket]
    loop: Loop
    database: Database
    queue: Queue | None
    model: Model
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Line:
    """One thing looked at: how it is, what is to say of it, and the way out where it is not well."""

    name: str
    mark: Mark
    says: str
    cure: str = ""


def path_of(database_url: str, health_file: str | None) -> Path:
    """Where the health file is: where the setting says, or beside a SQLite database, or in the working directory."""
    if health_file:
        return Path(health_file).expanduser().absolute()
    sqlite = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)", database_url)
    beside = unquote(sqlite.group(1)) if sqlite else "parley"
    return Path(f"{beside}{SUFFIX}").expanduser().absolute()


def dump(report: Report) -> str:
    """The file's text."""
    return json.dumps(asdict(report), ensure_ascii=False)


def parse(text: str) -> Report:
    """The file's text read again. Raises ValueError where it is none of this version's."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}")
        queue = data["queue"]
        return Report(
            **{
                **data,
                "platforms": {name: Socket(**socket) for name, socket in data["platforms"].items()},
                "loop": Loop(**data["loop"]),
                "database": Database(**data["database"]),
                "queue": None if queue is None else Queue(**queue),
                "model": Model(**data["model"]),
            }
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a health file ({type(error).__name__})") from None


def read(path: Path) -> Report | Line:
    """The report in the file at `path`, or why there is none to be had."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        wrong = f"there is no {path}"
        cure = "Start the worker: parley run. If it runs, give this command the same settings, PARLEY_HEALTH_FILE too."
    except OSError as error:
        wrong = f"{path} can't be read: {error.strerror}"
        cure = "Let the user that asks read what the worker writes."
    except ValueError:
        wrong = f"{path} is no health file of this version"
        cure = "Name another file in PARLEY_HEALTH_FILE, or restart the worker if it is of another version."
    return Line("worker", "ill", wrong, cure)


def judge(found: Report | Line, now: float) -> list[Line]:
    """What there is to say of a report at the moment `now`."""
    if isinstance(found, Line):
        return [found]
    worker = _worker(found, now)
    if worker.mark == "ill":
        return [worker]  # whatever else it wrote was true then
    platforms = [_platform(name, socket, now - found.at) for name, socket in sorted(found.platforms.items())]
    return [
        worker,
        *platforms,
        _loop(found.loop),
        _database(found, now),
        _queue(found.queue, now),
        _model(found.model, now),
    ]


def is_healthy(lines: list[Line]) -> bool:
    """Whether nothing is ill: what is merely poorly, a host cannot cure by a restart."""
    return all(line.mark != "ill" for line in lines)


def table(lines: list[Line], *, colours: bool) -> Iterator[str]:
    """The lines for people, each thing's cure beneath it."""
    width = max(len(line.name) for line in lines)
    for line in lines:
        sign = f"{_COLOURS[line.mark]}{_SIGNS[line.mark]}{_PLAIN}" if colours else _SIGNS[line.mark]
        yield f"{sign} {line.name:<{width}}  {line.says}"
        if line.cure:
            yield f"{_DIM}    → {line.cure}{_PLAIN}" if colours else f"    → {line.cure}"


def as_json(found: Report | Line, lines: list[Line]) -> str:
    """The same for programs: the verdict, the lines, and the report itself where there is one."""
    verdict = {
        "healthy": is_healthy(lines),
        "lines": [asdict(line) for line in lines],
        "report": asdict(found) if isinstance(found, Report) else None,
    }
    return json.dumps(verdict, ensure_ascii=False)


def _worker(report: Report, now: float) -> Line:
    age = now - report.at
    if report.state == "stopped":
        return Line("worker", "ill", f"it was stopped {_span(age)} ago", "Start it: parley run.")
    if not -report.every <= age <= (MISSED_WRITINGS + 1) * report.every:
        said = f"process {report.pid} wrote nothing for {_span(abs(age))}: it is dead, or its event loop hangs"
        return Line("worker", "ill", said, "Restart it. What it did last is in its log.")
    who = f"process {report.pid}, version {report.version}"
    if report.state == "draining":
        return Line("worker", "poorly", f"{who}, is draining: it begins nothing new and ends when its answers are out")
    return Line("worker", "well", f"{who}, runs for {_span(now - report.started_at)}, wrote this {_span(age)} ago")


def _platform(name: str, socket: Socket, age: float) -> Line:
    before = _reconnections(socket.reconnections)
    stays_so = "It goes on trying. If it stays so: parley doctor, and the network and proxy settings of this machine."
    if socket.heard is None:
        return Line(name, "ill", f"not connected yet{before}", stays_so)
    ago = _span(socket.heard + age)
    if not socket.up:
        return Line(name, "ill", f"not connected, last heard {ago} ago{before}", stays_so)
    if socket.heard > socket.overdue:
        return Line(name, "ill", f"connected, but nothing heard for {ago}{before}", stays_so)
    return Line(name, "well", f"connected, heard {ago} ago{before}")


def _reconnections(counts: Mapping[str, int]) -> str:
    said = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(counts.items()))
    return f"; reconnections: {said}" if said else ""


def _loop(loop: Loop) -> Line:
    if loop.recent >= STUCK_SECONDS:
        said = f"the event loop stood still for {_span(loop.recent)} just now"
        return Line("loop", "ill", said, "Give it more processor time; if it has enough, restart it.")
    said = f"at most {_span(loop.worst)} late in the last minute"
    if loop.worst >= LATE_SECONDS:
        return Line("loop", "poorly", said, "Pings and commands are answered late: give it more processor time.")
    return Line("loop", "well", said)


def _database(report: Report, now: float) -> Line:
    database = report.database
    cure = "End what else holds the file, or free its disk. Questions wait; Slack sends its own again."
    if database.failure:
        since = _span(now - (database.failing_since or now))
        return Line("database", "ill", f"takes no writes for {since}: {database.failure}", cure)
    age = now - database.wrote_at
    if age > MISSED_PROBE_WRITINGS * report.every:
        return Line("database", "ill", f"no write came through for {_span(age)}", cure)
    return Line("database", "well", f"last write {_span(age)} ago")


def _queue(queue: Queue | None, now: float) -> Line:
    if queue is None:
        return Line("queue", "poorly", "cannot be read")
    if not queue.open:
        return Line("queue", "well", "empty")
    if queue.waiting_since is None:
        return Line("queue", "well", f"{queue.open} open, none waits for its turn")
    waits = now - queue.waiting_since
    said = f"{queue.open} open, the oldest that may run waits for {_span(waits)}"
    if waits > LONG_WAIT_SECONDS:
        return Line(
            "queue", "poorly", said, "More is asked than is answered: look at the model, or PARLEY_CONCURRENCY."
        )
    return Line("queue", "well", said)


def _model(model: Model, now: float) -> Line:
    if model.failure:
        said = f"{_FAILURES.get(model.failure, _NOT_ANSWERING)}, for {_span(now - (model.failing_since or now))}"
        if model.answered_at is not None:
            said += f"; last answer {_span(now - model.answered_at)} ago"
        if model.lasting:
            return Line("model", "ill", said, "Replace OPENAI_API_KEY or see to the account's billing: parley doctor.")
        return Line(
            "model", "poorly", said, "It is tried again with every question; its provider may have a status page."
        )
    if model.answered_at is None:
        return Line("model", "well", "not asked yet")
    return Line("model", "well", f"last answer {_span(now - model.answered_at)} ago")


def _span(seconds: float) -> str:
    """A length of time in its largest fitting unit."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    for unit, length, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < most:
            return f"{round(seconds / length)} {unit}"
    return f"{round(seconds / 86_400)} days"
