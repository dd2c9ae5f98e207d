"""What the model's calls took and cost: a row for each, what was spent in the month by whom and where, and reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, String, bindparam, case, cast, func, insert, literal, select

from storage.budgets import settle
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.money import Part, Purpose, Reported, Spender, UsageLine, UsageRow, UsageTotals, month_of
from storage.records import now
from storage.schema import messages, spending, usage

DAY = 86_400_000_000
"""A day in microseconds. Days are counted from the epoch, in UTC."""

ADD = insert(usage)
SPEND = upsert(
    spending,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["month", "platform", "workspace", "channel", "user_id"],
        set_={"micros": spending.c.micros + insert.excluded.micros},
    ),
)
_totals = tuple(
    cast(func.coalesce(func.sum(counted), 0), BigInteger)
    for counted in (
        usage.c.requests,
        usage.c.prompt_tokens,
        usage.c.cached_tokens,
        usage.c.completion_tokens,
        usage.c.cost_micros,
        case((usage.c.cost_micros.is_(None), 1), else_=0),
    )
)
_since = usage.c.at >= bindparam("since")
_in_workspace = (usage.c.platform == bindparam("of_platform"), usage.c.workspace == bindparam("of_workspace"), _since)
_scopes: Mapping[Reported, tuple[ColumnElement[bool], ...]] = {
    "everywhere": (_since,),
    "workspace": _in_workspace,
    "channel": (*_in_workspace, usage.c.channel == bindparam("of_channel")),
    "user": (*_in_workspace, usage.c.user_id == bindparam("of_user_id")),
}
_parts: Mapping[Part, ColumnElement[str]] = {
    "all": literal("", String),
    "user": usage.c.user_id,
    "channel": usage.c.channel,
    "model": usage.c.model,
    "key": usage.c.key_label,
}


def _report(scope: Reported, part: Part) -> Select[Any]:
    where = (
        usage.c.platform,
        usage.c.workspace,
        _parts[part].label("part"),
        (usage.c.at // literal(DAY, BigInteger)).label("day"),
    )
    # Grouped by the day first: else SQLite walks the whole index of places, which comes in the order of the groups.
    return (
        select(*where, *_totals, func.max(usage.c.turn_id))
        .where(*_scopes[scope])
        .group_by("day", "part", "platform", "workspace")
    )


OF_USER = select(*_totals).where(*_scopes["user"])
REPORTS = {(scope, part): _report(scope, part) for scope in _scopes for part in _parts}
NAMES = (
    select(messages.c.author_id, messages.c.author_name)
    .where(messages.c.turn_id.in_(bindparam("turn_ids", expanding=True)), messages.c.role == "user")
    .order_by(messages.c.position, messages.c.id)
)


class Usage:
    """The queries of what is used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, spender: Spender, purpose: Purpose, used: UsageRow, *, reserved: str | None = None) -> None:
        """Count calls that belong to no turn; `reserved` is the key under which money was set aside for them."""
        await self._database.write(_add, spender, purpose, used, reserved)

    async def of_user(self, platform: str, workspace: str, user_id: str, since: int) -> UsageTotals:
        """What somebody used in a workspace from a moment on (microseconds since the epoch)."""
        return await self._database.read(_of_user, platform, workspace, user_id, since)

    async def report(self, scope: Reported, part: Part, since: int, of: Spender | None = None) -> Sequence[UsageLine]:
        """What was used from a moment on (microseconds since the epoch): a line for each day and each part.

        `of` says which workspace, channel or user is meant; everywhere needs none.
        """
        return await self._database.read(_lines, scope, part, since, of)

    async def names(self, turn_ids: Collection[int]) -> Mapping[str, str]:
        """What those who asked in some turns were called then, by their ids; who has no name there is left out."""
        return await self._database.read(_names, sorted(turn_ids))


def _add(connection: Connection, spender: Spender, purpose: Purpose, used: UsageRow, reserved: str | None) -> None:
    record(connection, spender, used, purpose=purpose, turn_id=None, moment=now())
    if reserved is not None:
        settle(connection, reserved)


def _of_user(connection: Connection, platform: str, workspace: str, user_id: str, since: int) -> UsageTotals:
    of = {"of_platform": platform, "of_workspace": workspace, "of_user_id": user_id, "since": since}
    totals: Any = connection.execute(OF_USER, of).one()
    return UsageTotals(*totals)


def _lines(connection: Connection, scope: Reported, part: Part, since: int, of: Spender | None) -> Sequence[UsageLine]:
    place = {f"of_{name}": value for name, value in asdict(of).items()} if of is not None else {}
    lines = connection.execute(REPORTS[scope, part], {**place, "since": since})
    return [_line(row) for row in lines]


def _line(row: Any) -> UsageLine:
    return UsageLine(row.platform, row.workspace, row.part, row.day, UsageTotals(*row[4:-1]), row[-1])


def _names(connection: Connection, turn_ids: Sequence[int]) -> Mapping[str, str]:
    return {
        row.author_id: row.author_name for row in connection.execute(NAMES, {"turn_ids": turn_ids}) if row.author_name
    }


def record(
    connection: Connection, spender: Spender, used: UsageRow, *, purpose: Purpose, turn_id: int | None, moment: int
) -> None:
    """Count what was used, in the transaction that is open."""
    place = asdict(spender)
    connection.execute(ADD, {"turn_id": turn_id, "at": moment, "purpose": purpose, **asdict(used), **place})
    if used.cost_micros:
        spent = {"month": month_of(moment), "micros": used.cost_micros, **place}
        connection.execute(SPEND[connection.dialect.name], spent)


def start_of_month(moment: int) -> int:
    """When the calendar month (UTC) of a moment began, both in microseconds since the epoch."""
    then = datetime.fromtimestamp(moment / 1_000_000, UTC)
    return round(then.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp() * 1_000_000)
