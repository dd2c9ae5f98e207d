"""Rate-limit buckets with long windows: used to their end, refused only then, and forgotten when nobody needs them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from discord.errors import RateLimited

from adapters.discord.buckets import MOST, Buckets


def told(limit: int, remaining: int, seconds: float) -> Any:
    """An answer's headers, as far as a bucket reads them."""
    headers = {"X-Ratelimit-Limit": limit, "X-Ratelimit-Remaining": remaining, "X-Ratelimit-Reset-After": seconds}
    return SimpleNamespace(headers={name: str(value) for name, value in headers.items()})


async def test_a_long_window_lets_through_what_there_is_room_for_and_refuses_the_rest() -> None:
    bucket = Buckets(30.0)["POST threads"]
    async with bucket:
        bucket.update(told(3, 2, 300.0))
    for left in (1, 0):
        await bucket.acquire()
        bucket.update(told(3, left, 300.0))
        bucket.outgoing -= 1
    with pytest.raises(RateLimited) as refused:
        await bucket.acquire()
    assert refused.value.retry_after > 299


async def test_requests_that_wait_for_the_first_answer_go_on_after_it() -> None:
    bucket = Buckets(30.0)["POST threads"]
    passed: list[int] = []

    async def request(number: int) -> None:
        async with bucket:
            await asyncio.sleep(0)
            bucket.update(told(50, 49 - len(passed), 300.0))
            passed.append(number)

    async with asyncio.timeout(10):
        await asyncio.gather(*(request(number) for number in range(5)))
    assert sorted(passed) == [0, 1, 2, 3, 4]


async def test_buckets_that_nobody_uses_are_dropped() -> None:
    buckets = Buckets(30.0)
    for number in range(MOST):
        buckets[str(number)]._last_request -= 1_000.0 if number % 2 else 0.0
    fresh = buckets["fresh"]
    assert buckets["fresh"] is fresh
    assert len(buckets) == MOST // 2 + 1
