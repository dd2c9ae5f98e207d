"""Named moments: when the database was made, and when something was last told to somebody."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, select

from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.records import micros_of, now
from storage.schema import marks

# Set by the migration that made the table; raised where a backup takes the database's place.
BORN = "born"
# When a backup was made: set in the copy alone, until a worker serves it.
COPIED = "copied"

AT = select(marks.c.at).where(marks.c.name == bindparam("of_name"))
PUT = upsert(
    marks,
    lambda insert: insert.on_conflict_do_update(index_elements=["name"], set_={"at": insert.excluded.at}),
)
SET_IF_OLDER = upsert(
    marks,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["name"], set_={"at": insert.excluded.at}, where=marks.c.at <= bindparam("before")
    ),
)
# By a range, which an index can answer; LIKE would have to read them all.
NAMED = select(marks.c.name, marks.c.at).where(marks.c.name >= bindparam("prefix"), marks.c.name < bindparam("beyond"))
CLEAR = delete(marks).where(marks.c.name == bindparam("of_name"))


class Marks:
    """The queries of whatever happens at most once in a while."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def born(self) -> int:
        """When the database was made, or restored, in microseconds since the epoch: what was said before, and is not
        in it, is none of its business."""
        return await self._database.read(_at, BORN) or 0

    async def at(self, name: str) -> int | None:
        """When it was, in microseconds since the epoch; None where it never was."""
        return await self._database.read(_at, name)

    async def put(self, name: str, at: int) -> None:
        """Say when it was."""
        await self._database.write(_put, name, at)

    async def due(self, name: str, every_seconds: float) -> bool:
        """Whether it is time again for what happens at most once in so many seconds; from now on it is not.

        Of several workers that ask at once, one is told so.
        """
        return await self._database.write(_due, name, every_seconds)

    async def named(self, prefix: str) -> Mapping[str, int]:
        """The marks whose names begin so, with when they were set, in microseconds since the epoch."""
        return await self._database.read(_named, prefix)

    async def clear(self, name: str) -> None:
        """Forget a mark: it is due again at once."""
        await self._database.write(_clear, name)


def _at(connection: Connection, name: str) -> int | None:
    at: int | None = connection.scalar(AT, {"of_name": name})
    return at


def _put(connection: Connection, name: str, at: int) -> None:
    connection.execute(PUT[connection.dialect.name], {"name": name, "at": at})


def _due(connection: Connection, name: str, every_seconds: float) -> bool:
    moment = now()
    mark = {"name": name, "at": moment, "before": moment - micros_of(every_seconds)}
    return bool(connection.execute(SET_IF_OLDER[connection.dialect.name], mark).rowcount)


def _named(connection: Connection, prefix: str) -> Mapping[str, int]:
    found = connection.execute(NAMED, {"prefix": prefix, "beyond": f"{prefix}\U0010ffff"})
    return {name: at for name, at in found if name.startswith(prefix)}


def _clear(connection: Connection, name: str) -> None:
    connection.execute(CLEAR, {"of_name": name})
