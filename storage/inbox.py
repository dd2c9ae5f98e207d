"""What comes in: messages under their natural key, and the turns that will answer them, in one transaction."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, case, exists, insert, select, update

from bot import crash
from bot.messages import Address, Attachment, IncomingMessage
from storage import belonging, leasing, summaries
from storage.belonging import identity, this_message
from storage.changes import ANSWERS, contents, revise
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.records import Accepted, Role, Ruling, Standing, Terms, micros, now
from storage.schema import conversations, cursors, messages, turns
from storage.states import is_open, is_queued

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
_last_open = turns.alias("last_open")
_newer_question = exists().where(messages.c.turn_id == turns.c.id, messages.c.position > bindparam("at_position"))
_held_until = bindparam("held_until", type_=BigInteger)
JOIN_TURN = (
    update(turns)
    .where(
        turns.c.id
        == select(_last_open.c.id)
        .where(_last_open.c.conversation_id == bindparam("in_conversation"), is_open(_last_open))
        .order_by(_last_open.c.id.desc())
        .limit(1)
        .scalar_subquery(),
        # Asked of the row itself: a worker of another process may be claiming it at this moment.
        is_queued(turns),
        turns.c.attempts == 0,
        turns.c.kind == "answer",
    )
    .values(
        # The answer goes to where the latest question was asked.
        thread=case((_newer_question, turns.c.thread), else_=bindparam("to_thread", type_=turns.c.thread.type)),
        # What waits for older questions has the whole turn wait.
        not_before=case((turns.c.not_before < _held_until, _held_until), else_=turns.c.not_before),
    )
    .returning(turns.c.id)
)
NEW_TURN = insert(turns).returning(turns.c.id)
HAS_TURN = select(turns.c.id).where(turns.c.key == bindparam("of_key"))
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


def turn_key(message: IncomingMessage, again: str = "") -> str:
    """The key of the turn that `message` starts: 20 hexadecimal digits made from its identity alone.

    Where it has started one before and asks anew, `again` tells the two apart.
    """
    a = message.address
    names = (a.platform, a.workspace, a.channel, message.id, *filter(None, [again]))
    return hashlib.blake2b("\0".join(names).encode(errors="replace"), digest_size=10).hexdigest()


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
    ) -> Accepted:
        """Store a message and, where it is to have one, the turn that will answer it, to begin at `not_before`.

        `rule` says what it is to have. It is asked once of a message that is new, in the order in which messages are
        stored, and of one known as context alone (its event came after the history that held it), which may get its
        turn now. It is called in the database's thread. `complete` says of a conversation that this starts that nothing
        was said in it before. `terms`: a turn of its own that may begin is claimed on these by the same transaction.
        """
        # A write may be done twice, where what it was done with has failed; what it decides by is taken once.
        once = functools.cache(rule)
        return await self._database.write(
            _accept, message, root, rule=once, complete=complete, not_before=not_before, terms=terms
        )

    async def turns_of(self, place: Address, message_ids: Sequence[str]) -> Mapping[str, int]:
        """The turns of those messages of a channel, or of its threads, that have one."""
        return await self._database.read(_turns_of, place, message_ids)

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
) -> Accepted:
    known = connection.execute(KNOWN, identity(message.address, message.id)).first()
    if known is not None:
        revision = _add_files(connection, message, known)
        if known.turn_id is not None or known.role != "user" or known.deleted:
            return Accepted("duplicate", known.turn_id, revision)
        ruling = rule()
        if ruling.kind is None and not ruling.decided:
            return Accepted("duplicate")
        accepted = _turn_for(connection, message, known.conversation_id, not_before, ruling)
        connection.execute(GIVE_TURN, {"of_row": known.id, "to_turn": accepted.turn_id, "to_role": _role(ruling)})
        return accepted
    ruling = rule()
    conversation_id = _conversation(connection, message, root, complete=complete)
    accepted = _turn_for(connection, message, conversation_id, not_before, ruling)
    row = {**_row(message, conversation_id, _role(ruling)), "turn_id": accepted.turn_id}
    connection.execute(NEW_MESSAGE, row)
    _advance_cursors(connection, message)
    if terms is not None and accepted.outcome == "queued" and accepted.turn_id is not None:
        accepted = replace(accepted, claim=leasing.claim_new(connection, accepted.turn_id, terms))
    crash.point("before_commit")
    return accepted


def _turns_of(connection: Connection, place: Address, message_ids: Sequence[str]) -> Mapping[str, int]:
    if not message_ids:
        return {}
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


def _ended_turn(connection: Connection, message: IncomingMessage, conversation_id: int) -> int:
    """A turn that is over before it begins: by it a message counts as decided on."""
    turn = {
        "conversation_id": conversation_id,
        "key": _new_key(connection, message),
        "kind": "notice",
        "state": "cancelled",
        "thread": message.address.thread,
        "created_at": now(),
        "finished_at": now(),
    }
    turn_id: int = connection.scalar(NEW_TURN, turn)
    return turn_id


def _turn_for(
    connection: Connection, message: IncomingMessage, conversation_id: int, not_before: int, ruling: Ruling
) -> Accepted:
    thread = message.address.thread
    if ruling.kind is None:
        return Accepted("stored", _ended_turn(connection, message, conversation_id) if ruling.decided else None)
    if ruling.kind == "answer":
        question = {
            "in_conversation": conversation_id,
            "to_thread": thread,
            "at_position": micros(message.sent_at),
            "held_until": not_before,
        }
        waiting: int | None = connection.scalar(JOIN_TURN, question)
        if waiting is not None:
            return Accepted("joined", waiting)
    turn = {
        "kind": ruling.kind,
        "payload": ruling.payload,
        "conversation_id": conversation_id,
        "key": _new_key(connection, message),
        "state": "queued",
        "thread": thread,
        "not_before": not_before,
        "created_at": now(),
    }
    return Accepted("queued", connection.scalar(NEW_TURN, turn))


def _new_key(connection: Connection, message: IncomingMessage) -> str:
    """The key of a new turn. A message that was taken back by an edit, and asks again by another, had one before."""
    key = turn_key(message)
    if connection.scalar(HAS_TURN, {"of_key": key}) is None:
        return key
    return turn_key(message, again=str(_edited_at(message)))


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
        "edited_at": _edited_at(message),
        "is_bot": message.author.is_bot and role != "assistant",
    }


def _edited_at(message: IncomingMessage) -> int:
    return 0 if message.edited_at is None else micros(message.edited_at)
