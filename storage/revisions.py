"""Edits and deletions: the new words of a message, and, in the same transaction, the word that its turn is out of date.

A turn counts the edits and deletions of its questions while it is open. Whoever runs it stores neither what the model
said nor an end of an older count, so that an answer never stands to a wording that was gone when it was given.
"""

from __future__ import annotations

from sqlalchemy import bindparam, exists, select, update

from bot.messages import Address, IncomingMessage
from storage import dead_letters, overheard, summaries
from storage.belonging import identity, this_message
from storage.changes import ANSWERS, TAKEN_BACK_WITH_THEIR_QUESTION, contents, revise
from storage.connection import Connection
from storage.database import Database
from storage.records import ENDED_WITH_WORDS, Revised, micros
from storage.schema import messages, turns, wordless

KNOWN = (
    select(
        messages.c.id,
        messages.c.role,
        messages.c.text,
        messages.c.attachments,
        messages.c.edited_at,
        messages.c.deleted,
        messages.c.turn_id,
        turns.c.state,
        turns.c.kind,
    )
    .outerjoin(turns, turns.c.id == messages.c.turn_id)
    .where(this_message)
)
REWORD = (
    update(messages)
    .where(messages.c.id == bindparam("of_row"))
    .values(
        text=bindparam("to_text"),
        attachments=bindparam("to_attachments"),
        edited=True,
        edited_at=bindparam("to_edited_at"),
    )
)
# What was read of the files is read anew where those are others.
FORGET_FILES = update(messages).where(messages.c.id == bindparam("of_row")).values(file_texts=None)
# It stays in the conversation, as something that people said to each other.
LEAVE_TURN = update(messages).where(messages.c.id == bindparam("of_row")).values(turn_id=None)
WIPE = update(messages).where(messages.c.id == bindparam("of_row")).values(**wordless, deleted=True)
# An answer none of whose questions is left says what was taken back.
_question = messages.alias("question")
WIPE_ANSWER = (
    update(messages)
    .where(
        messages.c.role == "assistant",
        messages.c.turn_id == bindparam("of_turn"),
        ~exists().where(
            _question.c.turn_id == messages.c.turn_id, _question.c.role == "user", _question.c.deleted.is_(False)
        ),
    )
    .values(**wordless, deleted=True)
)


class Revisions:
    """The queries of edits and deletions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def edit(self, message: IncomingMessage, *, asks: bool = True) -> Revised:
        """Give a stored message its new wording, unless it has a newer one or is deleted.

        `asks`: it still asks something of the bot. Where it does not, it falls away from a turn that has not ended.
        """
        known = await self._database.read(_is_known, message.address, message.id)
        # Most edits in a busy channel are of messages that are not kept: those must not wait for the one writer.
        return await self._database.write(_edit, message, asks) if known else Revised("unknown")

    async def delete(self, address: Address, message_id: str) -> Revised:
        """Forget the words of a deleted message, keeping its identity."""
        return await self._database.write(_delete, address, message_id)


def _is_known(connection: Connection, address: Address, message_id: str) -> bool:
    of = identity(address, message_id)
    return connection.execute(KNOWN, of).first() is not None or overheard.knows(connection, of)


def _edit(connection: Connection, message: IncomingMessage, asks: bool) -> Revised:
    of, wording = identity(message.address, message.id), _wording(message)
    if overheard.edit(connection, of, wording):
        summaries.drop_of_message(connection, of)
    known = connection.execute(KNOWN, of).first()
    if known is None or known.role != "user":
        return Revised("unknown")
    edited_at = known.edited_at if message.edited_at is None else micros(message.edited_at)
    if known.deleted or edited_at < known.edited_at:
        return Revised("stale", known.turn_id)
    has_other_files = contents(message.attachments) != contents(known.attachments)
    is_new = message.whole_text != known.text or has_other_files
    # Also where nothing is new, the addresses of its files may be: Discord's expire.
    connection.execute(REWORD, {"of_row": known.id, "to_edited_at": edited_at, **wording})
    if not is_new:
        return Revised("same", known.turn_id)
    summaries.drop_of_message(connection, of)
    if has_other_files:
        connection.execute(FORGET_FILES, {"of_row": known.id})
    revision = revise(connection, known.turn_id, ANSWERS)
    if revision is not None and not asks:
        connection.execute(LEAVE_TURN, {"of_row": known.id})
    has_ended = known.kind == "answer" and known.state in ENDED_WITH_WORDS
    return Revised("changed", known.turn_id, revision, answered=has_ended)


def _delete(connection: Connection, address: Address, message_id: str) -> Revised:
    of = identity(address, message_id)
    known = connection.execute(KNOWN, of).first()
    if overheard.forget_message(connection, of) or (known is not None and not known.deleted):
        summaries.drop_of_message(connection, of)
    if known is None:
        return Revised("unknown")
    if known.deleted:
        return Revised("same", known.turn_id)
    connection.execute(WIPE, {"of_row": known.id})
    if known.state == "failed":
        dead_letters.forget_payloads(connection, [known.id])
    revision = None
    if known.role != "assistant" and known.turn_id is not None:
        connection.execute(WIPE_ANSWER, {"of_turn": known.turn_id})
        revision = revise(connection, known.turn_id, TAKEN_BACK_WITH_THEIR_QUESTION)
    return Revised("changed", known.turn_id, revision)


def _wording(message: IncomingMessage) -> dict[str, object]:
    return {"to_text": message.whole_text, "to_attachments": message.attachments}
