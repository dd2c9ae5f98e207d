"""What has been said in a conversation, in the order the model should read it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, false, or_, select, union_all, update

from storage.database import Database
from storage.records import StoredMessage
from storage.schema import conversations, messages

# In the order of `StoredMessage`'s fields.
_said = select(
    messages.c.id,
    messages.c.turn_id,
    messages.c.platform_id,
    messages.c.role,
    messages.c.author_id,
    messages.c.author_name,
    messages.c.text,
    messages.c.position,
    messages.c.sent_at,
    messages.c.attachments,
).where(messages.c.deleted == false())
_in_window = _said.where(
    messages.c.conversation_id == bindparam("conversation_id"),
    messages.c.position >= bindparam("start"),
    or_(messages.c.turn_id.is_(None), messages.c.turn_id <= bindparam("turn_id")),
)
_asked_before_window = _said.where(messages.c.turn_id == bindparam("turn_id"), messages.c.position < bindparam("start"))
_both = union_all(_in_window, _asked_before_window)
UNTIL = _both.order_by(_both.selected_columns.position, _both.selected_columns.id)

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
        """The messages from position `start` on that a turn may read: none of a later turn's questions.

        In the order they stand, save that nothing follows the turn's last question: it is what the model answers,
        also where it came late and others have been answered since. A question that stands before `start` is there
        too, for the same reason.
        """
        return await self._database.read(_until, turn_id, conversation_id, start)

    async def move_start(self, conversation_id: int, start: int) -> None:
        """Let the model's window onto a conversation begin later; it never moves back."""
        await self._database.insist(_move_start, conversation_id, start)


def _until(connection: Connection, turn_id: int, conversation_id: int, start: int) -> Sequence[StoredMessage]:
    rows = connection.execute(UNTIL, {"turn_id": turn_id, "conversation_id": conversation_id, "start": start}).all()
    said = [StoredMessage(*row) for row in rows]
    asked = [index for index, message in enumerate(said) if message.turn_id == turn_id]
    if asked:
        first, after = asked[0], asked[-1] + 1
        said = [*said[:first], *said[after:], *said[first:after]]
    return said


def _move_start(connection: Connection, conversation_id: int, start: int) -> None:
    connection.execute(MOVE_START, {"conversation_id": conversation_id, "start": start})
