"""Which buttons stand under an answer: while it is written, after it, and once its question has a new wording. Pure.

How a button looks is each adapter's business, what a press does is told in `pressing.py`.
"""

from __future__ import annotations

from bot.adapter import Adapter
from bot.capabilities import ShowsButtons
from bot.controls.effective import Effective
from bot.messages import Button
from bot.outcome import Outcome

WHILE_WRITING: tuple[Button, ...] = ("stop",)
RATINGS: tuple[Button, ...] = ("good", "bad")
ANSWERED: tuple[Button, ...] = ("regenerate", *RATINGS)
CUT: tuple[Button, ...] = ("continue", *ANSWERED)
EDITED_UNRATED: tuple[Button, ...] = ("again",)
EDITED: tuple[Button, ...] = (*EDITED_UNRATED, *RATINGS)


def wanted(adapter: Adapter, controls: Effective) -> bool:
    """Whether answers carry buttons at all: the platform has them, and the team did not turn them off."""
    return controls.buttons and isinstance(adapter, ShowsButtons)


def after(outcome: Outcome) -> tuple[Button, ...]:
    """What stands under an answer that has ended. What says nothing of the question can't be rated."""
    if outcome.said is None and not outcome.keeps:
        return ("regenerate",)
    return CUT if outcome.short == "length" else ANSWERED
