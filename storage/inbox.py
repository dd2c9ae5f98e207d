"""What comes in: messages under their natural key, and the turns that will answer them, in one transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from bot import crash
from bot.messages import Address, Attachment, IncomingMessage
from storage import belonging, leasing, overheard, summaries
from storage.belonging import identity, this_message
from storage.changes import ANSWERS, contents, revise
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.new_turns import turn_for
from storage.records import Accepted, Along, Role, Ruling, Standing, Terms, edited_at, micros, now
from storage.schema import conversations, cursors, messages

KNOWN = select(
    messages.c.id,
    messages.c.turn_id,
    messages.c.conversation_id,
    messages.c.role,
    messages.c.attachments,
    messages.c.edited,
    messages.c.deleted,
).where(this_message)
KNOWN_TURNS = select(messages.c.platform_id, messages.c.turn_id).where(
    messages.c.platform == bindparam("of_platform"),
    messages.c.workspace == bindparam("of_workspace"),
    messages.c.channel == bindparam("of_channel"),
    messages.c.platform_id.in_(bindparam("of_ids", expanding=True)),
    messages.c.turn_id.is_not(None),
)
CONVERSATION = upsert(
    conversations,
    # What is set changes nothing; it is there because only a row that is written is returned.
    lambda insert: insert.on_conflict_do_update(
        index_elements=["platform", "workspace", "channel", "root"], set_={"direct": conversations.c.direct}
    ).returning(conversations.c.id),
)
NEW_MESSAGE = insert(messages)
GIVE_TURN = (
    update(messages)
    .where(messages.c.id == bindparam("of_row"))
    .values(turn_id=bindparam("to_turn"), role=bindparam("to_role"))
)
ADVANCE_CURSOR = upsert(
    cursors,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["platform", "workspace", "channel", "thread"],
        set_={"platform_id": insert.excluded.platform_id, "position": insert.excluded.position},
        where=insert.excluded.position > cursors.c.position,
    ),
)
REMEMBER = upsert(messages, lambda insert: insert.on_conflict_do_nothing())
IS_COMPLETE = select(conversations.c.complete).where(conversations.c.id == bindparam("of_row"))
COMPLETE = update(conversations).where(conversations.c.id == bindparam("of_row")).values(complete=True)
ADD_FILES = (
    update(messages)
    .where(messages.c.id == bindparam("of_row"))
    .values(attachments=bindparam("to_attachments"), file_texts=None)
)

# While it was asked what they are, the message may have been edited or forgotten.
NAME_FILES = (
    update(messages)
    .where(
        messages.c.id == bindparam("of_row"),
        messages.c.deleted.is_(False),
        messages.c.attachments == bindparam("of_attachments", type_=messages.c.attachments.type),
    )
    .values(attachments=bindparam("to_attachments"))
)


class Inbox:
    """The queries of intake."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def root_of(self, address: Address, message_id: str) -> str | None:
        """The root of the conversation that holds a message (a person's, or any part of an answer), or None."""
        return await self._database.read(belonging.root_of, address, message_id)

    async def standing(self, address: Address, root: str, message_id: str) -> Standing:
        """How the conversation at this root stands as a message comes into it."""
        return await self._database.read(belonging.standing, address, root, message_id)

    async def accept(
        self,
        message: IncomingMessage,
        root: str,
        *,
        rule: Callable[[], Ruling],
        complete: bool,
        not_before: int = 0,
        terms: Terms | None = None,
        along: Along | None = None,
        tell: Callable[[Accepted], None] | None = None,
    ) -> Accepted:
        """Store a message and, where it is to have one, the turn that will answer it, to begin at `not_before`.

        `rule` says what it is to have. It is asked once of a message that is new, in the order in which messages are
        stored, and of one known as context alone (its event came after the history that held it), which may get its
        turn now. It is called in the database's thread. `complete` says of a conversation that this starts that nothing
        was said in it before. `terms`: a turn of its own that may begin is claimed on these by the same transaction,
        and `along`, where that is given too, is kept and the turn's window read by it. `tell` may be called with what
        this will return before that is durable; where it never will be, this raises.
        """
        # A write may be done twice, where what it was done with has failed; what it decides by is taken once.
        once = functools.cache(rule)
        return await self._database.write_foretold(
            tell, _accept, message, root, rule=once, complete=complete, not_before=not_before, terms=terms, along=along
        )

    async def turns_of(self, place: Address, message_ids: Sequence[str]) -> Mapping[str, int]:
        """The turns of those messages of a channel, or of its threads, that have one."""
        return await self._database.read(_turns_of, place, message_ids) if message_ids else {}

    async def release_held(self, platform: str) -> int:
        """Let the turns begin that were held back on a platform, all those not yet begun; returns how many."""
        return await self._database.write(leasing.release_held, platform)

    async def release_place(self, place: Address, begun: Collection[int] = ()) -> int:
        """As `release_held`, but for the turns of one thread, or of a channel's own messages, and those of `begun`."""
        return await self._database.write(leasing.release_place, place, begun)

    async def remember(self, conversation_id: int, earlier: Sequence[IncomingMessage], own_id: str) -> None:
        """Keep what was said before the bot came, once; messages by `own_id` are the bot's own answers.

        Of a conversation that is complete by now, nothing: somebody had it forgotten meanwhile.
        """
        await self._database.insist(_remember, conversation_id, earlier, own_id)

    async def name_files(self, message_id: int, known: Sequence[Attachment], told: Sequence[Attachment]) -> None:
        """Keep what the platform tells of a message's files, where they are still those that were `known`."""
        await self._database.insist(_name_files, message_id, known, told)


