"""The figures of a run: deaths, faults, questions and what became of them. They add up over rounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What happened in a round, or in several.

    `kills` by ending and, at crash points, by point; `kills_in` the same by whose traffic it was in. `missed`: crash
    points that their process did not come by in time. `slowest`: from a process's death to the answer of a question
    that was open then, in seconds; where several died, from the last death.
    """

    kills: Counter[str] = field(default_factory=Counter)
    kills_in: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    questions: int = 0
    answered: int = 0
    tries: int = 0
    slowest: float = 0.0
    rounds: int = 0
    reports: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take another's figures in."""
        for name in ("kills", "kills_in", "missed", "faults", "flaws"):
            getattr(self, name).update(getattr(other, name))
        for name in ("questions", "answered", "tries", "rounds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)
        self.reports += other.reports
