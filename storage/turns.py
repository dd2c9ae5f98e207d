"""The life of a turn: its claim and lease, the parts of its answer, and its end in one transaction.

Every write of a running turn is fenced: see `fence.py`. The queue's own statements are in `leasing.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Integer,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    literal_column,
    select,
    update,
)

from storage import leasing
from storage.answers import forget_old
from storage.budgets import settle
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.fence import HELD, holding, is_held, late, lost
from storage.money import Spender, UsageRow
from storage.records import Answer, Backlog, Claim, SentPart, StoredPart, TurnState, micros_of, now
from storage.schema import messages, reply_parts, turns
from storage.usage import record

RELEASE = (
    update(turns)
    .where(is_held)
    .values(
        state="queued",
        lease_owner=None,
        lease_until=None,
        not_before=bindparam("to_not_before"),
        crashes=turns.c.crashes + bindparam("more_crashes", type_=Integer),
    )
    .returning(turns.c.outcome)
)
PARTS = (
    select(reply_parts.c.number, reply_parts.c.platform_id, reply_parts.c.intended_at)
    .where(reply_parts.c.turn_id == bindparam("of_turn"))
    .order_by(reply_parts.c.number)
)
INTEND_PART = upsert(
    reply_parts,
    lambda insert: insert.from_select(
        ["turn_id", "number", "state", "intended_at"],
        select(
            turns.c.id,
            bindparam("part", type_=Integer),
            literal("intended", String),
            bindparam("moment", type_=BigInteger),
        ).where(is_held),
    ).on_conflict_do_update(
        index_elements=["turn_id", "number"],
        set_={"state": "intended", "platform_id": None, "intended_at": insert.excluded.intended_at},
    ),
)
PARTS_AMONG = select(reply_parts.c.platform_id).where(
    reply_parts.c.platform_id.in_(bindparam("platform_ids", expanding=True))
)
_this_part = and_(reply_parts.c.turn_id == bindparam("of_turn"), reply_parts.c.number == bindparam("part"))
CONFIRM_PART = update(reply_parts).where(_this_part).values(state="sent", platform_id=bindparam("to_platform_id"))
# What answers a wording that has been changed meanwhile is neither kept nor the end of the turn.
_up_to_date = turns.c.revision == bindparam("held_revision")
KEEP_OUTCOME = update(turns).where(is_held, _up_to_date).values(outcome=bindparam("to_outcome"))
BEGIN_AGAIN = select(turns.c.revision).where(is_held)
REVISIONS = select(turns.c.id, turns.c.revision).where(turns.c.id.in_(bindparam("turn_ids", expanding=True)))
DROP_PART = delete(reply_parts).where(_this_part)
# What a message said goes with it.
has_words = exists().where(
    messages.c.turn_id == turns.c.id, messages.c.role != "assistant", messages.c.deleted == false()
)
FINISH = (
    update(turns)
    .where(is_held, _up_to_date)
    .values(
        state=bindparam("to_state"),
        lease_owner=None,
        lease_until=None,
        finished_at=bindparam("moment"),
        failure=bindparam("to_failure"),
        outcome=None,
        # What has failed is carried out, or said, when an operator has it tried again.
        payload=case(
            (and_(bindparam("to_state", type_=String) == literal_column("'failed'"), has_words), turns.c.payload)
        ),
        stopped_by=None,
    )
)
_asked_at = (
    select(func.max(messages.c.position))
    .where(messages.c.turn_id == bindparam("of_turn"), messages.c.role == "user")
    .scalar_subquery()
)
# An answer whose questions were all deleted while it was written is not remembered: it says what was taken back.
_still_asked = exists().where(
    messages.c.turn_id == bindparam("of_turn"), messages.c.role == "user", messages.c.deleted == false()
)
STORE_ANSWER = upsert(
    messages,
    lambda insert: insert.values(
        position=_asked_at,
        text=case((_still_asked, bindparam("said", type_=messages.c.text.type)), else_=""),
        deleted=~_still_asked,
    ).on_conflict_do_nothing(),
)


class Turns:
    """The queries of the engine and of delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
        owner: str,
        lease_seconds: float,
        platforms: Collection[str],
        *,
        at_hand: Collection[int] = (),
        held: bool = False,
        full: Collection[str] = (),
    ) -> Claim | None:
        """Take the oldest turn that may run: none open before it in its conversation and none running there, or its
        own lease run out.

        `at_hand` are the turns this worker is running: it need not take them from itself where their leases could not
        be renewed in time. `held`: turns that are held back for older questions are left. `full` are channels
        that have enough of this worker's lanes. Returns None where there is nothing to do on these platforms.
        """
        return await self._database.write(
            leasing.claim,
            owner,
            lease_seconds,
            sorted(platforms),
            at_hand=sorted(at_hand),
            held=held,
            full=sorted(full),
        )

    async def renew(self, owner: str, turn_ids: Collection[int], lease_seconds: float) -> Mapping[int, str | None]:
        """Put off the end of these turns' leases; returns those this worker still holds.

        With each goes the name of who wants it stopped: another worker may have taken that wish in.
        """
        return await self._database.write(leasing.renew, owner, sorted(turn_ids), lease_seconds)

    async def hold_on(self, claim: Claim, lease_seconds: float) -> bool:
        """Put off the end of one turn's lease, however long a passing trouble takes; whether it is still held."""
        held = await self._database.insist(leasing.renew, claim.owner, [claim.turn_id], lease_seconds)
        return claim.turn_id in held

    async def other_owners(self, owner: str) -> Sequence[str]:
        """The other workers that have running turns."""
        return await self._database.read(leasing.other_owners, owner)

    async def expire(self, owners: Collection[str]) -> int:
        """End the leases of workers that are gone, so that their turns can be claimed; returns how many those are."""
        return await self._database.write(leasing.expire, sorted(owners))

    async def release(
        self, claim: Claim, *, delay_seconds: float = 0.0, crashed: bool = False, used: UsageRow | None = None
    ) -> None:
        """Hand a running turn back to the queue, to be claimed after the delay. No error if it is ours no more.

        `crashed`: it ran into a bug, which counts as the death of a process does. `used` is what this attempt took of
        the model; it is counted here unless the outcome was kept, which is counted with the turn's end.
        """
        await self._database.write(_release, claim, delay_seconds, crashed=crashed, used=used)

    async def revisions(self, turn_ids: Collection[int]) -> Mapping[int, int]:
        """The present revision of each of some turns, by its id."""
        return await self._database.read(_revisions, sorted(turn_ids))

    async def begin_again(self, claim: Claim, used: UsageRow | None) -> int:
        """Count what was used for wordings that are out of date; returns the present revision. Raises `LeaseLost`."""
        return await self._database.insist(_begin_again, claim, used)

    async def parts(self, turn_id: int) -> Sequence[StoredPart]:
        """The messages of a turn's answer so far, in order."""
        return await self._database.read(_parts, turn_id)

    async def parts_among(self, platform_ids: Collection[str]) -> frozenset[str]:
        """Those of some messages that are known to belong to an answer."""
        return await self._database.read(_parts_among, sorted(platform_ids))

    async def keep_outcome(self, claim: Claim, outcome: str) -> None:
        """Write down what the model said, before it stands whole at the platform.

        Raises `LeaseLost`, and `QuestionChanged` where it answers what was edited or deleted meanwhile.
        """
        await self._database.insist(_keep_outcome, claim, outcome)

    async def intend_part(
        self, claim: Claim, number: int, outcome: str | None = None, *, tell: Callable[[None], None] | None = None
    ) -> None:
        """Write down, before it is sent, that a message of the answer is about to be. Raises `LeaseLost`.

        With `outcome`, that is kept by the same transaction, and like `keep_outcome` it raises `QuestionChanged`.
        `tell` may be called once that is written, and is being committed.
        """
        await self._database.insist_foretold(tell, _intend_part, claim, number, outcome)

    async def confirm_part(self, claim: Claim, sent: SentPart) -> None:
        """Write down that a message was sent. Unfenced: it is a fact, whoever holds the turn now."""
        await self._database.insist(_confirm_part, claim, sent)

    async def drop_part(self, claim: Claim, number: int) -> None:
        """Forget a message that was taken back. Raises `LeaseLost`: its number may be another worker's by now."""
        await self._database.insist(_drop_part, claim, number)

    async def finish(
        self,
        claim: Claim,
        state: TurnState,
        *,
        answer: Answer | None = None,
        used: UsageRow | None = None,
        failure: str | None = None,
        reserved: bool = False,
        sent: SentPart | None = None,
    ) -> None:
        """End a turn: its state, its answer as the conversation's next message, its usage, and the part sent last.

        Raises `LeaseLost`, and `QuestionChanged` where a question of it was edited or deleted meanwhile.
        `reserved`: money may be set aside for it, which is let go of. An earlier attempt may always have done that.
        """
        reserved = reserved or claim.attempt > 1
        await self._database.insist(
            _finish, claim, state, answer=answer, used=used, failure=failure, reserved=reserved, sent=sent
        )

    async def open_count(self) -> int:
        """How many turns are queued or running."""
        return await self._database.read(leasing.open_count)

    async def backlog(self) -> Backlog:
        """How many turns are open, and since when the oldest waits of those that may run."""
        return await self._database.read(leasing.backlog)


