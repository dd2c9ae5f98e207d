"""What a worker may still write of a turn: each write is fenced by who has the turn, and for which time.

A worker whose lease has passed on changes nothing.
"""

from __future__ import annotations

from sqlalchemy import and_, bindparam, select

from bot.errors import LeaseLost, QuestionChanged
from storage.connection import Connection
from storage.records import Claim
from storage.schema import turns
from storage.states import is_running

is_held = and_(
    turns.c.id == bindparam("held_turn"),
    is_running(turns),
    turns.c.lease_owner == bindparam("held_by"),
    turns.c.attempts == bindparam("held_attempt"),
)
HELD = select(turns.c.id).where(is_held)


def holding(claim: Claim) -> dict[str, object]:
    """What `HELD` and the fenced writes ask of a claim."""
    return {"held_turn": claim.turn_id, "held_by": claim.owner, "held_attempt": claim.attempt}


def late(connection: Connection, claim: Claim) -> LeaseLost | QuestionChanged:
    """Why an outcome or an end was refused."""
    if connection.scalar(HELD, holding(claim)) is None:
        return lost(claim)
    return QuestionChanged(f"the questions of turn {claim.turn_id} were changed meanwhile")


def lost(claim: Claim) -> LeaseLost:
    """The turn has passed to another worker."""
    return LeaseLost(f"turn {claim.turn_id} is held by another worker")
