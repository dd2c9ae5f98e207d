"""Where settings hold, and who changed what: plain, frozen data. Times are microseconds since the Unix epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a setting holds: a thread, a channel (`thread` empty) or a workspace (`channel` empty too)."""

    platform: str
    workspace: str
    channel: str = ""
    thread: str = ""


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """One setting's value at one scope, and who set it."""

    scope: Scope
    name: str
    value: str
    set_by: str
    set_at: int


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that somebody did to what is kept: a setting's new value, or None where it is taken back.

    `action` `forget` and `stop` change no setting; `name` then says what was done to.
    """

    scope: Scope
    action: Literal["set", "reset", "forget", "stop"]
    name: str
    value: str | None
    author_id: str
    author_name: str


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the audit: who did what, where, and what held before and after."""

    id: int
    at: int
    scope: Scope
    author_id: str
    author_name: str
    action: str
    name: str
    before: str | None
    after: str | None
