"""Trying a delivery again for as long as that makes sense: the one owner of retries towards the platforms."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    stop_before_delay,
    wait_random_exponential,
)

from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryUncertain

log = structlog.get_logger(__name__)

T = TypeVar("T")

# How long the final text is tried against a platform that is down before the turn goes back to the queue.
LAND_FOR_SECONDS = 600.0
# A post whose fate is unknown gets half a second to become visible before it is looked for.
_BACKOFF = wait_random_exponential(multiplier=1, min=0.5, max=30)


async def insist(
    what: str, call: Callable[[], Awaitable[T]], seconds: float = LAND_FOR_SECONDS, *, within: bool = False
) -> T:
    """What `call` returns, once a platform takes it; `what` names it in the log, by the key of its turn.

    Raises the last `DeliveryFailure` after `seconds`, and at once what no waiting cures. `within`: no wait begins that
    would go on past them, for somebody waits for what comes after.
    """
    began = time.monotonic()
    try:
        # As a rule the first try is the only one, and needs none of what follows.
        return await call()
    except (DeliveryDelayed, DeliveryUncertain) as failure:
        first: DeliveryFailure | None = failure
    left = seconds - (time.monotonic() - began)
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((DeliveryDelayed, DeliveryUncertain)),
        wait=_wait,
        stop=stop_before_delay(left) if within else stop_after_delay(left),
        before_sleep=lambda state: _log_retry(what, state),
        reraise=True,
    ):
        with attempt:
            if first is not None:
                failed, first = first, None
                raise failed
            return await call()
    raise AssertionError("tenacity returns or raises")


def _wait(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, DeliveryDelayed):
        return failure.retry_after
    return _BACKOFF(state)


def _log_retry(what: str, state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    log.info("delivery_retried", what=what, kind=type(failure).__name__, attempt=state.attempt_number)
