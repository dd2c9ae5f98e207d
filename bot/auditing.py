"""`parley audit`: who changed what, where and when, for people and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.attached import EXIT_DONE, Work, note, say, say_json
from bot.turn_view import harmless, moment
from storage.controls import Controls
from storage.database import Database
from storage.records import micros, micros_of, now
from storage.scopes import AuditLine

# What fits on a screen or two; `--all` shows the rest.
SHOWN = 50
_EVERYTHING = 2**31 - 1
COLUMNS = ("time", "who", "where", "what")
# Of a value, so much is shown on its one line.
_SHOWN_CHARACTERS = 60
_AGO = re.compile(r"(\d{1,6})(d|h|min)")
_SECONDS = {"d": 86_400, "h": 3_600, "min": 60}


def moment_of(text: str) -> int:
    """`7d`, `12h`, `30min`, a date or an ISO 8601 time (UTC where it names no zone), in microseconds since the epoch.

    Raises ValueError.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return now() - micros_of(int(ago[1]) * _SECONDS[ago[2]])
    then = datetime.fromisoformat(text.strip())
    return micros(then if then.tzinfo else then.replace(tzinfo=UTC))


def listing(*, since: int, platform: str, workspace: str, channel: str, everything: bool, as_json: bool) -> Work:
    """List the changes from a moment on, newest first; what is named picks those of one place."""

    async def work(database: Database) -> int:
        most = _EVERYTHING if everything else SHOWN
        found = await Controls(database).audit(since, most + 1, platform=platform, workspace=workspace, channel=channel)
        lines = found[:most]
        console = Console(highlight=False)
        if as_json:
            say_json(*map(line_data, lines))
        elif lines and console.is_terminal:
            console.print(table(lines))
        elif lines:
            say(*rows(lines))
        if not lines:
            note("Nothing was changed there and then.")
        if len(found) > most:
            note(f"There are more than these {most}; --all lists them.")
        return EXIT_DONE

    return work


def table(lines: Sequence[AuditLine]) -> Table:
    """Changes for a person at a terminal."""
    shown = Table(box=SIMPLE, header_style="bold", pad_edge=False)
    for name in COLUMNS:
        shown.add_column(name, overflow="fold")
    for line in lines:
        shown.add_row(*map(Text, _cells(line)))
    return shown


def rows(lines: Sequence[AuditLine]) -> Iterator[str]:
    """Changes for a pipe: a line of names, then one line each, tabs between."""
    yield "\t".join(COLUMNS)
    for line in lines:
        yield "\t".join(_cells(line))


def line_data(line: AuditLine) -> dict[str, Any]:
    """One change as plain data for JSON; its time is ISO 8601 in UTC, its values whole."""
    return {
        "id": line.id,
        "at": moment(line.at),
        "platform": line.scope.platform,
        "workspace": line.scope.workspace,
        "channel": line.scope.channel,
        "thread": line.scope.thread,
        "author_id": line.author_id,
        "author_name": line.author_name,
        "action": line.action,
        "name": line.name,
        "before": line.before,
        "after": line.after,
    }


def _cells(line: AuditLine) -> tuple[str, ...]:
    scope = line.scope
    who = f"{line.author_name} ({line.author_id})" if line.author_name else line.author_id
    channel = f"/{scope.channel}" if scope.channel else ""
    thread = f" thread {scope.thread}" if scope.thread else ""
    where = f"{scope.platform} {scope.workspace}{channel}{thread}"
    return (moment(line.at), _short(who), _short(where), f"{line.action} {_short(line.name)}{_change(line)}")


def _change(line: AuditLine) -> str:
    if line.action == "set":
        return f": {_value(line.before)} → {_value(line.after)}"
    if line.action == "reset":
        return f": {_value(line.before)} → not set"
    return f": {_short(line.after)}" if line.after else ""


def _value(text: str | None) -> str:
    return "not set" if text is None else _short(text)


def _short(text: str) -> str:
    line = " ".join(harmless(text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS].rstrip()}…"
