"""What the model's calls took and cost: a row for each, and beside it what was spent in the month by whom and where."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import BigInteger, Connection, bindparam, case, func, insert, literal, select

from storage.database import Database
from storage.dialect import upsert
from storage.records import Purpose, Spender, UsageRow, UsageTotals, now
from storage.schema import spending, usage

ADD = insert(usage)
SPEND = upsert(
    spending,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["month", "platform", "workspace", "channel", "user_id"],
        set_={"micros": spending.c.micros + insert.excluded.micros},
    ),
)
TOTALS = select(
    func.coalesce(func.sum(usage.c.requests), 0),
    func.coalesce(func.sum(usage.c.prompt_tokens), 0),
    func.coalesce(func.sum(usage.c.cached_tokens), 0),
    func.coalesce(func.sum(usage.c.completion_tokens), 0),
    func.coalesce(func.sum(usage.c.cost_micros), 0),
    func.coalesce(func.sum(case((usage.c.cost_micros.is_(None), 1), else_=literal(0, BigInteger))), 0),
)
OF_USER = TOTALS.where(
    usage.c.platform == bindparam("platform"),
    usage.c.workspace == bindparam("workspace"),
    usage.c.at >= bindparam("since"),
    usage.c.user_id == bindparam("user_id"),
)


class Usage:
    """The queries of what is used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, spender: Spender, purpose: Purpose, used: UsageRow) -> None:
        """Count calls that belong to no turn."""
        await self._database.write(record, spender, used, purpose=purpose, turn_id=None, moment=now())

    async def of_user(self, platform: str, workspace: str, user_id: str, since: int) -> UsageTotals:
        """What somebody used in a workspace from a moment on (microseconds since the epoch)."""
        return await self._database.read(_of_user, platform, workspace, user_id, since)


def _of_user(connection: Connection, platform: str, workspace: str, user_id: str, since: int) -> UsageTotals:
    of = {"platform": platform, "workspace": workspace, "user_id": user_id, "since": since}
    return UsageTotals(*connection.execute(OF_USER, of).one())


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


def month_of(moment: int) -> str:
    """The calendar month in UTC, such as 2026-11, of a moment in microseconds since the epoch."""
    return f"{datetime.fromtimestamp(moment / 1_000_000, UTC):%Y-%m}"
