"""Whether a worker still lives: each holds a lock on a file beside the database, which the system lets go at its death.

So the turns of a killed worker are free at once, not only when their leases run out. Where such locks can't be had,
the leases alone decide. A database in WAL mode is used from one machine only, so these locks are seen by all workers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Self

import structlog

log = structlog.get_logger(__name__)


class SignOfLife:
    """This worker's own lock, and a look at those of others. `owner` is its name on leases."""

    def __init__(self, database: Path, owner: str, lock: int | None) -> None:
        self._database = database
        self._lock = lock
        self.owner = owner

    @classmethod
    def begin(cls, database: Path) -> Self:
        """Lock a file of one's own. It gets its name once it is locked, so that nobody takes it for a dead one's."""
        owner = secrets.token_hex(8)
        named = _file_of(database, owner)
        unnamed = named.with_name(f".{named.name}.new")
        lock: int | None = None
        try:
            lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(named)
        except OSError as error:
            log.warning("sign_of_life_unavailable", error=error.strerror)
            if lock is not None:
                os.close(lock)
            return cls(database, owner, None)
        return cls(database, owner, lock)

    def end(self) -> None:
        """Let go. Safe to call twice."""
        if self._lock is not None:
            _file_of(self._database, self.owner).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def is_dead(self, owner: str) -> bool:
        """Whether another worker is known to be gone; False where nobody can tell."""
        try:
            its_lock = os.open(_file_of(self._database, owner), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(its_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(its_lock)
        return True

    def forget(self, dead: Collection[str]) -> None:
        """Remove the files of workers that are gone and hold no turn any more."""
        for owner in dead:
            with contextlib.suppress(OSError):
                _file_of(self._database, owner).unlink(missing_ok=True)

    def left_behind(self) -> list[str]:
        """The owners of all such files but one's own."""
        mark = _file_of(self._database, "*").name
        owners = (path.name.rpartition("-")[2] for path in self._database.parent.glob(mark))
        return [owner for owner in owners if owner != self.owner]


def _file_of(database: Path, owner: str) -> Path:
    return database.with_name(f"{database.name}-worker-{owner}")
