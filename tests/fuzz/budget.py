"""How many cases run, and the count of those that did.

`make test` runs the quick profile: the same cases at every run. `PARLEY_FUZZ_CASES` names how many cases run in all in
the long one, which draws new ones each time; `make fuzz` sets it. Every test has a share of them.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings

Test = TypeVar("Test", bound=Callable[..., Any])

CASES = int(os.environ.get("PARLEY_FUZZ_CASES") or 0)
"""Cases of the long run in all; 0 is the quick one."""

LONG = CASES > 0
BEGAN = time.monotonic()
WIRE_BATCH = 25 if LONG else 15
"""Frames that one example sends over the wire before a sound question must be answered."""

QUICK_SECONDS, LONG_SECONDS = 600, 3 * 3600
"""After which a test counts as hanging."""

ran: Counter[str] = Counter()
"""Cases by strategy, so far."""


def count(strategy: str, cases: int = 1) -> None:
    """Note that `cases` more cases of `strategy` ran to their end."""
    ran[strategy] += cases


def examples(share: float, *, quick: int, shrink: bool = True) -> Callable[[Test], Test]:
    """The settings of one test: `share` of the long run's cases as examples, `quick` in the quick one.

    Without `shrink`, a failure is shown as it came: where an example takes seconds, making it smaller takes hours.
    """
    return settings(
        max_examples=max(1, round(CASES * share)) if LONG else quick,
        derandomize=not LONG,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


def report() -> list[str]:
    """The table of a run: cases by strategy, their sum, and the time it took."""
    rows = [f"{cases:>8,}  {strategy}" for strategy, cases in sorted(ran.items())]
    return [*rows, f"{sum(ran.values()):>8,}  cases in all, in {time.monotonic() - BEGAN:.0f} s"]