def _accept(
    connection: Connection,
    message: IncomingMessage,
    root: str,
    *,
    rule: Callable[[], Ruling],
    complete: bool,
    not_before: int,
    terms: Terms | None,
    along: Along | None,
) -> Accepted:
    known = connection.execute(KNOWN, identity(message.address, message.id)).first()
    if known is not None:
        revision = _add_files(connection, message, known)
        if known.turn_id is not None or known.role != "user" or known.deleted:
            return Accepted("duplicate", known.turn_id, revision)
        ruling = rule()
        if ruling.kind is None and not ruling.decided:
            return Accepted("duplicate")
        accepted = turn_for(connection, message, known.conversation_id, not_before, ruling)
        connection.execute(GIVE_TURN, {"of_row": known.id, "to_turn": accepted.turn_id, "to_role": _role(ruling)})
        return accepted
    ruling = rule()
    conversation_id = _conversation(connection, message, root, complete=complete)
    accepted = turn_for(connection, message, conversation_id, not_before, ruling)
    row = {**_row(message, conversation_id, _role(ruling)), "turn_id": accepted.turn_id}
    connection.execute(NEW_MESSAGE, row)
    _advance_cursors(connection, message)
    if terms is not None and accepted.outcome == "queued" and accepted.turn_id is not None:
        claim = leasing.claim_new(connection, accepted.turn_id, terms)
        if claim is not None and along is not None and claim.kind == "answer" and claim.complete:
            claim = overheard.begin_with(connection, claim, along)
        accepted = replace(accepted, claim=claim)
    crash.point("before_commit")
    return accepted


def _turns_of(connection: Connection, place: Address, message_ids: Sequence[str]) -> Mapping[str, int]:
    these = {
        "of_platform": place.platform,
        "of_workspace": place.workspace,
        "of_channel": place.channel,
        "of_ids": message_ids,
    }
    return {row.platform_id: row.turn_id for row in connection.execute(KNOWN_TURNS, these)}


def _add_files(connection: Connection, message: IncomingMessage, known: Row[*tuple[Any, ...]]) -> int | None:
    """Take in what the first event of a message left out; the new revision of the turn that answers it and is open.

    Of the two events of one post on Slack, the mention may lack the files. What an edit took away is not put back.
    """
    lacks = set(contents(known.attachments)) < set(contents(message.attachments))
    if known.edited or known.deleted or not lacks:
        return None
    connection.execute(ADD_FILES, {"of_row": known.id, "to_attachments": message.attachments})
    summaries.drop_of_message(connection, identity(message.address, message.id))
    return revise(connection, known.turn_id, ANSWERS)


def _name_files(
    connection: Connection, message_id: int, known: Sequence[Attachment], told: Sequence[Attachment]
) -> None:
    row = {"of_row": message_id, "of_attachments": tuple(known), "to_attachments": tuple(told)}
    connection.execute(NAME_FILES, row)


def _conversation(connection: Connection, message: IncomingMessage, root: str, *, complete: bool) -> int:
    a = message.address
    row = {
        "platform": a.platform,
        "workspace": a.workspace,
        "channel": a.channel,
        "root": root,
        "direct": message.direct,
        "complete": complete,
        "created_at": now(),
    }
    conversation_id: int = connection.scalar(CONVERSATION[connection.dialect.name], row)
    return conversation_id


def _role(ruling: Ruling) -> Role:
    return "aside" if ruling.aside else "user"


def _advance_cursors(connection: Connection, message: IncomingMessage) -> None:
    """A message that a thread hangs on stands in the channel and in its thread."""
    a = message.address
    row = {
        "platform": a.platform,
        "workspace": a.workspace,
        "channel": a.channel,
        "thread": a.thread or "",
        "platform_id": message.id,
        "position": micros(message.sent_at),
    }
    rows = [row, {**row, "thread": ""}] if a.thread == message.id else [row]
    connection.execute(ADVANCE_CURSOR[connection.dialect.name], rows)


def _remember(connection: Connection, conversation_id: int, earlier: Sequence[IncomingMessage], own_id: str) -> None:
    if connection.scalar(IS_COMPLETE, {"of_row": conversation_id}):
        return  # it was forgotten while it was read
    if earlier:
        rows = [_row(m, conversation_id, "assistant" if m.author.id == own_id else "user") for m in earlier]
        connection.execute(REMEMBER[connection.dialect.name], rows)
    connection.execute(COMPLETE, {"of_row": conversation_id})


def _row(message: IncomingMessage, conversation_id: int, role: Role) -> dict[str, object]:
    sent_at = micros(message.sent_at)
    return {
        "conversation_id": conversation_id,
        "platform": message.address.platform,
        "workspace": message.address.workspace,
        "channel": message.address.channel,
        "platform_id": message.id,
        "role": role,
        "author_id": message.author.id,
        "author_name": message.author.name,
        "text": message.whole_text,
        "attachments": message.attachments,
        "sent_at": sent_at,
        "position": sent_at,
        "edited": message.edited,
        "edited_at": edited_at(message),
        "is_bot": message.author.is_bot and role != "assistant",
    }
