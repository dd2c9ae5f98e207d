"""What comes in: messages under their natural key, and the turns that will answer them, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import orjson
from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import Address, IncomingMessage
from storage.database import Database
from storage.dialect import insert
from storage.records import Accepted, Role, micros, now
from storage.schema import conversations, cursors, messages, reply_parts, turns


def turn_key(message: IncomingMessage) -> str:
    """The key of the turn that `message` starts: 20 hexadecimal digits made from its identity alone."""
    a = message.address
    identity = "\0".join((a.platform, a.workspace, a.channel, message.id))
    return hashlib.blake2b(identity.encode(), digest_size=10).hexdigest()


class Inbox:
    """The queries of intake."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def root_of(self, address: Address, message_id: str) -> str | None:
        """The root of the conversation that holds a message (a person's, or any part of an answer), or None."""
        async with self._database.read() as connection:
            root = await connection.scalar(
                select(conversations.c.root)
                .join(messages, messages.c.conversation_id == conversations.c.id)
                .where(
                    messages.c.platform == address.platform,
                    messages.c.workspace == address.workspace,
                    messages.c.channel == address.channel,
                    messages.c.platform_id == message_id,
                )
            )
            if root is None:
                root = await connection.scalar(
                    select(conversations.c.root)
                    .join(turns, turns.c.conversation_id == conversations.c.id)
                    .join(reply_parts, reply_parts.c.turn_id == turns.c.id)
                    .where(
                        reply_parts.c.platform_id == message_id,
                        conversations.c.platform == address.platform,
                        conversations.c.workspace == address.workspace,
                        conversations.c.channel == address.channel,
                    )
                )
        return root

    async def knows(self, address: Address, root: str) -> bool:
        """Whether there is a conversation at this root: the bot has been spoken to there."""
        async with self._database.read() as connection:
            found = await connection.scalar(select(conversations.c.id).where(*_at(address, root)))
        return found is not None

    async def accept(self, message: IncomingMessage, root: str, *, wants_answer: bool, complete: bool) -> Accepted:
        """Store a message and, where it wants an answer, the turn that will give it.

        `complete` says of a conversation that this starts that nothing was said in it before. A message known as
        context alone that now wants an answer (its event came after the history that held it) gets its turn.
        """
        async with self._database.write() as connection:
            known = (
                await connection.execute(
                    select(messages.c.id, messages.c.turn_id, messages.c.conversation_id, messages.c.role).where(
                        *_same_message(message)
                    )
                )
            ).first()
            if known is not None:
                if known.turn_id is not None or not wants_answer or known.role != "user":
                    return Accepted("duplicate", known.turn_id)
                accepted = await self._turn_for(connection, message, known.conversation_id)
                await connection.execute(
                    update(messages).where(messages.c.id == known.id).values(turn_id=accepted.turn_id)
                )
                return accepted
            conversation_id = await self._conversation(connection, message, root, complete=complete)
            accepted = (
                await self._turn_for(connection, message, conversation_id) if wants_answer else Accepted("stored")
            )
            await connection.execute(
                messages.insert().values(**_row(message, conversation_id, "user"), turn_id=accepted.turn_id)
            )
            await self._advance_cursor(connection, message)
            return accepted

    async def remember(self, conversation_id: int, earlier: Sequence[IncomingMessage], own_id: str) -> None:
        """Keep what was said before the bot came, once; messages by `own_id` are the bot's own answers."""
        async with self._database.write() as connection:
            if earlier:
                rows = [_row(m, conversation_id, "assistant" if m.author.id == own_id else "user") for m in earlier]
                await connection.execute(insert(messages, self._database.dialect_name).on_conflict_do_nothing(), rows)
            await connection.execute(
                update(conversations).where(conversations.c.id == conversation_id).values(complete=True)
            )

    async def edit(self, message: IncomingMessage) -> bool:
        """Give a stored message its new wording; False where it is not known."""
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(messages)
                .where(*_same_message(message), messages.c.role == "user")
                .values(text=message.text, attachments=_attachments(message), edited=True)
            )
        return bool(changed.rowcount)

    async def delete(self, address: Address, message_id: str) -> bool:
        """Forget the text of a deleted message, keeping its identity; False where it is not known."""
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(messages)
                .where(
                    messages.c.platform == address.platform,
                    messages.c.workspace == address.workspace,
                    messages.c.channel == address.channel,
                    messages.c.platform_id == message_id,
                )
                .values(text="", attachments="[]", deleted=True)
            )
        return bool(changed.rowcount)

    async def _conversation(
        self, connection: AsyncConnection, message: IncomingMessage, root: str, *, complete: bool
    ) -> int:
        found: int | None = await connection.scalar(select(conversations.c.id).where(*_at(message.address, root)))
        if found is not None:
            return found
        a = message.address
        created: int | None = await connection.scalar(
            insert(conversations, self._database.dialect_name)
            .values(
                platform=a.platform,
                workspace=a.workspace,
                channel=a.channel,
                root=root,
                direct=message.direct,
                complete=complete,
                created_at=now(),
            )
            # Where two workers meet, the second takes the first's row.
            .on_conflict_do_update(index_elements=["platform", "workspace", "channel", "root"], set_={"root": root})
            .returning(conversations.c.id)
        )
        if created is None:
            raise AssertionError("an upsert with RETURNING gives a row")
        return created

    async def _turn_for(self, connection: AsyncConnection, message: IncomingMessage, conversation_id: int) -> Accepted:
        waiting: int | None = await connection.scalar(
            select(func.max(turns.c.id)).where(
                turns.c.conversation_id == conversation_id, turns.c.state == "queued", turns.c.attempts == 0
            )
        )
        if waiting is not None:
            # The answer goes to where the latest question was asked.
            await connection.execute(update(turns).where(turns.c.id == waiting).values(thread=message.address.thread))
            return Accepted("joined", waiting)
        turn_id: int | None = await connection.scalar(
            turns.insert()
            .values(
                conversation_id=conversation_id,
                key=turn_key(message),
                state="queued",
                thread=message.address.thread,
                created_at=now(),
            )
            .returning(turns.c.id)
        )
        return Accepted("queued", turn_id)

    async def _advance_cursor(self, connection: AsyncConnection, message: IncomingMessage) -> None:
        a = message.address
        position = micros(message.sent_at)
        statement = insert(cursors, self._database.dialect_name).values(
            platform=a.platform,
            workspace=a.workspace,
            channel=a.channel,
            thread=a.thread or "",
            platform_id=message.id,
            position=position,
        )
        newer = statement.excluded.position > cursors.c.position
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["platform", "workspace", "channel", "thread"],
                set_={
                    "platform_id": case((newer, statement.excluded.platform_id), else_=cursors.c.platform_id),
                    "position": case((newer, statement.excluded.position), else_=cursors.c.position),
                },
            )
        )


def _at(address: Address, root: str) -> tuple[ColumnElement[bool], ...]:
    return (
        conversations.c.platform == address.platform,
        conversations.c.workspace == address.workspace,
        conversations.c.channel == address.channel,
        conversations.c.root == root,
    )


def _same_message(message: IncomingMessage) -> tuple[ColumnElement[bool], ...]:
    a = message.address
    return (
        messages.c.platform == a.platform,
        messages.c.workspace == a.workspace,
        messages.c.channel == a.channel,
        messages.c.platform_id == message.id,
    )


def _attachments(message: IncomingMessage) -> str:
    return orjson.dumps([asdict(a) for a in message.attachments]).decode()


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
        "text": message.text,
        "attachments": _attachments(message),
        "sent_at": sent_at,
        "position": sent_at,
        "edited": message.edited,
    }
