"""A turn as an operator is shown it: plain, frozen data. Times are microseconds since the Unix epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.messages import Address, Attachment
from storage.money import UsageRow
from storage.records import REFERENCE_LENGTH, Role, StoredPart, TurnState


@dataclass(frozen=True, slots=True)
class TurnLine:
    """One turn as it stands in a list for the operator. What is only known of some turns is None for the others."""

    id: int
    key: str
    state: TurnState
    address: Address
    attempts: int
    crashes: int
    created_at: int
    finished_at: int | None
    failure: str | None
    not_before: int
    lease_owner: str | None
    lease_until: int | None

    @property
    def reference(self) -> str:
        """What people see in the channel where it failed."""
        return self.key[:REFERENCE_LENGTH]


@dataclass(frozen=True, slots=True)
class TurnMessage:
    """A question of a turn, or what the conversation remembers as its answer."""

    role: Role
    platform_id: str
    author_id: str
    author_name: str
    text: str
    attachments: tuple[Attachment, ...]
    sent_at: int
    edited: bool
    deleted: bool


@dataclass(frozen=True, slots=True)
class WholeTurn:
    """All that is known of one turn: `messages` in their order, `parts` of its answer, what each answer took."""

    line: TurnLine
    messages: Sequence[TurnMessage]
    parts: Sequence[StoredPart]
    used: Sequence[UsageRow]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an operator's wish for a turn, which stood in `state` with `failure` before.

    `unasked`: it can't be tried again because nobody asks it any more, its messages were deleted; `forgotten`: because
    what it was to carry out or to say is not kept; `not_failed`: only failed turns are tried again or discarded.
    """

    turn_id: int
    key: str
    state: TurnState
    failure: str | None
    outcome: Literal["done", "not_failed", "unasked", "forgotten"]
