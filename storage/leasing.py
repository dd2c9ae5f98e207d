"""The queue: which turn may run next, who has which turn until when, and how many wait.

What a worker then does with a turn is in `turns.py`. These are parts of its transactions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Row,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    update,
)

from bot.messages import Address
from storage.connection import Connection
from storage.records import Backlog, Claim, Terms, micros_of, now
from storage.schema import conversations, turns
from storage.states import is_open, is_queued, is_running

# Ids count from 1, and channels have names. An empty list would be spelled as a query of its own.
_NO_TURN = 0
_NO_CHANNEL = ""
_candidate = turns.alias("candidate")
_other = turns.alias("other")
_may_run = and_(
    is_open(_candidate),
    or_(
        and_(is_queued(_candidate), _candidate.c.not_before <= bindparam("moment")),
        and_(is_running(_candidate), _candidate.c.lease_until < bindparam("moment")),
    ),
    # A later one may be running before it: it was begun while this one had failed. That one is not disturbed, and
    # goes first too where its lease ran out.
    ~exists().where(
        is_queued(_candidate),
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
        or_(_candidate.c.not_before == 0, _candidate.c.attempts > 0, bindparam("held", type_=Boolean) == false()),
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
_claiming = (
    update(turns)
    .values(
        state="running",
        lease_owner=bindparam("to_owner"),
        lease_until=bindparam("to_lease"),
        attempts=turns.c.attempts + 1,
        # It was running until its lease ran out: whoever ran it is gone.
        crashes=turns.c.crashes + case((is_running(turns), 1), else_=0),
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
CLAIM = _claiming.where(
    turns.c.id == _oldest,
    # Said again of the row itself: another process may have been quicker.
    or_(is_queued(turns), turns.c.lease_until < bindparam("moment")),
)
# One that was stored a moment ago, by the same transaction.
CLAIM_NEW = _claiming.where(
    turns.c.id == bindparam("new_turn"),
    turns.c.not_before == 0,
    ~exists().where(_other.c.conversation_id == turns.c.conversation_id, is_open(_other), _other.c.id != turns.c.id),
)
PLACE = select(
    conversations,
    exists().where(is_open(_other), is_queued(_other)).label("others_wait"),
).where(conversations.c.id == bindparam("conversation_id"))
RENEW = (
    update(turns)
    .where(
        turns.c.id.in_(bindparam("turn_ids", expanding=True)),
        is_running(turns),
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
# What has now been running at a third death may be what they died of: it stands back for a second, for two after the
# fourth, and so on up to sixteen, in which the other turns are answered.
_doublings = case((turns.c.crashes > 6, 4), else_=turns.c.crashes - 2)
_stands_back = literal(micros_of(1), BigInteger).bitwise_lshift(_doublings)
EXPIRE = (
    update(turns)
    .where(is_running(turns), turns.c.lease_owner.in_(bindparam("owners", expanding=True)))
    .values(lease_until=case((turns.c.crashes < 2, 0), else_=bindparam("moment", type_=BigInteger) + _stands_back))
)
OPEN_COUNT = select(func.count()).select_from(turns).where(is_open(turns))
# Since when the oldest turn waits that nothing but a free worker is missing to.
WAITING_SINCE = (
    select(
        case(
            (is_running(_candidate), _candidate.c.lease_until),
            (_candidate.c.not_before > _candidate.c.created_at, _candidate.c.not_before),
            else_=_candidate.c.created_at,
        )
    )
    .where(_may_run)
    .order_by(_candidate.c.id)
    .limit(1)
)
_is_held_back = and_(is_open(turns), turns.c.attempts == 0, turns.c.not_before > 0)
_is_on_platform = and_(
    conversations.c.id == turns.c.conversation_id, conversations.c.platform == bindparam("on_platform")
)
RELEASE_HELD = update(turns).where(_is_held_back, exists().where(_is_on_platform)).values(not_before=0)
_is_in_place = and_(
    func.coalesce(turns.c.thread, "") == bindparam("in_thread"),
    exists().where(
        _is_on_platform,
        conversations.c.workspace == bindparam("in_workspace"),
        conversations.c.channel == bindparam("in_channel"),
    ),
)
RELEASE_PLACE = (
    update(turns)
    .where(_is_held_back, or_(turns.c.id.in_(bindparam("begun", expanding=True)), _is_in_place))
    .values(not_before=0)
)


def claim(
    connection: Connection,
    owner: str,
    lease_seconds: float,
    platforms: Sequence[str],
    *,
    at_hand: Sequence[int],
    held: bool,
    full: Sequence[str],
) -> Claim | None:
    """Take the oldest turn that may run; see `Turns.claim`."""
    moment = now()
    lease_until = moment + micros_of(lease_seconds)
    lease = {
        "moment": moment,
        "platforms": platforms,
        "at_hand": [_NO_TURN, *at_hand],
        "held": held,
        "full": [_NO_CHANNEL, *full],
        "to_owner": owner,
        "to_lease": lease_until,
    }
    taken = connection.execute(CLAIM, lease).first()
    return _claimed(connection, taken, owner, lease_until) if taken is not None else None


def claim_new(connection: Connection, turn_id: int, terms: Terms) -> Claim | None:
    """Take a turn that this transaction has stored, unless it is held back or another is open in its conversation."""
    lease_until = now() + micros_of(terms.lease_seconds)
    lease = {"new_turn": turn_id, "to_owner": terms.owner, "to_lease": lease_until}
    taken = connection.execute(CLAIM_NEW, lease).first()
    return _claimed(connection, taken, terms.owner, lease_until) if taken is not None else None


def _claimed(connection: Connection, taken: Row[*tuple[Any, ...]], owner: str, lease_until: int) -> Claim:
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


def renew(
    connection: Connection, owner: str, turn_ids: Sequence[int], lease_seconds: float
) -> Mapping[int, str | None]:
    """Put off the end of leases; see `Turns.renew`."""
    lease = {"turn_ids": turn_ids, "owner": owner, "to_lease": now() + micros_of(lease_seconds)}
    return {row.id: row.stopped_by for row in connection.execute(RENEW, lease)}


def other_owners(connection: Connection, owner: str) -> Sequence[str]:
    """The other workers that have running turns."""
    return list(connection.scalars(OTHER_OWNERS, {"owner": owner}))


def expire(connection: Connection, owners: Sequence[str]) -> int:
    """End the leases of workers that are gone; returns of how many turns."""
    return connection.execute(EXPIRE, {"owners": owners, "moment": now()}).rowcount


def open_count(connection: Connection) -> int:
    """How many turns are queued or running."""
    return connection.scalar(OPEN_COUNT) or 0


def backlog(connection: Connection) -> Backlog:
    """How many are open, and since when the oldest waits of those that may run."""
    return Backlog(open_count(connection), connection.scalar(WAITING_SINCE, {"moment": now()}))


def release_held(connection: Connection, platform: str) -> int:
    """Let the turns of a platform begin that were held back; see `Inbox.release_held`."""
    return connection.execute(RELEASE_HELD, {"on_platform": platform}).rowcount


def release_place(connection: Connection, place: Address, begun: Collection[int]) -> int:
    """Let those of one place begin; see `Inbox.release_place`."""
    values = {
        "on_platform": place.platform,
        "in_workspace": place.workspace,
        "in_channel": place.channel,
        "in_thread": place.thread or "",
        "begun": [_NO_TURN, *begun],
    }
    return connection.execute(RELEASE_PLACE, values).rowcount
