"""The teams' own settings, by scope, and the audit: every change is written in one transaction with its line there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import String, and_, bindparam, delete, insert, or_, select

from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.records import now
from storage.schema import audit, settings
from storage.scopes import AuditLine, Change, Scope, StoredSetting

_s = settings.c
OF_WORKSPACE = (
    select(settings)
    .where(_s.platform == bindparam("platform"), _s.workspace == bindparam("workspace"))
    .order_by(_s.channel, _s.thread, _s.name)
)
PUT = upsert(
    settings,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["platform", "workspace", "channel", "thread", "name"],
        set_={column: insert.excluded[column] for column in ("value", "set_by", "set_at")},
    ),
)
_this_one = and_(
    _s.platform == bindparam("of_platform"),
    _s.workspace == bindparam("of_workspace"),
    _s.channel == bindparam("of_channel"),
    _s.thread == bindparam("of_thread"),
    _s.name == bindparam("of_name"),
)
VALUE = select(_s.value).where(_this_one)
REMOVE = delete(settings).where(_this_one)
ADD_LINE = insert(audit)
LINES = (
    select(audit)
    .where(
        audit.c.at >= bindparam("since"),
        *(
            or_(bindparam(name, type_=String) == "", audit.c[name] == bindparam(name, type_=String))
            for name in ("platform", "workspace", "channel")
        ),
    )
    .order_by(audit.c.at.desc(), audit.c.id.desc())
    .limit(bindparam("most"))
)


class Controls:
    """The queries of the settings commands and of the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_workspace(self, platform: str, workspace: str) -> Sequence[StoredSetting]:
        """Every value that is set in a workspace: its own first, then the channels', each with its threads'."""
        return await self._database.read(_of_workspace, platform, workspace)

    async def change(self, *changes: Change) -> None:
        """Set values or take them back, and write down who did: all of them, or none."""
        await self._database.write(_change_all, changes)

    async def audit(
        self, since: int, most: int, *, platform: str = "", workspace: str = "", channel: str = ""
    ) -> Sequence[AuditLine]:
        """The newest `most` lines of the audit from a moment on (microseconds since the epoch), newest first.

        What is named picks those of one platform, workspace or channel.
        """
        place = {"platform": platform, "workspace": workspace, "channel": channel}
        return await self._database.read(_audit, {"since": since, "most": most, **place})


def _of_workspace(connection: Connection, platform: str, workspace: str) -> Sequence[StoredSetting]:
    rows = connection.execute(OF_WORKSPACE, {"platform": platform, "workspace": workspace})
    return [
        StoredSetting(Scope(row.platform, row.workspace, row.channel, row.thread), row.name, row.value, *row[6:])
        for row in rows
    ]


def _change_all(connection: Connection, changes: Sequence[Change]) -> None:
    for change in changes:
        _change(connection, change)


def _change(connection: Connection, change: Change) -> None:
    scope, moment = asdict(change.scope), now()
    key = {f"of_{column}": value for column, value in scope.items()} | {"of_name": change.name}
    before: str | None = None
    if change.action in ("set", "reset"):
        before = connection.scalar(VALUE, key)
        if change.value is None:
            connection.execute(REMOVE, key)
        else:
            row = {**scope, "name": change.name, "value": change.value, "set_by": change.author_id, "set_at": moment}
            connection.execute(PUT[connection.dialect.name], row)
    line = {
        **scope,
        "at": moment,
        "author_id": change.author_id,
        "author_name": change.author_name,
        "action": change.action,
        "name": change.name,
        "before": before,
        "after": change.value,
    }
    connection.execute(ADD_LINE, line)


def _audit(connection: Connection, picked: Mapping[str, object]) -> Sequence[AuditLine]:
    return [
        AuditLine(
            row.id,
            row.at,
            Scope(row.platform, row.workspace, row.channel, row.thread),
            row.author_id,
            row.author_name,
            row.action,
            row.name,
            row.before,
            row.after,
        )
        for row in connection.execute(LINES, picked)
    ]
