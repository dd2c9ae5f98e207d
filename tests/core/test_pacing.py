"""Limits as budgets: what must go out goes first and soon, and nothing ever goes over them."""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord import adapter as discord
from adapters.slack import adapter as slack
from bot.adapter import Action, RateLimit
from bot.messages import Address
from bot.pacing import SHARED_BY, Pace, Urgency
from tests.virtual_time import run

HERE = Address("slack", "T1", "C1", "1.0")
THERE = Address("slack", "T1", "C2", "1.0")
POST = RateLimit("send", "channel", amount=1, seconds=1.0)
EDIT = RateLimit("edit", "workspace", amount=20, seconds=60.0)


class Platform:
    """Counts calls at some moment between their being sent and their answer, as a platform does."""

    def __init__(self, seed: int = 0, slowest: float = 0.0) -> None:
        self.counted: list[float] = []
        self._random = random.Random(seed)
        self._slowest = slowest

    async def call(self) -> None:
        await asyncio.sleep(self._random.uniform(0, self._slowest))
        self.counted.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._random.uniform(0, self._slowest))

    def most_in(self, seconds: float) -> int:
        """The most calls that any window of so many seconds holds."""
        times = sorted(self.counted)
        return max((bisect_left(times, at + seconds - 1e-9) - i for i, at in enumerate(times)), default=0)

    def fits_bucket(self, capacity: int, seconds: float) -> bool:
        """Whether a bucket that refills at the limit's rate would have taken them all."""
        level, last = float(capacity), 0.0
        for at in sorted(self.counted):
            level, last = min(capacity, level + (at - last) * capacity / seconds) - 1, at
            if level < -1e-6:
                return False
        return True


@settings(deadline=None)
@given(
    pauses=st.lists(
        st.tuples(st.floats(0, 3), st.sampled_from(["final", "first", "preview"])), min_size=1, max_size=60
    ),
    amount=st.integers(1, 6),
    slowest=st.floats(0, 1.4),
    seed=st.integers(0, 1000),
)
def test_no_window_and_no_bucket_ever_holds_more_than_the_limit_wherever_calls_are_counted(
    pauses: list[tuple[float, str]], amount: int, slowest: float, seed: int
) -> None:
    platform = Platform(seed, slowest)

    async def one(pace: Pace, kind: str) -> None:
        if kind == "preview":
            slot = pace.spare("edit", HERE)
        else:
            slot = await pace.take("edit", HERE, Urgency.FINAL if kind == "final" else Urgency.FIRST_WORDS)
        if slot is not None:
            with slot:
                await platform.call()

    async def act() -> None:
        pace = Pace([RateLimit("edit", "channel", amount, seconds=5.0)])
        async with asyncio.TaskGroup() as group:
            for pause, kind in pauses:
                await asyncio.sleep(pause)
                group.create_task(one(pace, kind))

    run(act())
    assert platform.most_in(5.0) <= amount
    assert platform.fits_bucket(amount, 5.0)
    assert len(platform.counted) >= sum(kind != "preview" for _, kind in pauses), "nobody starves"


async def _go(pace: Pace, order: list[str], name: str, action: Action, urgency: Urgency = Urgency.FINAL) -> None:
    with await pace.take(action, HERE, urgency, finish="edit" if urgency else None):
        order.append(name)


def test_a_final_text_goes_before_first_words_that_waited_longer() -> None:
    order: list[str] = []

    async def act() -> None:
        pace = Pace([POST])
        async with asyncio.TaskGroup() as group:
            for name in ("a", "b", "c"):
                group.create_task(_go(pace, order, name, "send", Urgency.FIRST_WORDS))
            await asyncio.sleep(0.5)
            group.create_task(_go(pace, order, "final", "send"))

    run(act())
    assert order == ["a", "final", "b", "c"]


def test_those_that_wait_alike_go_in_the_order_they_came() -> None:
    order: list[str] = []

    async def act() -> None:
        pace = Pace([POST])
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(_go(pace, order, str(number), "send"))

    run(act())
    assert order == [str(number) for number in range(8)]


def test_previews_leave_the_room_that_every_shown_answer_needs_to_be_finished() -> None:
    async def act() -> tuple[int, float]:
        loop, pace = asyncio.get_running_loop(), Pace([EDIT])
        with ExitStack() as stack:
            shares = [stack.enter_context(pace.answering(HERE)) for _ in range(8)]
            for share in shares:
                share.promise("edit")
            previews = 0
            while (slot := pace.spare("edit", HERE)) is not None:
                with slot:
                    previews += 1
            began = loop.time()
            for _ in shares:
                with await pace.take("edit", HERE):
                    pass
            return previews, loop.time() - began

    previews, waited = run(act())
    assert waited == 0
    assert previews < EDIT.amount - 8


def test_first_words_wait_where_the_answer_could_not_be_finished_in_time() -> None:
    async def act() -> tuple[int, bool]:
        pace = Pace([EDIT])
        shown = 0
        with ExitStack() as stack:
            for _ in range(30):
                share = stack.enter_context(pace.answering(HERE))
                slot = pace.begin("send", HERE, finish="edit")
                if slot is not None:
                    with slot:
                        share.promise("edit")
                        shown += 1
        # All of them are finished without a word.
        return shown, pace.begin("send", HERE, finish="edit") is not None

    assert run(act()) == (EDIT.amount, True)


