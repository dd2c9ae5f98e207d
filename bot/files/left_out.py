"""What could not be read of what came with a question, in words: for the model, and in one line for the asker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.wording import quotable

# So much of a name is shown: it comes from whoever sent the file.
NAME_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or what of it, that the model does not see; `why` is a clause without a full stop."""

    name: str
    why: str


def note(left_out: LeftOut) -> str:
    """What the model is told in the file's place, so that it does not pretend."""
    return f"[{named(left_out.name)} is left out: {left_out.why}. You have not seen it.]"


def line(left_out: Sequence[LeftOut]) -> str:
    """One line for the asker on all that was left out; empty where nothing was."""
    if not left_out:
        return ""
    listed = "; ".join(f"`{named(each.name)}` ({each.why})" for each in left_out)
    return f"I did not see all that you sent: {listed}."


def named(name: str) -> str:
    """A file's name within a line of text, in which it can do nothing."""
    return quotable(name, NAME_CHARACTERS) or "a file"
