"""The teams' own settings, by scope."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, or_, select

from bot.messages import Address
from storage.database import Database
from storage.dialect import insert
from storage.records import Scope, StoredSetting, now
from storage.schema import settings


class Controls:
    """The queries of the settings commands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(self, address: Address) -> Sequence[StoredSetting]:
        """Every value that holds at an address: the workspace's first, then the channel's, then the thread's."""
        s = settings.c
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(settings)
                .where(
                    s.platform == address.platform,
                    s.workspace == address.workspace,
                    or_(
                        and_(s.channel == "", s.thread == ""),
                        and_(s.channel == address.channel, s.thread.in_(("", address.thread or ""))),
                    ),
                )
                .order_by(s.channel, s.thread, s.name)
            )
            return [
                StoredSetting(
                    Scope(row.platform, row.workspace, row.channel, row.thread),
                    row.name,
                    row.value,
                    row.set_by,
                    row.set_at,
                )
                for row in rows
            ]

    async def put(self, scope: Scope, name: str, value: str, set_by: str) -> None:
        """Set a value at a scope, over what was there."""
        statement = insert(settings, self._database.dialect_name).values(
            platform=scope.platform,
            workspace=scope.workspace,
            channel=scope.channel,
            thread=scope.thread,
            name=name,
            value=value,
            set_by=set_by,
            set_at=now(),
        )
        async with self._database.write() as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["platform", "workspace", "channel", "thread", "name"],
                    set_={
                        "value": statement.excluded.value,
                        "set_by": statement.excluded.set_by,
                        "set_at": statement.excluded.set_at,
                    },
                )
            )

    async def remove(self, scope: Scope, name: str) -> bool:
        """Take a value back at a scope; False where there was none."""
        s = settings.c
        async with self._database.write() as connection:
            removed = await connection.execute(
                settings.delete().where(
                    s.platform == scope.platform,
                    s.workspace == scope.workspace,
                    s.channel == scope.channel,
                    s.thread == scope.thread,
                    s.name == name,
                )
            )
        return bool(removed.rowcount)
