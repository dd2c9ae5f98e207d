"""What a command comes to inside the core: what its giver sees, and what the channel is told."""

from __future__ import annotations

from dataclasses import dataclass

from bot.interactions import CommandAnswer


@dataclass(frozen=True, slots=True)
class Result:
    """`answer` is for the eyes of the one who gave the command; `notice`, one line of Markdown, for everybody there.

    A command that changes nothing for others has no notice. `private`: where the answer can't be shown to one person
    alone, it is not to be shown to others instead.
    """

    answer: CommandAnswer
    notice: str = ""
    private: bool = False


def told(text: str) -> Result:
    """A sentence to the one who gave the command, and nothing else."""
    return Result(CommandAnswer(text))
