"""How turns look to an operator: a table or a page on a terminal, tab-separated lines in a pipe, JSON for programs.

Pure: a stored turn in, text or a rich table out. People's words can carry what commands a terminal; here it can't.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from bot.errors import Restored
from bot.messages import Address
from storage.money import UsageRow
from storage.records import StoredPart
from storage.turn_lines import TurnLine, TurnMessage, WholeTurn

# What an operator can't know of a failure by its name.
MEANINGS = {
    Restored.__name__: "it was open when the backup was made that this database was restored from, and most likely "
    "answered after that: look in its place first. `parley turns retry` has it answered, perhaps a second time."
}
COLUMNS = ("id", "ref", "state", "since", "where", "attempts", "deaths", "why")
_TITLES = (("questions", "user"), ("command, or what was refused", "aside"), ("remembered answer", "assistant"))
_NUMBERS = frozenset({"id", "attempts", "deaths"})
_MICROS = 1_000_000
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
# Control characters, which a terminal obeys, and marks that turn the direction of what follows; line breaks may stay.
_COMMANDS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """A text from outside without anything that a terminal would obey; line breaks and tabs stay."""
    return _COMMANDS.sub("\ufffd", text.replace("\r\n", "\n"))


def moment(at: int) -> str:
    """A time in microseconds since the epoch, as ISO 8601 in UTC to the second."""
    return f"{datetime.fromtimestamp(at // _MICROS, UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(at: int, now: int) -> str:
    """How long before `now` a time was, in its largest unit."""
    seconds = max(now - at, 0) // _MICROS
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def table(lines: Sequence[TurnLine], now: int) -> Table:
    """Turns for a person at a terminal."""
    shown = Table(box=SIMPLE, header_style="bold", pad_edge=False)
    for name in COLUMNS:
        shown.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
    for line in lines:
        cells = (*_cells(line), f"{ago(_since(line), now)} ago")
        at = COLUMNS.index("since")
        shown.add_row(*(Text(cell) for cell in (*cells[:at], cells[-1], *cells[at + 1 : -1])))
    return shown


def rows(lines: Sequence[TurnLine]) -> Iterator[str]:
    """Turns for a pipe: a line of names, then one line each, tabs between."""
    yield "\t".join(COLUMNS)
    for line in lines:
        yield "\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in _cells(line))


def _cells(line: TurnLine) -> tuple[str, ...]:
    return (
        str(line.id),
        line.reference,
        line.state,
        moment(_since(line)),
        _where(line.address),
        str(line.attempts),
        str(line.crashes),
        why(line),
    )


def _since(line: TurnLine) -> int:
    return line.created_at if line.finished_at is None else line.finished_at


def _where(address: Address) -> str:
    thread = f" thread {address.thread}" if address.thread else ""
    return harmless(f"{address.platform} {address.workspace}/{address.channel}{thread}")


def why(line: TurnLine) -> str:
    """Why a turn stands where it stands: its failure, who runs it and until when, or until when it waits."""
    if line.state == "running" and line.lease_until is not None:
        return f"run by {line.lease_owner}, lease until {moment(line.lease_until)}"
    if line.state == "queued" and line.not_before:
        return f"waits until {moment(line.not_before)}"
    return harmless(line.failure or "")


def page(turn: WholeTurn, now: int) -> Iterator[str]:
    """Everything of one turn, for a person to read."""
    line = turn.line
    reason = why(line)
    yield f"turn {line.id} (ref {line.reference}): {line.state}{f', {reason}' if reason else ''}"
    if line.failure in MEANINGS:
        yield f"  meaning   {MEANINGS[line.failure]}"
    yield f"  key       {line.key}"
    yield f"  where     {_where(line.address)}"
    yield f"  queued    {moment(line.created_at)} ({ago(line.created_at, now)} ago)"
    if line.finished_at is not None:
        yield f"  ended     {moment(line.finished_at)} ({ago(line.finished_at, now)} ago)"
    yield f"  attempts  {line.attempts}, of which {line.crashes} ended in a death or a bug since it was last queued"
    for title, role in _TITLES:
        found = [message for message in turn.messages if message.role == role]
        if found:
            yield f"{title}:"
            for message in found:
                yield from _said(message)
    yield "messages of the answer:" if turn.parts else "messages of the answer: none"
    for part in turn.parts:
        yield f"  {part.number}  {_fate(part)}  {moment(part.intended_at)}  {harmless(part.platform_id or '')}".rstrip()
    for used in turn.used:
        yield f"usage: {_taken(used)}"


def _said(message: TurnMessage) -> Iterator[str]:
    author = harmless(f"{message.author_name} ({message.author_id})").replace("\n", " ")
    marks = "".join(f", {name}" for name, is_so in (("edited", message.edited), ("deleted", message.deleted)) if is_so)
    yield f"  {author}, {moment(message.sent_at)}, message {harmless(message.platform_id)}{marks}"
    for text in harmless(message.text).split("\n") if message.text else ():
        yield f"    {text}"
    for file in message.attachments:
        yield harmless(f"    [attached: {file.name}, {file.media_type}]").replace("\n", " ")


def _fate(part: StoredPart) -> str:
    """Whether a message is known to stand at the platform."""
    return "intended" if part.platform_id is None else "sent    "


def _taken(used: UsageRow) -> str:
    cost = "at a price not known" if used.cost_micros is None else f"${used.cost_micros / _MICROS:.6f}"
    read = f"{used.prompt_tokens} tokens read ({used.cached_tokens} of them cached)"
    written = f"{used.completion_tokens} written ({used.reasoning_tokens} of them thought)"
    about = "about " if used.estimated else ""
    return f"{used.model}, {used.requests} requests, {about}{read}, {about}{written}, {about}{cost}"


def line_data(line: TurnLine) -> dict[str, Any]:
    """One turn of a list as plain data for JSON; times are ISO 8601 in UTC or null."""
    return {
        "id": line.id,
        "ref": line.reference,
        "key": line.key,
        "state": line.state,
        "failure": line.failure,
        "platform": line.address.platform,
        "workspace": line.address.workspace,
        "channel": line.address.channel,
        "thread": line.address.thread,
        "attempts": line.attempts,
        "deaths": line.crashes,
        "created_at": moment(line.created_at),
        "finished_at": _moment_or_none(line.finished_at),
        "waits_until": _moment_or_none(line.not_before or None),
        "lease_owner": line.lease_owner,
        "lease_until": _moment_or_none(line.lease_until),
    }


def page_data(turn: WholeTurn) -> dict[str, Any]:
    """Everything of one turn as plain data for JSON."""
    return line_data(turn.line) | {
        "messages": [
            {
                "role": message.role,
                "message_id": message.platform_id,
                "author_id": message.author_id,
                "author_name": message.author_name,
                "sent_at": moment(message.sent_at),
                "text": message.text,
                "attachments": [{"name": file.name, "media_type": file.media_type} for file in message.attachments],
                "edited": message.edited,
                "deleted": message.deleted,
            }
            for message in turn.messages
        ],
        "parts": [
            {
                "number": part.number,
                "state": _fate(part).strip(),
                "message_id": part.platform_id,
                "intended_at": moment(part.intended_at),
            }
            for part in turn.parts
        ],
        "usage": [
            {
                "user_id": used.user_id,
                "model": used.model,
                "requests": used.requests,
                "prompt_tokens": used.prompt_tokens,
                "cached_tokens": used.cached_tokens,
                "completion_tokens": used.completion_tokens,
                "reasoning_tokens": used.reasoning_tokens,
                "estimated": used.estimated,
                "cost_micros": used.cost_micros,
            }
            for used in turn.used
        ],
    }


def _moment_or_none(at: int | None) -> str | None:
    return None if at is None else moment(at)
