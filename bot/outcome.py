"""What came of asking the model: plain data, and its form as a row keeps it until the answer stands whole.

A process that dies between the model's last word and the end of the turn leaves it to the next one, which then need not
ask again and change under people's eyes what they have read.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from storage.money import UsageRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """The text to land, what of it the conversation remembers, and what it took.

    `failure` is the kind of what went wrong; `short` is why an answer is not whole though nothing failed. `keeps`: the
    answer from before stays, shown and remembered, as there is no word of a new one.
    """

    text: str
    said: str | None
    used: UsageRow | None = None
    failure: str | None = None
    short: str | None = None
    keeps: bool = False


def to_row(outcome: Outcome) -> str:
    """As text, for the turn's row."""
    return orjson.dumps(outcome).decode()


def from_row(row: str) -> Outcome:
    """Back from the turn's row."""
    fields = orjson.loads(row)
    used = fields.pop("used")
    return Outcome(**fields, used=UsageRow(**used) if used is not None else None)
