"""May a call to a platform be begun by now? Asked at the last moment, where its client writes it to the socket.

A process that is stopped between its look at the lease and the call (a suspended machine, a debugger, a loop that is
late) would write, once it wakes, over what another worker has shown since. And a call that has to be written down
before it is begun can be prepared while that is being committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bot.errors import DeliveryDelayed

STORED_WITHIN_SECONDS = 2.0
"""A call waits inside its client, whose own time runs: for a commit on its way, not for a database in trouble."""

_is_held: ContextVar[Callable[[], bool] | None] = ContextVar("is_held", default=None)
_stored: ContextVar[asyncio.Future[None] | None] = ContextVar("stored", default=None)


def calls_only_while(is_held: Callable[[], bool]) -> None:
    """From now on, in this task and those it begins, calls are begun only as long as `is_held()`."""
    _is_held.set(is_held)


@contextmanager
def calls_only_once(stored: asyncio.Future[None]) -> Iterator[None]:
    """Within the block, in this task and those it begins, calls wait for `stored`, and fail with it."""
    before = _stored.set(stored)
    try:
        yield
    finally:
        _stored.reset(before)


@contextmanager
def scope() -> Iterator[None]:
    """What this task is held to within the block it is not after it; tasks that the block began stay held."""
    before = _is_held.set(_is_held.get())
    try:
        yield
    finally:
        _is_held.reset(before)


async def check() -> None:
    """Return once a call may be begun.

    Raises what has kept that from being stored which the call rests on, and `DeliveryDelayed`, for no time at all,
    where that takes long, or the lease must be looked at anew.
    """
    stored = _stored.get()
    if stored is not None:
        await asyncio.wait([stored], timeout=STORED_WITHIN_SECONDS)
        if not stored.done():
            raise DeliveryDelayed("not_stored", retry_after=0.0)
        stored.result()
    is_held = _is_held.get()
    if is_held is not None and not is_held():
        raise DeliveryDelayed("lease_unsure", retry_after=0.0)
