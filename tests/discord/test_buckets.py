"""Rate-limit buckets with long windows: used to their end, refused only then, and forgotten when nobody needs them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from discord.errors import RateLimited

from adapters.discord.buckets import MOST, Buckets
from tests.virtual_time import run


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


async def test_the_request_that_empties_a_bucket_does_not_wait_until_it_is_full_again() -> None:
    bucket = Buckets(30.0)["POST messages"]
    async with asyncio.timeout(5):
        async with bucket:
            bucket.update(told(1, 0, 20.0))


async def test_those_who_wait_for_a_window_go_on_after_its_end_in_order() -> None:
    bucket = Buckets(30.0)["POST messages"]
    passed: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()

    async def request(number: int) -> None:
        async with bucket:
            passed.append((number, loop.time()))
            bucket.update(told(2, 1 - len(passed) % 2, 0.3))

    async with asyncio.timeout(10):
        await asyncio.gather(*(request(number) for number in range(6)))
    assert [number for number, _ in passed] == list(range(6))
    assert passed[-1][1] - passed[0][1] >= 0.5, "two at a time, a window apart"


async def test_a_request_that_failed_without_an_answer_gives_its_place_back() -> None:
    bucket = Buckets(30.0)["POST messages"]
    async with asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(ConnectionError):
                async with bucket:
                    raise ConnectionError


async def test_what_is_learned_of_a_bucket_is_its_whole_window_and_its_present_limit() -> None:
    buckets = Buckets(30.0)
    assert buckets.learned("hash:1") is None
    bucket = buckets["hash:1"]
    assert buckets.learned("hash:1") is None
    for remaining, left in ((4, 5.0), (3, 4.2), (2, 0.1)):
        bucket.update(told(5, remaining, left))
    assert buckets.learned("hash:1") == (5, 5.0)
    bucket.update(told(10, 9, 8.0))
    assert buckets.learned("hash:1") == (10, 8.0)


def test_all_requests_together_stay_under_the_limit_on_all_of_them() -> None:
    async def act() -> list[float]:
        buckets = Buckets(30.0)
        sent: list[float] = []

        async def request(number: int) -> None:
            async with buckets[f"route {number}"]:
                sent.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            for number in range(150):
                group.create_task(request(number))
        return sorted(sent)

    sent = run(act())
    assert all(later - earlier >= 1.0 for earlier, later in zip(sent, sent[45:], strict=False))
    assert sent[-1] < 5.0


async def test_where_no_limits_are_planned_with_none_on_all_requests_is_kept() -> None:
    buckets = Buckets(30.0, planned=False)
    async with asyncio.timeout(1):
        for number in range(150):
            async with buckets[f"route {number}"]:
                pass
