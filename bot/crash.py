"""Places where the process can be made to die on the spot, for the proof that nothing is lost there.

`PARLEY_CRASH_AT=after_send:3` kills it, by SIGKILL, when it passes `after_send` for the third time. Without that
variable `point` is a function that does nothing, chosen once, when this module is loaded.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Literal, get_args

Point = Literal[
    "before_commit",  # a message and its turn are written, the transaction is not committed
    "begun_ahead",  # the turn has begun while that is being committed
    "after_commit",  # they are durable, the event is not acknowledged
    "after_claim",  # a turn is leased, nothing was asked or shown for it
    "after_intent",  # a message of an answer is written down, not sent
    "after_send",  # it was sent, and is not confirmed
    "mid_stream",  # the model is speaking
    "after_edit",  # a message of an answer shows more than before
    "before_finish",  # the whole answer is shown, the turn still runs
    "in_recovery",  # a message that was intended has been looked for, what was found is not written down
    "in_catch_up",  # missed messages have been read, not all are stored
    "at_hand_over",  # a stop has shown that the answer will come later, the turn is not handed back
]
POINTS: tuple[Point, ...] = get_args(Point)
VARIABLE = "PARLEY_CRASH_AT"


def _pass_by(_name: Point) -> None:
    """Not armed."""


def _armed(wanted: str) -> Callable[[Point], None]:
    """What `point` is for a value of the variable. Raises ValueError for a place that does not exist."""
    if not wanted:
        return _pass_by
    name, _, count = wanted.partition(":")
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}: there is no place {name!r}; there are {', '.join(POINTS)}")
    left = int(count or 1)

    def count_down(passed: Point) -> None:
        nonlocal left
        if passed == name:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return count_down


point: Callable[[Point], None] = _armed(os.environ.get(VARIABLE, ""))
