"""The queue and the life of a turn: claim by lease, the parts of its answer, and its end in one transaction.

Every write of a running turn is fenced by (owner, attempt): a worker whose lease has passed on changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import LeaseLost
from bot.messages import Address
from storage.database import Database
from storage.dialect import insert
from storage.records import Answer, Claim, StoredPart, TurnState, UsageRow, now
from storage.schema import conversations, messages, reply_parts, turns, usage


class Turns:
    """The queries of the engine and of delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, owner: str, lease_seconds: float, platforms: Collection[str]) -> Claim | None:
        """Take the oldest turn that may run: none open before it in its conversation, or its lease run out.

        Returns None where there is nothing to do on these platforms.
        """
        moment = now()
        earlier = turns.alias("earlier")
        first_in_line = ~exists().where(
            earlier.c.conversation_id == turns.c.conversation_id,
            earlier.c.state.in_(("queued", "running")),
            earlier.c.id < turns.c.id,
        )
        due = or_(
            and_(turns.c.state == "queued", turns.c.not_before <= moment),
            and_(turns.c.state == "running", turns.c.lease_until < moment),
        )
        oldest = (
            select(turns.c.id)
            .join(conversations, conversations.c.id == turns.c.conversation_id)
            .where(
                turns.c.state.in_(("queued", "running")),
                due,
                first_in_line,
                conversations.c.platform.in_(sorted(platforms)),
            )
            .order_by(turns.c.id)
            .limit(1)
            .scalar_subquery()
        )
        lease_until = moment + round(lease_seconds * 1_000_000)
        async with self._database.write() as connection:
            taken = (
                await connection.execute(
                    update(turns)
                    .where(turns.c.id == oldest)
                    .values(state="running", lease_owner=owner, lease_until=lease_until, attempts=turns.c.attempts + 1)
                    .returning(
                        turns.c.id,
                        turns.c.key,
                        turns.c.conversation_id,
                        turns.c.thread,
                        turns.c.attempts,
                        turns.c.created_at,
                    )
                )
            ).first()
            if taken is None:
                return None
            place = (
                await connection.execute(select(conversations).where(conversations.c.id == taken.conversation_id))
            ).one()
        return Claim(
            turn_id=taken.id,
            key=taken.key,
            conversation_id=taken.conversation_id,
            address=Address(place.platform, place.workspace, place.channel, taken.thread),
            root=place.root,
            direct=place.direct,
            complete=place.complete,
            context_start=place.context_start,
            owner=owner,
            attempt=taken.attempts,
            lease_until=lease_until,
            created_at=taken.created_at,
        )

    async def renew(self, owner: str, turn_ids: Collection[int], lease_seconds: float) -> frozenset[int]:
        """Put off the end of these turns' leases; returns those this worker still holds."""
        async with self._database.write() as connection:
            held = await connection.scalars(
                update(turns)
                .where(turns.c.id.in_(sorted(turn_ids)), turns.c.lease_owner == owner, turns.c.state == "running")
                .values(lease_until=now() + round(lease_seconds * 1_000_000))
                .returning(turns.c.id)
            )
            return frozenset(held)

    async def release(self, claim: Claim, *, delay_seconds: float = 0.0) -> None:
        """Hand a running turn back to the queue, to be claimed after the delay. No error if it is ours no more."""
        async with self._database.write() as connection:
            await connection.execute(
                update(turns)
                .where(*_held(claim))
                .values(
                    state="queued",
                    lease_owner=None,
                    lease_until=None,
                    not_before=now() + round(delay_seconds * 1_000_000),
                )
            )

    async def parts(self, turn_id: int) -> Sequence[StoredPart]:
        """The messages of a turn's answer so far, in order."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(reply_parts).where(reply_parts.c.turn_id == turn_id).order_by(reply_parts.c.number)
            )
            return [StoredPart(row.number, row.platform_id, row.intended_at) for row in rows]

    async def intend_part(self, claim: Claim, number: int) -> None:
        """Write down, before it is sent, that a message of the answer is about to be. Raises `LeaseLost`."""
        async with self._database.write() as connection:
            await self._fence(connection, claim)
            statement = insert(reply_parts, self._database.dialect_name).values(
                turn_id=claim.turn_id, number=number, state="intended", intended_at=now()
            )
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["turn_id", "number"],
                    set_={"state": "intended", "platform_id": None, "intended_at": statement.excluded.intended_at},
                )
            )

    async def confirm_part(self, claim: Claim, number: int, platform_id: str) -> None:
        """Write down that a message was sent. Unfenced: it is a fact, whoever holds the turn now."""
        async with self._database.write() as connection:
            await connection.execute(
                update(reply_parts)
                .where(reply_parts.c.turn_id == claim.turn_id, reply_parts.c.number == number)
                .values(state="sent", platform_id=platform_id)
            )

    async def drop_part(self, claim: Claim, number: int) -> None:
        """Forget a message that was taken back."""
        async with self._database.write() as connection:
            await connection.execute(
                reply_parts.delete().where(reply_parts.c.turn_id == claim.turn_id, reply_parts.c.number == number)
            )

    async def finish(
        self,
        claim: Claim,
        state: TurnState,
        *,
        answer: Answer | None = None,
        used: UsageRow | None = None,
        failure: str | None = None,
    ) -> None:
        """End a turn: its state, its answer as the conversation's next message, and its usage. Raises `LeaseLost`."""
        async with self._database.write() as connection:
            ended = await connection.execute(
                update(turns)
                .where(*_held(claim))
                .values(state=state, lease_owner=None, lease_until=None, finished_at=now(), failure=failure)
            )
            if not ended.rowcount:
                raise LeaseLost(f"turn {claim.turn_id} is held by another worker")
            if answer is not None:
                await self._store_answer(connection, claim, answer)
            if used is not None:
                await connection.execute(
                    usage.insert().values(
                        turn_id=claim.turn_id,
                        at=now(),
                        user_id=used.user_id,
                        model=used.model,
                        key_label=used.key_label,
                        requests=used.requests,
                        prompt_tokens=used.prompt_tokens,
                        cached_tokens=used.cached_tokens,
                        completion_tokens=used.completion_tokens,
                        reasoning_tokens=used.reasoning_tokens,
                        estimated=used.estimated,
                        cost_micros=used.cost_micros,
                    )
                )

    async def open_count(self) -> int:
        """How many turns are queued or running."""
        async with self._database.read() as connection:
            count = await connection.scalar(
                select(func.count()).select_from(turns).where(turns.c.state.in_(("queued", "running")))
            )
        return count or 0

    async def _fence(self, connection: AsyncConnection, claim: Claim) -> None:
        held = await connection.scalar(select(turns.c.id).where(*_held(claim)))
        if held is None:
            raise LeaseLost(f"turn {claim.turn_id} is held by another worker")

    async def _store_answer(self, connection: AsyncConnection, claim: Claim, answer: Answer) -> None:
        asked_at = select(func.max(messages.c.position)).where(
            messages.c.turn_id == claim.turn_id, messages.c.role == "user"
        )
        await connection.execute(
            insert(messages, self._database.dialect_name)
            .values(
                conversation_id=claim.conversation_id,
                turn_id=claim.turn_id,
                platform=claim.address.platform,
                workspace=claim.address.workspace,
                channel=claim.address.channel,
                platform_id=answer.platform_id,
                role="assistant",
                author_id=answer.author_id,
                author_name=answer.author_name,
                text=answer.text,
                sent_at=now(),
                position=asked_at.scalar_subquery(),
            )
            .on_conflict_do_nothing()
        )


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        turns.c.id == claim.turn_id,
        turns.c.state == "running",
        turns.c.lease_owner == claim.owner,
        turns.c.attempts == claim.attempt,
    )
