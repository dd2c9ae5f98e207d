"""What came of asking the model: plain data, and its form as a row keeps it until the answer stands whole.

A process that dies between the model's last word and the end of the turn leaves it to the next one, which then need not
ask again and change under people's eyes what they have read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from storage.records import UsageRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """The text to land, what of it the conversation remembers, and what it took; `failure` names what went wrong."""

    text: str
    said: str | None
    used: UsageRow | None = None
    failure: str | None = None


def to_row(outcome: Outcome) -> str:
    """As text, for the turn's row."""
    return json.dumps(asdict(outcome), ensure_ascii=False)


def from_row(row: str) -> Outcome:
    """Back from the turn's row."""
    fields = json.loads(row)
    used = fields.pop("used")
    return Outcome(**fields, used=UsageRow(**used) if used is not None else None)
