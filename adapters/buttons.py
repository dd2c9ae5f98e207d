"""The buttons under an answer, the same on every platform: their ids, which hold no state, and their labels. Pure."""

from __future__ import annotations

from bot.messages import Button

_PREFIX = "parley:"
LABELS: dict[Button, str] = {
    "stop": "Stop",
    "regenerate": "Regenerate",
    "continue": "Continue",
    "again": "Answer again",
    "good": "👍",
    "bad": "👎",
}
SPOKEN: dict[Button, str] = {"good": "Good answer", "bad": "Bad answer"}
"""What a screen reader says of those that show a picture alone."""


def id_of(button: Button) -> str:
    """What comes back when it is pressed: the same in every process, at any time."""
    return f"{_PREFIX}{button}"


def button_of(pressed_id: str) -> Button | None:
    """The button that an id is of; None for what is none of these. It comes from a client: nothing is trusted."""
    return next((button for button in LABELS if id_of(button) == pressed_id), None)
