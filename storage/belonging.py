"""To which conversation a message belongs, and who takes part there: what intake asks before it decides.

These are parts of its transactions.
"""

from __future__ import annotations

from sqlalchemy import and_, bindparam, select

from bot.messages import Address
from storage.connection import Connection
from storage.records import Spoken, Standing
from storage.schema import conversations, messages, reply_parts, turns, uploads

this_message = and_(
    messages.c.platform == bindparam("of_platform"),
    messages.c.workspace == bindparam("of_workspace"),
    messages.c.channel == bindparam("of_channel"),
    messages.c.platform_id == bindparam("of_id"),
)
_this_channel = and_(
    conversations.c.platform == bindparam("of_platform"),
    conversations.c.workspace == bindparam("of_workspace"),
    conversations.c.channel == bindparam("of_channel"),
)
ROOT_OF_MESSAGE = (
    select(conversations.c.root).join(messages, messages.c.conversation_id == conversations.c.id).where(this_message)
)
ROOT_OF_PART = (
    select(conversations.c.root)
    .join(turns, turns.c.conversation_id == conversations.c.id)
    .join(reply_parts, reply_parts.c.turn_id == turns.c.id)
    .where(reply_parts.c.platform_id == bindparam("of_id"), _this_channel)
)
# On Discord a file is a message that can be replied to like any other of the answer's.
ROOT_OF_FILE = (
    select(conversations.c.root)
    .join(turns, turns.c.conversation_id == conversations.c.id)
    .join(uploads, uploads.c.turn_id == turns.c.id)
    .where(uploads.c.platform_id == bindparam("of_id"), _this_channel)
)
_conversation_there = (
    select(conversations.c.id).where(_this_channel, conversations.c.root == bindparam("of_root")).scalar_subquery()
)
BEGAN = (
    select(messages.c.position)
    .where(
        messages.c.conversation_id == _conversation_there, messages.c.turn_id.is_not(None), messages.c.role != "aside"
    )
    .order_by(messages.c.position, messages.c.id)
    .limit(1)
)
# By so much of what was said last is judged who takes part.
RECENT_MESSAGES = 50
LATELY = (
    select(
        messages.c.turn_id,
        messages.c.role,
        messages.c.author_id,
        messages.c.author_name,
        messages.c.sent_at,
        messages.c.is_bot,
    )
    .where(
        messages.c.conversation_id == _conversation_there,
        messages.c.role != "aside",
        messages.c.deleted.is_(False),
        messages.c.platform_id != bindparam("of_id"),
        # Nobody said what a press of a button asked for.
        ~messages.c.platform_id.contains(":"),
    )
    .order_by(messages.c.position.desc(), messages.c.id.desc())
    .limit(RECENT_MESSAGES)
)


def identity(address: Address, message_id: str) -> dict[str, str]:
    """What `this_message` asks for."""
    return {
        "of_platform": address.platform,
        "of_workspace": address.workspace,
        "of_channel": address.channel,
        "of_id": message_id,
    }


def root_of(connection: Connection, address: Address, message_id: str) -> str | None:
    """The root of the conversation that holds a message (a person's, or any part of an answer), or None."""
    of = identity(address, message_id)
    for query in (ROOT_OF_MESSAGE, ROOT_OF_PART, ROOT_OF_FILE):
        root: str | None = connection.scalar(query, of)
        if root is not None:
            return root
    return None


def standing(connection: Connection, address: Address, root: str, message_id: str) -> Standing:
    """How the conversation at this root stands as a message comes into it."""
    of = {**identity(address, message_id), "of_root": root}
    began: int | None = connection.scalar(BEGAN, of)
    if began is None:
        return Standing(None)
    return Standing(began, tuple(Spoken(*row) for row in connection.execute(LATELY, of)))
