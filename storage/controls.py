"""The teams' own settings, by scope."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, bindparam, delete, or_, select

from bot.messages import Address
from storage.database import Database
from storage.dialect import upsert
from storage.records import Scope, StoredSetting, now
from storage.schema import settings

_s = settings.c
AT = (
    select(settings)
    .where(
        _s.platform == bindparam("platform"),
        _s.workspace == bindparam("workspace"),
        or_(
            and_(_s.channel == "", _s.thread == ""),
            and_(_s.channel == bindparam("channel"), _s.thread.in_(["", bindparam("thread")])),
        ),
    )
    .order_by(_s.channel, _s.thread, _s.name)
)
PUT = upsert(
    settings,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["platform", "workspace", "channel", "thread", "name"],
        set_={column: insert.excluded[column] for column in ("value", "set_by", "set_at")},
    ),
)
REMOVE = delete(settings).where(
    _s.platform == bindparam("platform"),
    _s.workspace == bindparam("workspace"),
    _s.channel == bindparam("channel"),
    _s.thread == bindparam("thread"),
    _s.name == bindparam("name"),
)


class Controls:
    """The queries of the settings commands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(self, address: Address) -> Sequence[StoredSetting]:
        """Every value that holds at an address: the workspace's first, then the channel's, then the thread's."""
        return await self._database.read(_at, address)

    async def put(self, scope: Scope, name: str, value: str, set_by: str) -> None:
        """Set a value at a scope, over what was there."""
        await self._database.write(_put, scope, name, value, set_by)

    async def remove(self, scope: Scope, name: str) -> bool:
        """Take a value back at a scope; False where there was none."""
        return await self._database.write(_remove, scope, name)


def _at(connection: Connection, address: Address) -> Sequence[StoredSetting]:
    place = {
        "platform": address.platform,
        "workspace": address.workspace,
        "channel": address.channel,
        "thread": address.thread or "",
    }
    return [
        StoredSetting(Scope(row.platform, row.workspace, row.channel, row.thread), row.name, row.value, *row[6:])
        for row in connection.execute(AT, place)
    ]


def _put(connection: Connection, scope: Scope, name: str, value: str, set_by: str) -> None:
    row = {**_key(scope, name), "value": value, "set_by": set_by, "set_at": now()}
    connection.execute(PUT[connection.dialect.name], row)


def _remove(connection: Connection, scope: Scope, name: str) -> bool:
    return bool(connection.execute(REMOVE, _key(scope, name)).rowcount)


def _key(scope: Scope, name: str) -> dict[str, str]:
    return {
        "platform": scope.platform,
        "workspace": scope.workspace,
        "channel": scope.channel,
        "thread": scope.thread,
        "name": name,
    }
