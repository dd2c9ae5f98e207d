"""The queue and the life of a turn: claim by lease, the parts of its answer, and its end in one transaction.

Every write of a running turn is fenced by (owner, attempt): a worker whose lease has passed on changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Connection,
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
    or_,
    select,
    update,
)

from bot.errors import LeaseLost, QuestionChanged
from bot.messages import Address
from storage.answers import forget_old
from storage.budgets import settle
from storage.database import Database
from storage.dialect import upsert
from storage.records import Answer, Backlog, Claim, Spender, StoredPart, TurnState, UsageRow, micros_of, now
from storage.schema import conversations, is_open, is_running, messages, reply_parts, turns
from storage.usage import record

# Ids count from 1, and channels have names. An empty list would be spelled as a query of its own.
_NO_TURN = 0
_NO_CHANNEL = ""
_candidate = turns.alias("candidate")
_other = turns.alias("other")
_may_run = and_(
    is_open(_candidate),
    or_(
        and_(_candidate.c.state == "queued", _candidate.c.not_before <= bindparam("moment")),
        and_(_candidate.c.state == "running", _candidate.c.lease_until < bindparam("moment")),
    ),
    # A later one may be running before it: it was begun while this one had failed. That one is not disturbed, and
    # goes first too where its lease ran out.
    ~exists().where(
        _candidate.c.state == "queued",
        _other.c.conversation_id == _candidate.c.conversation_id,
        is_open(_other),
        or_(_other.c.id < _candidate.c.id, is_running(_other)),
    ),
)
_oldest = (
    select(_candidate.c.id)
    .where(
        _may_run,
        _candidate.c.id.not_in(bindparam("at_hand", expanding=True)),
        # Held back while missed messages are read, perhaps by a process that died over the reading.
        or_(
            _candidate.c.not_before == 0,
            _candidate.c.attempts > 0,
            bindparam("held_until", type_=BigInteger) <= bindparam("moment", type_=BigInteger),
        ),
        exists().where(
            conversations.c.id == _candidate.c.conversation_id,
            conversations.c.platform.in_(bindparam("platforms", expanding=True)),
            conversations.c.channel.not_in(bindparam("full", expanding=True)),
        ),
    )
    .order_by(_candidate.c.id)
    .limit(1)
    .scalar_subquery()
)
CLAIM = (
    update(turns)
    .where(
        turns.c.id == _oldest,
        # Said again of the row itself: another process may have been quicker.
        or_(turns.c.state == "queued", turns.c.lease_until < bindparam("moment")),
    )
    .values(
        state="running",
        lease_owner=bindparam("to_owner"),
        lease_until=bindparam("to_lease"),
        attempts=turns.c.attempts + 1,
        # It was running until its lease ran out: whoever ran it is gone.
        crashes=turns.c.crashes + case((turns.c.state == "running", 1), else_=0),
    )
    .returning(
        turns.c.id,
        turns.c.key,
        turns.c.conversation_id,
        turns.c.thread,
        turns.c.attempts,
        turns.c.crashes,
        turns.c.created_at,
        turns.c.outcome,
        turns.c.kind,
        turns.c.payload,
        turns.c.revision,
        turns.c.pressed,
        turns.c.stopped_by,
    )
)
PLACE = select(
    conversations,
    exists().where(is_open(_other), _other.c.state == "queued").label("others_wait"),
).where(conversations.c.id == bindparam("conversation_id"))
RENEW = (
    update(turns)
    .where(
        turns.c.id.in_(bindparam("turn_ids", expanding=True)),
        turns.c.state == "running",
        turns.c.lease_owner == bindparam("owner"),
    )
    .values(lease_until=bindparam("to_lease"))
    .returning(turns.c.id, turns.c.stopped_by)
)
OTHER_OWNERS = (
    select(turns.c.lease_owner)
    .where(is_running(turns), turns.c.lease_owner != bindparam("owner"))
    .group_by(turns.c.lease_owner)
)
EXPIRE = (
    update(turns)
    .where(is_running(turns), turns.c.lease_owner.in_(bindparam("owners", expanding=True)))
    .values(lease_until=0)
)
_held = and_(
    turns.c.id == bindparam("held_turn"),
    turns.c.state == "running",
    turns.c.lease_owner == bindparam("held_by"),
    turns.c.attempts == bindparam("held_attempt"),
)
RELEASE = (
    update(turns)
    .where(_held)
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
        ).where(_held),
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
HELD = select(turns.c.id).where(_held)
# What answers a wording that has been changed meanwhile is neither kept nor the end of the turn.
_up_to_date = turns.c.revision == bindparam("held_revision")
KEEP_OUTCOME = update(turns).where(_held, _up_to_date).values(outcome=bindparam("to_outcome"))
BEGIN_AGAIN = select(turns.c.revision).where(_held)
REVISIONS = select(turns.c.id, turns.c.revision).where(turns.c.id.in_(bindparam("turn_ids", expanding=True)))
DROP_PART = delete(reply_parts).where(_this_part)
FINISH = (
    update(turns)
    .where(_held, _up_to_date)
    .values(
        state=bindparam("to_state"),
        lease_owner=None,
        lease_until=None,
        finished_at=bindparam("moment"),
        failure=bindparam("to_failure"),
        outcome=None,
        payload=None,
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
OPEN_COUNT = select(func.count()).select_from(turns).where(is_open(turns))
# Since when the oldest turn waits that nothing but a free worker is missing to.
WAITING_SINCE = (
    select(
        case(
            (_candidate.c.state == "running", _candidate.c.lease_until),
            (_candidate.c.not_before > _candidate.c.created_at, _candidate.c.not_before),
            else_=_candidate.c.created_at,
        )
    )
    .where(_may_run)
    .order_by(_candidate.c.id)
    .limit(1)
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
        held_until: int = 0,
        full: Collection[str] = (),
    ) -> Claim | None:
        """Take the oldest turn that may run: none open before it in its conversation and none running there, or its
        own lease run out.

        `at_hand` are the turns this worker is running: it need not take them from itself where their leases could not
        be renewed in time. Turns that are held back for older questions are left until `held_until` (microseconds since
        the epoch) or their release. `full` are channels that have enough of this worker's lanes. Returns None where
        there is nothing to do on these platforms.
        """
        return await self._database.write(
            _claim,
            owner,
            lease_seconds,
            sorted(platforms),
            at_hand=sorted(at_hand),
            held_until=held_until,
            full=sorted(full),
        )

    async def renew(self, owner: str, turn_ids: Collection[int], lease_seconds: float) -> Mapping[int, str | None]:
        """Put off the end of these turns' leases; returns those this worker still holds.

        With each goes the name of who wants it stopped: another worker may have taken that wish in.
        """
        return await self._database.write(_renew, owner, sorted(turn_ids), lease_seconds)

    async def hold_on(self, claim: Claim, lease_seconds: float) -> bool:
        """Put off the end of one turn's lease, however long a passing trouble takes; whether it is still held."""
        held = await self._database.insist(_renew, claim.owner, [claim.turn_id], lease_seconds)
        return claim.turn_id in held

    async def other_owners(self, owner: str) -> Sequence[str]:
        """The other workers that have running turns."""
        return await self._database.read(_other_owners, owner)

    async def expire(self, owners: Collection[str]) -> int:
        """End the leases of workers that are gone, so that their turns can be claimed; returns how many those are."""
        return await self._database.write(_expire, sorted(owners))

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

    async def intend_part(self, claim: Claim, number: int, outcome: str | None = None) -> None:
        """Write down, before it is sent, that a message of the answer is about to be. Raises `LeaseLost`.

        With `outcome`, that is kept by the same transaction, and like `keep_outcome` it raises `QuestionChanged`.
        """
        await self._database.insist(_intend_part, claim, number, outcome)

    async def confirm_part(self, claim: Claim, number: int, platform_id: str) -> None:
        """Write down that a message was sent. Unfenced: it is a fact, whoever holds the turn now."""
        await self._database.insist(_confirm_part, claim, number, platform_id)

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
    ) -> None:
        """End a turn: its state, its answer as the conversation's next message, and its usage.

        Raises `LeaseLost`, and `QuestionChanged` where a question of it was edited or deleted meanwhile.
        `reserved`: money may be set aside for it, which is let go of. An earlier attempt may always have done that.
        """
        reserved = reserved or claim.attempt > 1
        await self._database.insist(_finish, claim, state, answer=answer, used=used, failure=failure, reserved=reserved)

    async def open_count(self) -> int:
        """How many turns are queued or running."""
        return await self._database.read(_open_count)

    async def backlog(self) -> Backlog:
        """How many turns are open, and since when the oldest waits of those that may run."""
        return await self._database.read(_backlog)


