"""What ails the database while the bot runs: said once, then counted, then that it is well again.

A database in trouble fails everything that is asked of it, many times a second. The admin needs one line that says what
it is and what to do; the rest is a number.
"""

from __future__ import annotations

import time

import structlog

from storage import dialect

log = structlog.get_logger(__name__)

# What waits for the database asks again within 3 s, and waits 5 s for a lock: so long without a failure, it is over.
CALM_SECONDS = 10.0
REMIND_SECONDS = 600.0


class Trouble:
    """The trouble of one lane: `name` is what the lane does. Guards what has been said of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said: set[int] = set()
        self._lasting = False
        self._failures = 0
        self._began = 0.0
        self._last = 0.0
        self._reminded = 0.0

    def failed(self, error: Exception) -> None:
        """Something failed: worth a line where it is of a kind not said yet, or was said long ago."""
        moment = time.monotonic()
        if not self._said:
            self._began = self._reminded = moment
        self._failures += 1
        self._last = moment
        kind = dialect.kind(error)
        if kind not in self._said:
            self._said.add(kind)
            self._lasting = self._lasting or dialect.lasts(error)
            log.error(
                "database_trouble",
                at=self._name,
                reason=dialect.reason(error),
                code=dialect.code(error),
                cure=dialect.cure(error),
                tells_admin=True,
            )
        elif moment - self._reminded >= REMIND_SECONDS:
            self._reminded = moment
            log.error("database_trouble_lasts", at=self._name, code=dialect.code(error), **self._extent())

    def worked(self) -> None:
        """Something succeeded. Damage does not heal, however much beside it still works."""
        if self._said and not self._lasting and time.monotonic() - self._last >= CALM_SECONDS:
            log.warning("database_well_again", at=self._name, **self._extent())
            self._said.clear()
            self._failures = 0

    def _extent(self) -> dict[str, int]:
        return {"failures": self._failures, "seconds": round(self._last - self._began)}
