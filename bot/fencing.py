"""May a call to a platform still be begun? Asked at the last moment, where its client writes it to the socket.

A process that is stopped between its look at the lease and the call (a suspended machine, a debugger, a loop that is
late) would write, once it wakes, over what another worker has shown since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bot.errors import DeliveryDelayed

_is_held: ContextVar[Callable[[], bool] | None] = ContextVar("is_held", default=None)


def calls_only_while(is_held: Callable[[], bool]) -> None:
    """From now on, in this task and those it begins, calls are begun only as long as `is_held()`."""
    _is_held.set(is_held)


@contextmanager
def scope() -> Iterator[None]:
    """What this task is held to within the block it is not after it; tasks that the block began stay held."""
    before = _is_held.set(_is_held.get())
    try:
        yield
    finally:
        _is_held.reset(before)


def check() -> None:
    """Raises `DeliveryDelayed`, for no time at all, where the lease must be looked at anew before a call is begun."""
    is_held = _is_held.get()
    if is_held is not None and not is_held():
        raise DeliveryDelayed("lease_unsure", retry_after=0.0)
