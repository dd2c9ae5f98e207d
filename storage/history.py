"""What has been said in a conversation, in the order the model should read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select, union_all, update

from storage.connection import Connection
from storage.database import Database
from storage.records import StoredMessage, Window
from storage.schema import conversations, messages, overheard
from storage.summaries import OVERHEARD, SAID, all_of

# A turn that is answered anew has an answer, which the model is not to read.
_not_its_own_answer = or_(
    messages.c.role != "assistant", messages.c.turn_id.is_(None), messages.c.turn_id != bindparam("turn_id")
)
_in_window = SAID.where(
    messages.c.role != "aside",
    messages.c.conversation_id == bindparam("conversation_id"),
    messages.c.position >= bindparam("start"),
    or_(messages.c.turn_id.is_(None), messages.c.turn_id <= bindparam("turn_id")),
    _not_its_own_answer,
)
_asked_before_window = SAID.where(
    # Not `not_in`: a list would be written out anew at each execution.
    messages.c.role != "aside",
    messages.c.role != "assistant",
    messages.c.turn_id == bindparam("turn_id"),
    messages.c.position < bindparam("start"),
)
_overheard = OVERHEARD.where(
    overheard.c.conversation_id == bindparam("conversation_id"), overheard.c.sent_at >= bindparam("start")
)
_all = union_all(_in_window, _asked_before_window, _overheard)
UNTIL = _all.order_by(_all.selected_columns.position, _all.selected_columns.id)
ASKED = SAID.where(messages.c.turn_id == bindparam("turn_id"), messages.c.role != "assistant").order_by(
    messages.c.position, messages.c.id
)
# Where the story of the turns after this one begins.
NEXT_ASKED = select(func.min(messages.c.position)).where(
    messages.c.conversation_id == bindparam("conversation_id"),
    messages.c.position > bindparam("asked_at"),
    messages.c.turn_id > bindparam("turn_id"),
    messages.c.role == "user",
)

# A window that went back would break the prefix that the provider remembers.
MOVE_START = (
    update(conversations)
    .where(conversations.c.id == bindparam("conversation_id"), conversations.c.context_start < bindparam("start"))
    .values(context_start=bindparam("start"))
)


class History:
    """The queries of the context."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def until(self, turn_id: int, conversation_id: int, start: int) -> Sequence[StoredMessage]:
        """The messages from position `start` on that a turn may read: no later turn's questions, no talk after.

        In the order they stand, save that nothing follows the turn's last question: it is what the model answers,
        also where it came late and others have been answered since. A question that stands before `start` is there
        too, for the same reason.
        """
        return await self._database.read(_until, turn_id, conversation_id, start)

    async def window(self, turn_id: int, conversation_id: int, start: int) -> Window:
        """The same, with the conversation's summaries, as they stood at one moment."""
        return await self._database.read(window_of, turn_id, conversation_id, start)

    async def asked(self, turn_id: int) -> Sequence[StoredMessage]:
        """The messages that a turn answers, commands included, oldest first; none that was deleted."""
        return await self._database.read(_asked, turn_id)

    async def move_start(self, conversation_id: int, start: int) -> None:
        """Let the model's window onto a conversation begin later; it never moves back."""
        await self._database.insist(_move_start, conversation_id, start)


def window_of(connection: Connection, turn_id: int, conversation_id: int, start: int) -> Window:
    """See `History.window`. In the transaction that is open."""
    return Window(_until(connection, turn_id, conversation_id, start), all_of(connection, conversation_id))


def _until(connection: Connection, turn_id: int, conversation_id: int, start: int) -> Sequence[StoredMessage]:
    rows = connection.execute(UNTIL, {"turn_id": turn_id, "conversation_id": conversation_id, "start": start}).all()
    said = list(map(StoredMessage._make, rows))
    asked = [index for index, message in enumerate(said) if message.turn_id == turn_id]
    if asked:
        first, after = asked[0], asked[-1] + 1
        since = _before_the_next(connection, said[after:], turn_id, conversation_id, said[asked[-1]].position)
        said = [*said[:first], *since, *said[first:after]]
    return said


def _before_the_next(
    connection: Connection, since: Sequence[StoredMessage], turn_id: int, conversation_id: int, asked_at: int
) -> Sequence[StoredMessage]:
    """Of what was said since a turn's last question, what does not belong to a later turn's story.

    A turn that is answered long after it failed reads what it would have read then.
    """
    if all(message.turn_id is not None for message in since):
        return since
    of = {"turn_id": turn_id, "conversation_id": conversation_id, "asked_at": asked_at}
    next_asked: int | None = connection.scalar(NEXT_ASKED, of)
    if next_asked is None:
        return since
    return [message for message in since if message.turn_id is not None or message.position < next_asked]


def _asked(connection: Connection, turn_id: int) -> Sequence[StoredMessage]:
    rows: Sequence[Any] = connection.execute(ASKED, {"turn_id": turn_id}).all()
    return list(map(StoredMessage._make, rows))


def _move_start(connection: Connection, conversation_id: int, start: int) -> None:
    connection.execute(MOVE_START, {"conversation_id": conversation_id, "start": start})
