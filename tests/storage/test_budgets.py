"""Money set aside: what bounds it, what lets go of it, and that many who take at once take no more than there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.budgets import allows
from storage import Store
from storage.money import Bound, Drawn, Reservation, Spender, UsageRow, Whose
from storage.records import Answer, Claim, now
from tests.storage.people import asks, says

ADA = Spender("slack", "T1", "C1", "U1")
HOUR = 3_600_000_000


def wants(key: str, micros: int, spender: Spender = ADA, until: int | None = None) -> Reservation:
    return Reservation(key, spender, micros, now() + HOUR if until is None else until)


def used(cost: int | None, user: str = "U1") -> UsageRow:
    return UsageRow(user, "m", "k", 1, 10, 0, 5, 0, estimated=False, cost_micros=cost)


async def take(store: Store, wanted: Reservation, bounds: Sequence[Bound]) -> bool:
    return await store.budgets.reserve(wanted, bounds, allows) is None


async def drawn(store: Store, whose: Whose, spender: Spender = ADA) -> tuple[int, int]:
    [found] = await store.budgets.drawn(spender, [Bound(whose, 100)])
    return found.spent, found.set_aside


async def begin(store: Store, name: str = "q") -> Claim:
    await store.inbox.accept(says(name), name, rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    return claim


async def test_what_is_set_aside_counts_until_it_is_let_go_of(store: Store) -> None:
    bounds = [Bound("channel", 100)]
    assert await take(store, wants("a", 60), bounds)
    assert await store.budgets.reserve(wants("b", 50), bounds, allows) == Drawn(Bound("channel", 100), 0, 60)
    await store.budgets.release("a")
    assert await take(store, wants("b", 50), bounds)


async def test_a_question_that_asks_again_holds_what_it_asked_for_last(store: Store) -> None:
    bounds = [Bound("everywhere", 100)]
    assert await take(store, wants("a", 90), bounds)
    assert await take(store, wants("a", 80), bounds)
    assert await drawn(store, "everywhere") == (0, 80)
    assert not await take(store, wants("a", 101), bounds)
    assert await drawn(store, "everywhere") == (0, 0)


async def test_what_nobody_settles_counts_no_longer_than_it_was_to(store: Store) -> None:
    assert await take(store, wants("a", 90, until=now() - 1), [Bound("user", 100)])
    assert await drawn(store, "user") == (0, 0)
    assert await take(store, wants("b", 90), [Bound("user", 100)])


@pytest.mark.parametrize(
    ("whose", "shared", "apart"),
    [
        ("user", Spender("slack", "T2", "C9", "U1"), Spender("slack", "T1", "C1", "U2")),
        ("channel", Spender("slack", "T1", "C1", "U2"), Spender("slack", "T1", "C2", "U1")),
        ("workspace", Spender("slack", "T1", "C2", "U2"), Spender("slack", "T2", "C1", "U1")),
        ("everywhere", Spender("discord", "G1", "9", "8"), None),
    ],
)
async def test_each_bound_counts_what_is_spent_within_it_and_nothing_else(
    store: Store, whose: Whose, shared: Spender, apart: Spender | None
) -> None:
    await store.usage.add(shared, "answer", used(30))
    assert await take(store, wants("s", 20, shared), [Bound(whose, 100)])
    if apart is not None:
        await store.usage.add(apart, "answer", used(500))
        assert await take(store, wants("t", 400, apart), [])
    assert await drawn(store, whose) == (30, 20)
    assert await take(store, wants("a", 50), [Bound(whose, 100)])
    assert not await take(store, wants("b", 1), [Bound(whose, 100)])


async def test_the_first_bound_without_room_is_named(store: Store) -> None:
    bounds = [Bound("user", 100), Bound("channel", 10), Bound("everywhere", 5)]
    refused = await store.budgets.reserve(wants("a", 20), bounds, allows)
    assert refused is not None and refused.bound == Bound("channel", 10)
    assert await drawn(store, "user") == (0, 0)


async def test_the_end_of_an_answer_settles_it(store: Store) -> None:
    claim = await begin(store)
    assert await take(store, wants(claim.key, 60), [Bound("channel", 100)])
    answer = Answer("a1", "B", "Parley", "hi")
    await store.turns.finish(claim, "answered", answer=answer, used=used(42), reserved=True)
    assert await drawn(store, "channel") == (42, 0)
    [line] = await store.usage.report("channel", "user", 0, ADA)
    assert (line.part, line.totals.cost_micros, line.last_turn) == ("U1", 42, claim.turn_id)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_any_other_end_lets_go_of_it(store: Store, state: str) -> None:
    claim = await begin(store)
    assert await take(store, wants(claim.key, 60), [Bound("channel", 100)])
    await store.turns.finish(claim, "failed" if state == "failed" else "cancelled", reserved=True)
    assert await drawn(store, "channel") == (0, 0)


async def test_a_turn_that_is_taken_over_lets_go_of_what_its_dead_worker_set_aside(store: Store) -> None:
    claim = await begin(store)
    assert await take(store, wants(claim.key, 60), [Bound("channel", 100)])
    await store.turns.expire(["w"])
    again = await store.turns.claim("v", 60, ["slack"])
    assert again is not None and again.attempt == 2
    await store.turns.finish(again, "answered", used=used(7))
    assert await drawn(store, "channel") == (7, 0)


async def test_fifty_who_take_at_once_through_two_processes_connections_take_what_there_is(
    store: Store, path: Path
) -> None:
    other = await Store.open(f"sqlite:///{path}")
    try:
        taken = await asyncio.gather(
            *(take((store, other)[n % 2], wants(f"k{n}", 10), [Bound("workspace", 100)]) for n in range(50))
        )
    finally:
        await other.close()
    assert sum(taken) == 10
    assert await drawn(store, "workspace") == (0, 100)


async def test_spending_goes_by_the_month(store: Store) -> None:
    await store.usage.add(ADA, "answer", used(30))
    await store.database.write(lambda connection: connection.driver.execute("UPDATE spending SET month = '2020-01'"))
    assert await drawn(store, "channel") == (0, 0)


async def test_a_call_of_no_turn_settles_what_was_set_aside_for_it(store: Store) -> None:
    assert await take(store, wants("try-1", 60), [Bound("channel", 100)])
    await store.usage.add(ADA, "try", used(4), reserved="try-1")
    assert await drawn(store, "channel") == (4, 0)


async def test_reports_add_up_by_every_part_and_count_what_has_no_price(store: Store) -> None:
    claim = await begin(store)
    await store.turns.finish(claim, "answered", used=used(42))
    await store.usage.add(Spender("slack", "T1", "C2", "U2"), "try", used(None, "U2"))
    await store.usage.add(Spender("discord", "G1", "9", "8"), "try", used(1, "8"))
    everything = await store.usage.report("everywhere", "all", 0)
    assert {(line.platform, line.totals.cost_micros, line.totals.unpriced) for line in everything} == {
        ("slack", 42, 1),
        ("discord", 1, 0),
    }
    by_user = await store.usage.report("workspace", "user", 0, ADA)
    assert [(line.part, line.totals.requests) for line in by_user] == [("U1", 1), ("U2", 1)]
    assert [line.part for line in await store.usage.report("workspace", "channel", 0, ADA)] == ["C1", "C2"]
    assert [line.part for line in await store.usage.report("workspace", "key", 0, ADA)] == ["k"]
    [line] = await store.usage.report("workspace", "model", 0, ADA)
    assert (line.part, line.totals.prompt_tokens, line.totals.completion_tokens) == ("m", 20, 10)
    assert await store.usage.report("user", "all", now() + HOUR, ADA) == []
    assert await store.usage.names([claim.turn_id]) == {"U1": "name of U1"}