def _claim(
    connection: Connection,
    owner: str,
    lease_seconds: float,
    platforms: Sequence[str],
    *,
    at_hand: Sequence[int],
    held_until: int,
    full: Sequence[str],
) -> Claim | None:
    moment = now()
    lease_until = moment + micros_of(lease_seconds)
    lease = {
        "moment": moment,
        "platforms": platforms,
        "at_hand": [_NO_TURN, *at_hand],
        "held_until": held_until,
        "full": [_NO_CHANNEL, *full],
        "to_owner": owner,
        "to_lease": lease_until,
    }
    taken = connection.execute(CLAIM, lease).first()
    if taken is None:
        return None
    place = connection.execute(PLACE, {"conversation_id": taken.conversation_id}).one()
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
        crashes=taken.crashes,
        lease_until=lease_until,
        created_at=taken.created_at,
        outcome=taken.outcome,
        kind=taken.kind,
        payload=taken.payload,
        revision=taken.revision,
        pressed=taken.pressed,
        stopped_by=taken.stopped_by,
        begun_at=place.created_at,
        others_wait=place.others_wait,
    )


def _renew(
    connection: Connection, owner: str, turn_ids: Sequence[int], lease_seconds: float
) -> Mapping[int, str | None]:
    lease = {"turn_ids": turn_ids, "owner": owner, "to_lease": now() + micros_of(lease_seconds)}
    return {row.id: row.stopped_by for row in connection.execute(RENEW, lease)}