def test_a_lone_answer_may_be_edited_as_often_as_it_likes_and_many_share_what_there_is() -> None:
    async def act() -> list[float]:
        pace = Pace([EDIT])
        pauses = []
        with ExitStack() as stack:
            for _ in range(6):
                stack.enter_context(pace.answering(HERE)).promise("edit")
                pauses.append(pace.pause("edit", HERE))
        return pauses

    pauses = run(act())
    assert pauses[0] < 1.5
    assert pauses == sorted(pauses)
    assert pauses[-1] > 5 * pauses[0]


def test_one_channel_does_not_wait_for_another() -> None:
    async def act() -> float:
        pace = Pace([POST])
        for place in (HERE, THERE):
            with await pace.take("send", place):
                pass
        return asyncio.get_running_loop().time()

    assert run(act()) == 0


def test_a_call_that_hangs_holds_the_others_up_for_some_seconds_only() -> None:
    async def act() -> float:
        pace = Pace([POST])
        await pace.take("send", HERE)  # and never an answer
        with await pace.take("send", HERE):
            return asyncio.get_running_loop().time()

    assert 1.0 <= run(act()) <= 4.1


def test_who_gives_up_waiting_leaves_the_room_to_the_next() -> None:
    async def act() -> float:
        pace = Pace([POST])
        with await pace.take("send", HERE):
            pass
        first = asyncio.create_task(pace.take("send", HERE))
        second = asyncio.create_task(pace.take("send", HERE))
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await second
        return asyncio.get_running_loop().time()

    assert run(act()) == pytest.approx(1.0, abs=0.05)


def test_what_a_platform_says_of_its_limit_holds_instead_of_what_was_thought() -> None:
    told: list[RateLimit] = []

    async def act() -> int:
        pace = Pace(
            [RateLimit("edit", "channel", amount=5, seconds=5.0)],
            learned=lambda action, address: told[-1] if told else None,
        )
        told.append(RateLimit("edit", "channel", amount=2, seconds=5.0))
        taken = 0
        while (slot := pace.spare("edit", HERE)) is not None:
            with slot:
                taken += 1
        return taken

    assert run(act()) == 2


def test_nothing_planned_means_nothing_waits() -> None:
    async def act() -> float:
        pace = Pace([POST, EDIT], planned=False)
        for _ in range(1000):
            with await pace.take("send", HERE):
                pass
            assert pace.spare("edit", HERE) is not None
        return asyncio.get_running_loop().time()

    assert run(act()) == 0


@pytest.mark.parametrize("planned", [True, False])
def test_a_refusal_is_obeyed_wherever_its_limit_is_shared_and_nowhere_else(planned: bool) -> None:
    async def act() -> None:
        pace = Pace([POST, EDIT], planned=planned)
        pace.hold("edit", HERE, 3.0)
        pace.hold("send", HERE, 3.0)
        assert pace.spare("edit", HERE) is None
        assert pace.spare("edit", THERE) is None, "the limit on edits is the workspace's"
        assert pace.begin("send", THERE, finish="edit") is not None, "that on posts is the channel's"
        with await pace.take("send", HERE):
            assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=0.05)
        assert pace.spare("edit", HERE) is not None

    run(act())


def _burst(limits: Sequence[RateLimit], count: int, seconds: float, written: float) -> tuple[list[float], list[float]]:
    """Seconds to the first words and from the last word to the whole, of answers that begin evenly."""
    first, whole = [], []

    async def answer(pace: Pace, place: Address) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pace.answering(place) as share:
            slot = pace.begin("send", place, finish="edit")
            waiting = None
            if slot is None:
                waiting = asyncio.create_task(pace.take("send", place, Urgency.FIRST_WORDS, finish="edit"))
                done, _ = await asyncio.wait({waiting}, timeout=written)
                slot = waiting.result() if done else None
                waiting.cancel()
            if slot is not None:
                with slot:
                    first.append(loop.time() - began)
                share.promise("edit")
                while (left := began + written - loop.time()) > 0:
                    await asyncio.sleep(min(left, max(1.0, pace.pause("edit", place))))
                    if loop.time() < began + written and (preview := pace.spare("edit", place)) is not None:
                        with preview:
                            pass
            share.written()
            with await pace.take("edit" if slot is not None else "send", place):
                whole.append(loop.time() - began - written)
            if slot is None:
                first.append(loop.time() - began)

    async def act() -> None:
        pace = Pace(limits)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(answer(pace, Address("slack", "T1", f"C{number % 4}", str(number))))
                await asyncio.sleep(seconds / count)

    run(act())
    return sorted(first), sorted(whole)


@pytest.mark.parametrize("amount", [20, 30, 48])
def test_a_rush_delays_no_final_text_and_first_words_only_where_there_is_no_room_for_them(amount: int) -> None:
    first, whole = _burst([POST, RateLimit("edit", "workspace", amount, 60.0)], count=40, seconds=20.0, written=6.0)
    assert len(whole) == 40
    assert whole[-1] <= 2.0
    # Each answer that is shown early takes an edit to be finished.
    assert first[min(amount // 2, 24)] < 1.0


def test_every_action_that_a_platform_limits_is_planned() -> None:
    assert {limit.action for limit in (*slack.LIMITS, *discord.LIMITS)} <= SHARED_BY.keys()
