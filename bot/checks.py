"""What one line of `parley doctor` says; how a thing is checked lives with the room that knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `detail` says what was found, `cure` what to do where not `ok`. No secrets in either."""

    name: str
    ok: bool
    detail: str
    cure: str = ""
