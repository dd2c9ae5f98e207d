"""A backup in the place of the database: it knows nothing of what came after it was made, and does none of it again.

Most of what was asked since has been answered by the bot that went on with the original. So a copy is marked as one,
and the first worker that serves it lets what was said before, and what was open in it, be over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import bindparam, delete, select, update

from bot.errors import DatabaseUnusable, Restored, StorageFailed
from storage import marks
from storage.connection import Connection
from storage.database import Database
from storage.records import now
from storage.schema import reservations, turns
from storage.states import is_open

log = structlog.get_logger(__name__)

END_OPEN = (
    update(turns)
    .where(is_open(turns))
    .values(
        state="failed",
        failure=Restored.__name__,
        finished_at=bindparam("moment"),
        lease_owner=None,
        lease_until=None,
        outcome=None,
        stopped_by=None,
    )
)
# Before they end: nobody comes any more to settle what was set aside for them.
LET_GO = delete(reservations).where(reservations.c.key.in_(select(turns.c.key).where(is_open(turns))))


@dataclass(frozen=True, slots=True)
class TakenUp:
    """When a backup was made that now serves, in microseconds since the epoch, and how many open turns it held."""

    copied_at: int
    ended: int


async def take_up(database: Database) -> TakenUp | None:
    """Make a database of its own of a backup that is served for the first time; None for whatever else it is.

    What was said until now is taken for none of its business, and what was open in it has failed with `Restored`. Of
    several workers that ask at once, one does it. Raises `DatabaseUnusable` where it can't be done: nothing is then.
    """
    try:
        # Nearly every start has nothing to write here.
        taken = None if await database.read(_copied_at) is None else await database.write(_take_up)
    except StorageFailed as failure:
        wrong = f"{database.path} is a backup, or may be one, and can't be taken up ({failure})"
        raise DatabaseUnusable(wrong, "Look at its disk, and end what else uses it.", passing=True) from None
    if taken is not None:
        log.warning(
            "backup_taken_up",
            made=datetime.fromtimestamp(taken.copied_at // 1_000_000, UTC).isoformat(),
            turns_ended=taken.ended,
            hint="what was said since it was made is not read back; `parley turns list` has what was open in it",
        )
    return taken


def _copied_at(connection: Connection) -> int | None:
    at: int | None = connection.scalar(marks.AT, {"of_name": marks.COPIED})
    return at


def _take_up(connection: Connection) -> TakenUp | None:
    copied_at, moment = _copied_at(connection), now()
    if copied_at is None:
        return None
    connection.execute(LET_GO)
    ended = connection.execute(END_OPEN, {"moment": moment}).rowcount
    # Nothing older than this is read back, whatever the marks of catching up say.
    connection.execute(marks.PUT[connection.dialect.name], {"name": marks.BORN, "at": moment})
    connection.execute(marks.CLEAR, {"of_name": marks.COPIED})
    return TakenUp(copied_at, ended)
