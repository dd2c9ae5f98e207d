"""How far each place has been read: the newest message that was stored of each channel and each thread."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from bot.messages import Address
from storage.connection import Connection
from storage.database import Database
from storage.records import Cursor
from storage.schema import cursors

RECENT = (
    select(cursors.c.workspace, cursors.c.channel, cursors.c.thread, cursors.c.position)
    .where(cursors.c.platform == bindparam("of_platform"))
    .order_by(cursors.c.position.desc())
    .limit(bindparam("most"))
)


class Cursors:
    """The queries of catching up; the cursors advance as messages are accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recent(self, platform: str, most: int) -> Sequence[Cursor]:
        """The channels and threads where something was stored, the most recent first, at most so many."""
        return await self._database.read(_recent, platform, most)


def _recent(connection: Connection, platform: str, most: int) -> Sequence[Cursor]:
    rows = connection.execute(RECENT, {"of_platform": platform, "most": most})
    return [Cursor(Address(platform, row.workspace, row.channel, row.thread or None), row.position) for row in rows]
