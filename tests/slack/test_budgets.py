"""Slack's limits at the last door: kept for every method, in order, with room for what must not fail."""

import asyncio
import json
import random
from bisect import bisect_left

import pytest

from adapters.slack.budgets import TIERS, Budgets
from adapters.slack.manifest import METHOD_SCOPES
from tests.slack.stage import CONTRACT
from tests.virtual_time import run


def most_in(times: list[float], seconds: float) -> int:
    """The most of these times that any window of so many seconds holds."""
    ordered = sorted(times)
    return max(bisect_left(ordered, at + seconds - 1e-9) - number for number, at in enumerate(ordered))


async def call(budgets: Budgets, method: str, channel: str, counted: list[float], dice: random.Random) -> None:
    async with budgets.room(method, channel):
        await asyncio.sleep(dice.uniform(0, 0.3))
        counted.append(asyncio.get_running_loop().time())
        await asyncio.sleep(dice.uniform(0, 0.3))


@pytest.mark.parametrize("method", ["chat.update", "chat.stopStream", "conversations.replies", "users.info"])
def test_no_minute_ever_holds_more_calls_of_a_method_than_its_tier(method: str) -> None:
    async def act() -> list[float]:
        budgets, dice = Budgets(), random.Random(1)
        counted: list[float] = []
        async with asyncio.TaskGroup() as group:
            for number in range(3 * TIERS[method]):
                group.create_task(call(budgets, method, f"C{number % 5}", counted, dice))
        return counted

    counted = run(act())
    assert len(counted) == 3 * TIERS[method]
    assert most_in(counted, 60.0) == TIERS[method]


def test_each_channel_gets_one_message_a_second_and_does_not_wait_for_another() -> None:
    async def act() -> dict[str, list[float]]:
        budgets, dice = Budgets(), random.Random(2)
        counted: dict[str, list[float]] = {"C1": [], "C2": []}
        async with asyncio.TaskGroup() as group:
            for channel in [*["C1"] * 6, "C2"]:
                group.create_task(call(budgets, "chat.postMessage", channel, counted[channel], dice))
        return counted

    counted = run(act())
    assert most_in(counted["C1"], 1.0) == 1
    assert counted["C2"][0] < 1.0


def test_calls_of_one_kind_go_in_order() -> None:
    async def act() -> list[int]:
        budgets = Budgets()
        order: list[int] = []

        async def one(number: int) -> None:
            async with budgets.room("chat.postMessage", "C1"):
                order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(one(number))
        return order

    assert run(act()) == list(range(6))


def test_a_call_that_is_given_up_while_it_waits_takes_no_room() -> None:
    async def act() -> float:
        budgets = Budgets()
        async with budgets.room("chat.postMessage", "C1"):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), budgets.room("chat.postMessage", "C1"):
                pass
        async with budgets.room("chat.postMessage", "C1"):
            return asyncio.get_running_loop().time()

    assert run(act()) < 1.2


def test_luxuries_end_before_the_room_does() -> None:
    async def act() -> int:
        budgets, shown = Budgets(), 0
        while budgets.spares("assistant.threads.setStatus"):
            async with budgets.room("assistant.threads.setStatus", "C1"):
                shown += 1
        return shown

    assert run(act()) == 45


def test_a_method_without_a_published_limit_never_waits() -> None:
    async def act() -> float:
        budgets = Budgets()
        for _ in range(500):
            async with budgets.room("apps.connections.open", ""):
                pass
        return asyncio.get_running_loop().time()

    assert run(act()) == 0


def test_every_method_called_has_its_budget_but_the_one_asked_at_the_start() -> None:
    assert METHOD_SCOPES.keys() - TIERS.keys() == {"auth.test"}


@pytest.mark.skipif(not CONTRACT.is_file(), reason="the platforms' documents are not beside the project")
def test_no_budget_is_above_the_published_tier() -> None:
    published = json.loads(CONTRACT.with_name("slack-methods.json").read_text())
    calls = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600}
    for method, most in TIERS.items():
        tier = published[method].get("rate_limits")
        assert most <= calls.get(tier, most), (method, tier)
