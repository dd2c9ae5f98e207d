"""Money set aside before a question is asked: looked at, and taken, in one transaction, so that none is taken twice.

What a budget allows is `bot.budgets`' to say; here is what was spent of one in its month (UTC), and what of it is set
aside for questions under way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, delete, func, select

from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.money import Bound, Drawn, Reservation, Spender, Whose, month_of
from storage.records import now
from storage.schema import reservations, spending

# What a bound takes together. A person's own goes over all places of a platform, direct messages among them.
_columns: Mapping[Whose, tuple[str, ...]] = {
    "user": ("platform", "user_id"),
    "channel": ("platform", "workspace", "channel"),
    "workspace": ("platform", "workspace"),
    "everywhere": (),
}


def _within(whose: Whose, of: Mapping[str, ColumnElement[str]]) -> list[ColumnElement[bool]]:
    return [of[column] == bindparam(f"of_{column}") for column in _columns[whose]]


SPENT = {
    whose: select(cast(func.coalesce(func.sum(spending.c.micros), 0), BigInteger)).where(
        spending.c.month == bindparam("month"), *_within(whose, dict(spending.c))
    )
    for whose in _columns
}
SET_ASIDE = {
    whose: select(cast(func.coalesce(func.sum(reservations.c.micros), 0), BigInteger)).where(
        reservations.c.until > bindparam("moment"),
        reservations.c.key != bindparam("but_key"),
        *_within(whose, dict(reservations.c)),
    )
    for whose in _columns
}
RESERVE = upsert(
    reservations,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["key"],
        set_={
            name: insert.excluded[name] for name in ("platform", "workspace", "channel", "user_id", "micros", "until")
        },
    ),
)
SETTLE = delete(reservations).where(reservations.c.key == bindparam("of_key"))
DROP_EXPIRED = delete(reservations).where(reservations.c.until <= bindparam("moment"))


class Budgets:
    """The queries of what may still be spent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, wanted: Reservation, bounds: Sequence[Bound], allows: Callable[[Drawn, int], bool]
    ) -> Drawn | None:
        """Set money aside where each bound `allows` so much; else say how the first stands that does not.

        What was set aside under the same key before is replaced, and let go of where this is refused.
        """
        return await self._database.write(_reserve, wanted, bounds, allows)

    async def drawn(self, spender: Spender, bounds: Sequence[Bound], but: str = "") -> Sequence[Drawn]:
        """How each bound stands, without what is set aside under the key `but`."""
        return await self._database.read(_all_drawn, spender, bounds, but)

    async def release(self, key: str) -> None:
        """Let go of what is set aside under a key; no error where nothing is."""
        await self._database.write(settle, key)


def settle(connection: Connection, key: str) -> None:
    """Let go of what is set aside under a key, in the transaction that is open."""
    connection.execute(SETTLE, {"of_key": key})


def _reserve(
    connection: Connection, wanted: Reservation, bounds: Sequence[Bound], allows: Callable[[Drawn, int], bool]
) -> Drawn | None:
    connection.execute(DROP_EXPIRED, {"moment": now()})
    for drawn in _all_drawn(connection, wanted.spender, bounds, wanted.key):
        if not allows(drawn, wanted.micros):
            settle(connection, wanted.key)
            return drawn
    row = {"key": wanted.key, **asdict(wanted.spender), "micros": wanted.micros, "until": wanted.until}
    connection.execute(RESERVE[connection.dialect.name], row)
    return None


def _all_drawn(connection: Connection, spender: Spender, bounds: Sequence[Bound], but: str) -> Sequence[Drawn]:
    of = {f"of_{name}": value for name, value in asdict(spender).items()}
    of |= {"month": month_of(now()), "moment": now(), "but_key": but}
    return [
        Drawn(
            bound,
            spent=connection.scalar(SPENT[bound.whose], of) or 0,
            set_aside=connection.scalar(SET_ASIDE[bound.whose], of) or 0,
        )
        for bound in bounds
    ]