def _other_owners(connection: Connection, owner: str) -> Sequence[str]:
    return list(connection.scalars(OTHER_OWNERS, {"owner": owner}))


def _expire(connection: Connection, owners: Sequence[str]) -> int:
    return connection.execute(EXPIRE, {"owners": owners}).rowcount


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
        raise _lost(claim)
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
        raise _late(connection, claim)


def _intend_part(connection: Connection, claim: Claim, number: int, outcome: str | None) -> None:
    if outcome is not None:
        _keep_outcome(connection, claim, outcome)
    intent = {**holding(claim), "part": number, "moment": now()}
    if not connection.execute(INTEND_PART[connection.dialect.name], intent).rowcount:
        raise _lost(claim)


def _confirm_part(connection: Connection, claim: Claim, number: int, platform_id: str) -> None:
    connection.execute(CONFIRM_PART, {"of_turn": claim.turn_id, "part": number, "to_platform_id": platform_id})


def _drop_part(connection: Connection, claim: Claim, number: int) -> None:
    if connection.scalar(HELD, holding(claim)) is None:
        raise _lost(claim)
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
        raise _late(connection, claim)
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


def _open_count(connection: Connection) -> int:
    return connection.scalar(OPEN_COUNT) or 0


def _backlog(connection: Connection) -> Backlog:
    return Backlog(_open_count(connection), connection.scalar(WAITING_SINCE, {"moment": now()}))


def holding(claim: Claim) -> dict[str, object]:
    """What `HELD` and the fenced writes ask of a claim."""
    return {"held_turn": claim.turn_id, "held_by": claim.owner, "held_attempt": claim.attempt}


def _late(connection: Connection, claim: Claim) -> LeaseLost | QuestionChanged:
    """Why an outcome or an end was refused."""
    if connection.scalar(HELD, holding(claim)) is None:
        return _lost(claim)
    return QuestionChanged(f"the questions of turn {claim.turn_id} were changed meanwhile")


def _lost(claim: Claim) -> LeaseLost:
    return LeaseLost(f"turn {claim.turn_id} is held by another worker")
