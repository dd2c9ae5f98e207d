"""Everything that is kept of a workspace or of a person, a page at a time, under the names that docs/export.md lists.

A person's part is what they said, the answers to it, their turns, what they thought of answers, their usage and their
changes: nothing others said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, exists, select, tuple_

from storage.connection import Connection
from storage.database import Database
from storage.schema import audit, conversations, messages, overheard, ratings, settings, summaries, turns, usage

AT_ONCE = 500
Row = Mapping[str, Any]

_MESSAGE = (
    messages.c.id,
    messages.c.turn_id,
    messages.c.platform,
    messages.c.workspace,
    messages.c.channel,
    conversations.c.root.label("conversation"),
    messages.c.platform_id.label("message_id"),
    messages.c.role,
    messages.c.author_id,
    messages.c.author_name,
    messages.c.text,
    messages.c.attachments,
    messages.c.file_texts.label("files"),
    messages.c.sent_at,
    messages.c.edited,
    messages.c.deleted,
)
_TURN = (
    turns.c.id,
    turns.c.key,
    turns.c.kind.label("turn_kind"),
    turns.c.state,
    turns.c.failure,
    conversations.c.platform,
    conversations.c.workspace,
    conversations.c.channel,
    conversations.c.root.label("conversation"),
    turns.c.attempts,
    turns.c.created_at,
    turns.c.finished_at,
)
_OVERHEARD = (
    overheard.c.id,
    overheard.c.platform,
    overheard.c.workspace,
    overheard.c.channel,
    conversations.c.root.label("conversation"),
    overheard.c.platform_id.label("message_id"),
    overheard.c.author_id,
    overheard.c.author_name,
    overheard.c.text,
    overheard.c.attachments,
    overheard.c.sent_at,
    overheard.c.deleted,
)
_SUMMARY = (
    summaries.c.id,
    conversations.c.platform,
    conversations.c.workspace,
    conversations.c.channel,
    conversations.c.root.label("conversation"),
    summaries.c.until,
    summaries.c.text,
    summaries.c.model,
    summaries.c.tokens,
    summaries.c.at,
)
_said = select(*_MESSAGE).join(conversations, conversations.c.id == messages.c.conversation_id)
_turn = select(*_TURN).join(conversations, conversations.c.id == turns.c.conversation_id)
_overheard = select(*_OVERHEARD).join(conversations, conversations.c.id == overheard.c.conversation_id)
_summary = select(*_SUMMARY).join(conversations, conversations.c.id == summaries.c.conversation_id)
_after: BindParameter[Any] = bindparam("after")

WORKSPACE_SETTINGS = select(settings).where(
    settings.c.platform == bindparam("platform"), settings.c.workspace == bindparam("workspace")
)
WORKSPACE_MESSAGES = (
    _said.where(
        messages.c.platform == bindparam("platform"),
        messages.c.workspace == bindparam("workspace"),
        tuple_(messages.c.channel, messages.c.platform_id)
        > tuple_(bindparam("after_channel"), bindparam("after_message")),
    )
    .order_by(messages.c.channel, messages.c.platform_id)
    .limit(AT_ONCE)
)
_question, _before = messages.alias("question"), messages.alias("before")
_asked_in_page = select(_question.c.turn_id).where(_question.c.id.in_(bindparam("rows", expanding=True)))
_earlier_of_turn = (_before.c.turn_id == _question.c.turn_id, _before.c.id < _question.c.id)
# A turn has no workspace to be found by: the first of its messages stands for it.
WORKSPACE_TURNS = _turn.where(
    turns.c.id.in_(_asked_in_page.where(~exists().where(*_earlier_of_turn)).scalar_subquery())
).order_by(turns.c.id)
OF_TURNS = (
    select(ratings)
    .where(ratings.c.turn_id.in_(bindparam("turns", expanding=True)))
    .order_by(ratings.c.turn_id, ratings.c.user_id)
)
WORKSPACE_OVERHEARD = (
    _overheard.where(
        overheard.c.platform == bindparam("platform"),
        overheard.c.workspace == bindparam("workspace"),
        tuple_(overheard.c.channel, overheard.c.platform_id, overheard.c.id)
        > tuple_(bindparam("after_channel"), bindparam("after_message"), _after),
    )
    .order_by(overheard.c.channel, overheard.c.platform_id, overheard.c.id)
    .limit(AT_ONCE)
)
WORKSPACE_SUMMARIES = (
    _summary.where(
        conversations.c.platform == bindparam("platform"),
        conversations.c.workspace == bindparam("workspace"),
        tuple_(conversations.c.channel, conversations.c.root, summaries.c.until)
        > tuple_(bindparam("after_channel"), bindparam("after_root"), bindparam("after_until")),
    )
    .order_by(conversations.c.channel, conversations.c.root, summaries.c.until)
    .limit(AT_ONCE)
)
WORKSPACE_USAGE = (
    select(usage)
    .where(
        usage.c.platform == bindparam("platform"),
        usage.c.workspace == bindparam("workspace"),
        tuple_(usage.c.at, usage.c.id) > tuple_(bindparam("after_at"), _after),
    )
    .order_by(usage.c.at, usage.c.id)
    .limit(AT_ONCE)
)
WORKSPACE_AUDIT = (
    select(audit)
    .where(
        tuple_(audit.c.at, audit.c.id) > tuple_(bindparam("after_at"), _after),
        audit.c.platform == bindparam("platform"),
        audit.c.workspace == bindparam("workspace"),
    )
    .order_by(audit.c.at, audit.c.id)
    .limit(AT_ONCE)
)

PERSONS_SETTINGS = select(settings).where(
    settings.c.platform == bindparam("platform"), settings.c.set_by == bindparam("user_id")
)
PERSONS_MESSAGES = (
    _said.where(
        messages.c.platform == bindparam("platform"),
        messages.c.author_id == bindparam("user_id"),
        messages.c.id > _after,
    )
    .order_by(messages.c.id)
    .limit(AT_ONCE)
)
# Of a turn that answers several of a person's messages, the first of theirs.
_first_of_theirs = _asked_in_page.where(
    ~exists().where(*_earlier_of_turn, _before.c.author_id == _question.c.author_id)
).scalar_subquery()
PERSONS_ANSWERS = _said.where(messages.c.turn_id.in_(_first_of_theirs), messages.c.role == "assistant").order_by(
    messages.c.id
)
PERSONS_TURNS = _turn.where(turns.c.id.in_(_first_of_theirs)).order_by(turns.c.id)
PERSONS_OVERHEARD = (
    _overheard.where(
        overheard.c.platform == bindparam("platform"),
        overheard.c.author_id == bindparam("user_id"),
        overheard.c.id > _after,
    )
    .order_by(overheard.c.id)
    .limit(AT_ONCE)
)
# Of a conversation with the bot alone a summary tells of nobody else.
PERSONS_SUMMARIES = _summary.where(
    conversations.c.direct, conversations.c.id.in_(bindparam("conversations", expanding=True))
).order_by(conversations.c.id, summaries.c.until)
PERSONS_CONVERSATIONS = select(messages.c.conversation_id).where(messages.c.id.in_(bindparam("rows", expanding=True)))
PERSONS_USAGE = (
    select(usage)
    .where(usage.c.platform == bindparam("platform"), usage.c.user_id == bindparam("user_id"), usage.c.id > _after)
    .order_by(usage.c.id)
    .limit(AT_ONCE)
)
PERSONS_RATINGS = (
    select(ratings)
    .where(
        ratings.c.platform == bindparam("platform"),
        ratings.c.user_id == bindparam("user_id"),
        ratings.c.turn_id > _after,
    )
    .order_by(ratings.c.turn_id)
    .limit(AT_ONCE)
)
PERSONS_AUDIT = (
    select(audit)
    .where(audit.c.platform == bindparam("platform"), audit.c.author_id == bindparam("user_id"), audit.c.id > _after)
    .order_by(audit.c.id)
    .limit(AT_ONCE)
)
_FROM_THE_START = -(2**62)


class Export:
    """The queries of the export: each gives (kind, row) by and by, holding one page at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_workspace(self, platform: str, workspace: str) -> AsyncIterator[tuple[str, Row]]:
        """All that is kept of a workspace. Raises `StorageFailed`."""
        of = {"platform": platform, "workspace": workspace}
        for row in await self._rows(WORKSPACE_SETTINGS, of):
            yield "setting", row
        page = {"after_channel": "", "after_message": ""}
        while rows := await self._rows(WORKSPACE_MESSAGES, {**of, **page}):
            for row in rows:
                yield "message", row
            answers = await self._rows(WORKSPACE_TURNS, {"rows": [row["id"] for row in rows]})
            for row in answers:
                yield "turn", row
            for row in await self._rows(OF_TURNS, {"turns": [row["id"] for row in answers]}):
                yield "rating", row
            page = {"after_channel": rows[-1]["channel"], "after_message": rows[-1]["message_id"]}
        taken: dict[str, Any] = {"after_channel": "", "after_message": "", "after": 0}
        while rows := await self._rows(WORKSPACE_OVERHEARD, {**of, **taken}):
            for row in rows:
                yield "overheard", row
            last = rows[-1]
            taken = {"after_channel": last["channel"], "after_message": last["message_id"], "after": last["id"]}
        told: dict[str, Any] = {"after_channel": "", "after_root": "", "after_until": _FROM_THE_START}
        while rows := await self._rows(WORKSPACE_SUMMARIES, {**of, **told}):
            for row in rows:
                yield "summary", row
            last = rows[-1]
            told = {
                "after_channel": last["channel"],
                "after_root": last["conversation"],
                "after_until": last["until"],
            }
        for kind, query in (("usage", WORKSPACE_USAGE), ("audit", WORKSPACE_AUDIT)):
            moment, after = _FROM_THE_START, 0
            while rows := await self._rows(query, {**of, "after_at": moment, "after": after}):
                for row in rows:
                    yield kind, row
                moment, after = rows[-1]["at"], rows[-1]["id"]

    async def of_person(self, platform: str, user_id: str) -> AsyncIterator[tuple[str, Row]]:
        """A person's part of what is kept, in all workspaces of a platform. Raises `StorageFailed`."""
        of = {"platform": platform, "user_id": user_id}
        for row in await self._rows(PERSONS_SETTINGS, of):
            yield "setting", row
        after, spoken_in = 0, set[int]()
        while rows := await self._rows(PERSONS_MESSAGES, {**of, "after": after}):
            for row in rows:
                yield "message", row
            ids = {"rows": [row["id"] for row in rows]}
            for kind, query in (("message", PERSONS_ANSWERS), ("turn", PERSONS_TURNS)):
                for row in await self._rows(query, ids):
                    yield kind, row
            here = {row["conversation_id"] for row in await self._rows(PERSONS_CONVERSATIONS, ids)} - spoken_in
            for row in await self._rows(PERSONS_SUMMARIES, {"conversations": sorted(here)}):
                yield "summary", row
            spoken_in |= here
            after = rows[-1]["id"]
        for kind, query, number in (
            ("overheard", PERSONS_OVERHEARD, "id"),
            ("rating", PERSONS_RATINGS, "turn_id"),
            ("usage", PERSONS_USAGE, "id"),
            ("audit", PERSONS_AUDIT, "id"),
        ):
            after = 0
            while rows := await self._rows(query, {**of, "after": after}):
                for row in rows:
                    yield kind, row
                after = rows[-1][number]

    async def _rows(self, query: Select[Any], values: Mapping[str, Any]) -> list[Row]:
        return await self._database.read(_fetch, query, values)


def _fetch(connection: Connection, query: Select[Any], values: Mapping[str, Any]) -> list[Row]:
    return connection.execute(query, values).mappings()