def _release(
    connection: Connection, claim: Claim, delay_seconds: float, *, crashed: bool, used: UsageRow | None
) -> None:
    moment = now()
    back = {"to_not_before": moment + micros_of(delay_seconds), "more_crashes": int(crashed)}
    released = connection.execute(RELEASE, {**holding(claim), **back}).first()
    if used is not None and released is not None and released.outcome is None:
        # What is set aside for the turn stays so for its next attempt.
        _count(connection, claim, used, moment)


def _revisions(connection: Connection, turn_ids: Sequence[int]) -> Mapping[int, int]:
    return {row.id: row.revision for row in connection.execute(REVISIONS, {"turn_ids": turn_ids})}


def _begin_again(connection: Connection, claim: Claim, used: UsageRow | None) -> int:
    revision: int | None = connection.scalar(BEGIN_AGAIN, holding(claim))
    if revision is None:
        raise lost(claim)
    if used is not None:
        _count(connection, claim, used, now())
    return revision


def _parts(connection: Connection, turn_id: int) -> Sequence[StoredPart]:
    return [StoredPart(*row) for row in connection.execute(PARTS, {"of_turn": turn_id})]


def _parts_among(connection: Connection, platform_ids: Sequence[str]) -> frozenset[str]:
    return frozenset(connection.scalars(PARTS_AMONG, {"platform_ids": platform_ids}))


