"""What has been said in a conversation, in the order the model should read it."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import or_, select, update

from bot.messages import Attachment
from storage.database import Database
from storage.records import StoredMessage
from storage.schema import conversations, messages


class History:
    """The queries of the context."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def until(self, turn_id: int, conversation_id: int, start: int) -> Sequence[StoredMessage]:
        """The messages from position `start` on that a turn may read, in order: none of a later turn's questions."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(
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
                )
                .where(
                    messages.c.conversation_id == conversation_id,
                    messages.c.position >= start,
                    messages.c.deleted.is_(False),
                    or_(messages.c.turn_id.is_(None), messages.c.turn_id <= turn_id),
                )
                .order_by(messages.c.position, messages.c.id)
            )
            return [
                StoredMessage(
                    id=row.id,
                    turn_id=row.turn_id,
                    platform_id=row.platform_id,
                    role=row.role,
                    author_id=row.author_id,
                    author_name=row.author_name,
                    text=row.text,
                    position=row.position,
                    sent_at=row.sent_at,
                    attachments=tuple(Attachment(**a) for a in orjson.loads(row.attachments)),
                )
                for row in rows
            ]

    async def move_start(self, conversation_id: int, start: int) -> None:
        """Let the model's window onto a conversation begin later."""
        async with self._database.write() as connection:
            await connection.execute(
                update(conversations).where(conversations.c.id == conversation_id).values(context_start=start)
            )