def _keep_outcome(connection: Connection, claim: Claim, outcome: str) -> None:
    kept = {**holding(claim), "held_revision": claim.revision, "to_outcome": outcome}
    if not connection.execute(KEEP_OUTCOME, kept).rowcount:
        raise late(connection, claim)


def _intend_part(connection: Connection, claim: Claim, number: int, outcome: str | None) -> None:
    if outcome is not None:
        _keep_outcome(connection, claim, outcome)
    intent = {**holding(claim), "part": number, "moment": now()}
    if not connection.execute(INTEND_PART[connection.dialect.name], intent).rowcount:
        raise lost(claim)


def _confirm_part(connection: Connection, claim: Claim, sent: SentPart) -> None:
    row = {"of_turn": claim.turn_id, "part": sent.number, "to_platform_id": sent.platform_id}
    connection.execute(CONFIRM_PART, row)


def _drop_part(connection: Connection, claim: Claim, number: int) -> None:
    if connection.scalar(HELD, holding(claim)) is None:
        raise lost(claim)
    connection.execute(DROP_PART, {"of_turn": claim.turn_id, "part": number})


def _finish(
    connection: Connection,
    claim: Claim,
    state: TurnState,
    *,
    answer: Answer | None,
    used: UsageRow | None,
    failure: str | None,
    reserved: bool,
    sent: SentPart | None,
) -> None:
    moment = now()
    end = {
        **holding(claim),
        "held_revision": claim.revision,
        "to_state": state,
        "moment": moment,
        "to_failure": failure,
    }
    if not connection.execute(FINISH, end).rowcount:
        raise late(connection, claim)
    if sent is not None:
        _confirm_part(connection, claim, sent)
    if answer is not None:
        if claim.pressed is not None:
            forget_old(connection, claim.turn_id)
        row = {
            "conversation_id": claim.conversation_id,
            "turn_id": claim.turn_id,
            "of_turn": claim.turn_id,
            "platform": claim.address.platform,
            "workspace": claim.address.workspace,
            "channel": claim.address.channel,
            "role": "assistant",
            "sent_at": moment,
            "platform_id": answer.platform_id,
            "author_id": answer.author_id,
            "author_name": answer.author_name,
            "said": answer.text,
        }
        connection.execute(STORE_ANSWER[connection.dialect.name], row)
    if used is not None:
        _count(connection, claim, used, moment)
    if reserved:
        settle(connection, claim.key)


def _count(connection: Connection, claim: Claim, used: UsageRow, moment: int) -> None:
    a = claim.address
    spender = Spender(a.platform, a.workspace, a.channel, used.user_id)
    record(connection, spender, used, purpose="answer", turn_id=claim.turn_id, moment=moment)
