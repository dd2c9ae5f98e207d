"""Lanes and leases, over a real database: what runs beside what, and what happens when a lease or a turn is lost."""

import asyncio
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.counts import database_traffic
from bot.engine import MOST_BEGINNING, Engine
from bot.errors import LeaseLost, StorageFailed
from bot.lease import Lease
from bot.messages import Address, Author, IncomingMessage
from storage import Store, dialect
from storage.records import Accepted, Along, Claim, Terms
from tests.storage.people import asks

BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    yield opened
    await opened.close()


def said(thread: str, number: int, channel: str = "C1") -> IncomingMessage:
    address = Address("slack", "T1", channel, thread)
    sent = BEGAN + timedelta(seconds=number)
    return IncomingMessage(address, f"{thread}.{number}", Author("U1", "Ada"), "hi", mentions_bot=True, sent_at=sent)


async def ask(store: Store, thread: str, number: int, channel: str = "C1") -> None:
    await store.inbox.accept(said(thread, number, channel), thread, rule=asks, complete=True)


async def ask_in_room(store: Store, engine: Engine, thread: str) -> Accepted:
    """Ask as intake does it."""
    message = said(thread, 1)
    async with engine.reserved(message.address) as room:
        accepted = await store.inbox.accept(message, thread, rule=asks, complete=True, terms=room.terms)
        room.claim = accepted.claim
    return accepted


def engine_of(
    store: Store, turn: Callable[[Claim], Awaitable[None]], *, concurrency: int = 4, lease: float = 60.0
) -> Engine:
    return Engine(
        store.turns,
        store.begin_work(),
        lambda lease: turn(lease.claim),
        ["slack"],
        concurrency=concurrency,
        lease_seconds=lease,
    )


@asynccontextmanager
async def running(
    store: Store, turn: Callable[[Claim], Awaitable[None]], *, concurrency: int = 4, lease: float = 5.0
) -> AsyncIterator[Engine]:
    engine = engine_of(store, turn, concurrency=concurrency, lease=lease)
    task = asyncio.create_task(engine.run())
    yield engine
    await engine.drain(0.1)
    await task


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def test_conversations_run_beside_each_other_and_turns_of_one_after_each_other(store: Store) -> None:
    log: list[str] = []
    go = asyncio.Event()

    async def turn(claim: Claim) -> None:
        log.append(f"begin {claim.root}")
        await go.wait()
        log.append(f"end {claim.root}")
        await store.turns.finish(claim, "answered")

    async with running(store, turn) as engine:
        await ask(store, "a", 1)
        engine.wake()
        await until(lambda: log == ["begin a"])
        await ask(store, "a", 2)
        await ask(store, "b", 1)
        engine.wake()
        await until(lambda: len(log) == 2)
        assert log == ["begin a", "begin b"]
        assert engine.running == 2
        go.set()
        await until(lambda: log.count("end a") == 2)
    assert log.index("end a") < [n for n, entry in enumerate(log) if entry == "begin a"][1]


async def test_the_only_turn_of_the_queue_costs_one_look_into_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.engine.POLL_SECONDS", 60.0)
    ended: list[str] = []

    async def turn(claim: Claim) -> None:
        await store.turns.finish(claim, "answered")
        ended.append(claim.root)

    await ask(store, "a", 1)
    with database_traffic() as traffic:
        async with running(store, turn) as engine:
            await until(lambda: ended == ["a"])
            await asyncio.sleep(0.1)
            assert traffic["transactions"] == 2, "it is claimed, and it ends"
            await ask(store, "b", 1)
            engine.wake()
            await until(lambda: ended == ["a", "b"])


async def test_a_turn_that_is_stored_where_a_lane_is_free_begins_without_a_look_into_the_queue(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.POLL_SECONDS", 60.0)
    ended: list[str] = []

    async def turn(claim: Claim) -> None:
        await store.turns.finish(claim, "answered")
        ended.append(claim.root)

    async with running(store, turn) as engine:
        await until(lambda: engine.waits)
        with database_traffic() as traffic:
            await ask_in_room(store, engine, "a")
            await until(lambda: ended == ["a"])
            await asyncio.sleep(0.1)
        assert traffic["transactions"] == 2, "it is stored with its claim, and it ends"
        await ask_in_room(store, engine, "b")
        await until(lambda: ended == ["a", "b"])


async def ask_ahead(store: Store, engine: Engine, thread: str, *, number: int = 1) -> Accepted:
    """Ask as intake does it where something was said in the channel before."""
    message = said(thread, number)
    before = replace(said("", 0), id="before")
    async with engine.reserved(message.address) as room:
        accepted = await store.inbox.accept(
            message, thread, rule=asks, complete=True, terms=room.terms, along=Along([before], "U0BOT"),
            tell=lambda accepted: room.begin(accepted.claim) if accepted.claim is not None else None,
        )  # fmt: skip
        room.claim = accepted.claim
    return accepted


async def test_a_turn_begins_while_it_is_being_committed_and_goes_on_once_it_is_stored(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    begun = threading.Event()
    commit = dialect.commit

    def slowly(driver: sqlite3.Connection) -> None:
        assert begun.wait(10)
        commit(driver)
        log.append("committed")

    async def turn(lease: Lease) -> None:
        lease.once_stored(lambda: log.append("called"))
        log.append("begun")
        begun.set()
        await lease.make_sure()
        log.append("sure")
        await store.turns.finish(lease.claim, "answered")
        log.append("ended")

    engine = Engine(store.turns, store.begin_work(), turn, ["slack"], concurrency=4, lease_seconds=60)
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.waits)
    monkeypatch.setattr(dialect, "commit", slowly)
    await ask_ahead(store, engine, "a")
    await until(lambda: log[-1] == "ended")
    assert log == ["begun", "committed", "called", "sure", "committed", "ended"]
    await engine.drain(1)
    await task


@pytest.mark.parametrize("seconds_to_end", [0.0, 0.3])
async def test_a_turn_whose_commit_is_refused_is_dropped_and_its_number_and_lane_are_another_s(
    store: Store, monkeypatch: pytest.MonkeyPatch, seconds_to_end: float
) -> None:
    log: list[str] = []
    begun, seen = asyncio.Event(), threading.Event()
    commit = dialect.commit

    def refused_once(driver: sqlite3.Connection) -> None:
        monkeypatch.setattr(dialect, "commit", commit)
        assert seen.wait(10)
        raise sqlite3.OperationalError("database or disk is full")

    async def turn(lease: Lease) -> None:
        begun.set()
        lease.once_stored(lambda: log.append(f"called {lease.claim.root}"))
        try:
            await lease.make_sure()
        except BaseException as error:
            await asyncio.sleep(seconds_to_end)
            log.append(f"{type(error).__name__} {lease.claim.turn_id}")
            raise
        await store.turns.finish(lease.claim, "answered")
        log.append(f"answered {lease.claim.root} {lease.claim.turn_id}")

    engine = Engine(store.turns, store.begin_work(), turn, ["slack"], concurrency=4, lease_seconds=60)
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.waits)
    monkeypatch.setattr(dialect, "commit", refused_once)
    refused = asyncio.create_task(ask_ahead(store, engine, "a"))
    await begun.wait()
    seen.set()
    stored = asyncio.create_task(ask_ahead(store, engine, "b", number=2))
    with pytest.raises(StorageFailed):
        await refused
    assert (await stored).turn_id == 1, "the number that was never another's"
    await until(lambda: bool(log) and log[-1] == "answered b 1" and not engine.running)
    assert log == ["CancelledError 1", "called b", "answered b 1"]
    assert await store.turns.open_count() == 0
    await engine.drain(1)
    await task


async def test_a_turn_that_ends_before_it_is_stored_calls_nothing_any_more(store: Store) -> None:
    called: list[str] = []

    async def turn(lease: Lease) -> None:
        lease.once_stored(lambda: called.append("too late"))
        lease.over = True

    engine = Engine(store.turns, store.begin_work(), turn, ["slack"], concurrency=4, lease_seconds=60)
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.waits)
    await ask_ahead(store, engine, "a")
    await until(lambda: not engine.running)
    assert called == []
    await engine.drain(1)
    await task


async def test_a_turn_that_breaks_before_it_is_stored_goes_back_to_the_queue_once_it_is(store: Store) -> None:
    attempts: list[int] = []

    async def turn(claim: Claim) -> None:
        attempts.append(claim.attempt)
        if len(attempts) == 1:
            raise RuntimeError("a bug")
        await store.turns.finish(claim, "answered")

    async with running(store, turn) as engine:
        await until(lambda: engine.waits)
        await ask_ahead(store, engine, "a")
        await until(lambda: attempts == [1, 2], seconds=8)


async def test_there_is_room_for_as_many_turns_as_lanes_are_free_and_for_one_channel_its_share(store: Store) -> None:
    go, address = asyncio.Event(), Address("slack", "T1", "C1")

    async def turn(claim: Claim) -> None:
        await go.wait()
        await store.turns.finish(claim, "answered")

    async with running(store, turn, concurrency=4) as engine:
        async with engine.reserved(address) as before:
            assert before.terms is None, "nobody has looked yet whether others wait"
        await until(lambda: engine.waits)
        async with engine.reserved(replace(address, platform="discord")) as elsewhere:
            assert elsewhere.terms is None, "it is not connected"
        for thread in ("a", "b"):
            assert (await ask_in_room(store, engine, thread)).claim is not None
        async with engine.reserved(address) as third:
            assert third.terms is None, "two of four are one channel's share"
        async with engine.reserved(replace(address, channel="C2")) as other:
            assert other.terms is not None
            async with engine.reserved(replace(address, channel="C3")) as last:
                assert last.terms is None, "the fourth lane is that of the queue"
        with pytest.raises(RuntimeError):
            async with engine.reserved(replace(address, channel="C2")) as broken:
                assert broken.terms is not None
                raise RuntimeError("it could not be stored")
        async with engine.reserved(replace(address, channel="C2")) as again:
            assert again.terms is not None, "the lane was given back"
            engine.wake()
            async with engine.reserved(replace(address, channel="C3")) as late:
                assert late.terms is None, "somebody waits in the queue"
        go.set()
        await until(lambda: not engine.running)


async def test_what_is_stored_while_the_process_ends_goes_back_to_the_queue(store: Store) -> None:
    begun: list[int] = []

    async def turn(claim: Claim) -> None:
        begun.append(claim.turn_id)

    engine = engine_of(store, turn)
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.waits)
    async with engine.reserved(Address("slack", "T1", "C1", "a")) as room:
        ending = asyncio.create_task(engine.drain(1))
        await asyncio.sleep(0)
        room.claim = (await store.inbox.accept(said("a", 1), "a", rule=asks, complete=True, terms=room.terms)).claim
        assert room.claim is not None
    await ending
    await task
    async with engine.reserved(Address("slack", "T1", "C1", "b")) as after:
        assert after.terms is None
    assert begun == []
    assert await store.turns.claim("next", 60, ["slack"]) is not None


async def test_no_more_turns_run_than_there_are_lanes(store: Store) -> None:
    at_once: list[int] = []

    async def turn(claim: Claim) -> None:
        at_once.append(engine.running)
        await asyncio.sleep(0.02)
        await store.turns.finish(claim, "answered")

    for n in range(8):
        await ask(store, f"t{n}", 1)
    async with running(store, turn, concurrency=2) as engine:
        await until(lambda: len(at_once) == 8)
    assert max(at_once) <= 2


async def test_what_waits_in_a_channel_that_has_its_share_is_not_looked_through_for_each_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.POLL_SECONDS", 60.0)
    count, ended = 20, Counter[str]()

    async def turn(claim: Claim) -> None:
        await store.turns.finish(claim, "answered")
        ended[claim.address.channel] += 1

    for n in range(count):
        await ask(store, f"t{n}", 1)
    with database_traffic() as traffic:
        async with running(store, turn, concurrency=2):
            await until(lambda: ended["C1"] == count)
    assert traffic["transactions"] <= 2 * count + 2, "each is claimed and ends, and two looks found nothing"


async def test_a_channel_that_has_its_share_keeps_no_other_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.POLL_SECONDS", 60.0)
    begun: list[str] = []
    go = {"C1": asyncio.Event(), "C2": asyncio.Event()}

    async def turn(claim: Claim) -> None:
        begun.append(f"{claim.address.channel} {claim.root}")
        await go[claim.address.channel].wait()
        await store.turns.finish(claim, "answered")

    for n in range(3):
        await ask(store, f"t{n}", 1)
    async with running(store, turn, concurrency=4) as engine:
        await until(lambda: engine.waits)
        assert begun == ["C1 t0", "C1 t1"], "two of four are one channel's share"
        await ask(store, "a", 1, "C2")
        engine.wake()
        await until(lambda: engine.waits and len(begun) == 3)
        await ask(store, "a", 2, "C2")
        engine.wake()
        await until(lambda: engine.waits)
        go["C2"].set()
        await until(lambda: begun.count("C2 a") == 2)
        go["C1"].set()
        await until(lambda: begun[-1] == "C1 t2")


@asynccontextmanager
async def beginning(store: Store, count: int) -> AsyncIterator[list[Lease]]:
    """An engine at work on so many turns, each of a channel of its own, and the leases of those that have begun."""
    leases: list[Lease] = []
    go = asyncio.Event()

    async def turn(lease: Lease) -> None:
        leases.append(lease)
        await go.wait()
        await store.turns.finish(lease.claim, "answered")

    for n in range(count):
        await ask(store, f"t{n}", 1, f"C{n}")
    engine = Engine(store.turns, store.begin_work(), turn, ["slack"], concurrency=99, lease_seconds=60)
    task = asyncio.create_task(engine.run())
    yield leases
    go.set()
    await engine.drain(1)
    await task


async def test_of_a_long_queue_the_first_have_asked_the_model_before_many_others_begin(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.BEGINNING_SECONDS", 60.0)
    async with beginning(store, 2 * MOST_BEGINNING) as leases:
        await until(lambda: len(leases) == MOST_BEGINNING)
        await asyncio.sleep(0.1)
        assert len(leases) == MOST_BEGINNING
        leases[0].asked.set()
        await until(lambda: len(leases) == MOST_BEGINNING + 1)
        await asyncio.sleep(0.1)
        assert len(leases) == MOST_BEGINNING + 1


async def test_those_that_do_not_ask_the_model_soon_keep_the_others_waiting_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.BEGINNING_SECONDS", 0.3)
    count = 5 * MOST_BEGINNING
    began = time.monotonic()
    async with beginning(store, count) as leases:
        await until(lambda: len(leases) == count, seconds=10)
        # A moment for each handful, not for each turn, which would be 4.8 s.
        assert 1.0 < time.monotonic() - began < 3.5


async def test_a_turn_that_breaks_goes_back_to_the_queue_and_the_others_go_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, int]] = []

    async def turn(claim: Claim) -> None:
        seen.append((claim.root, claim.attempt))
        if claim.root == "bad" and claim.attempt == 1:
            raise RuntimeError("a bug")
        await store.turns.finish(claim, "answered")

    await ask(store, "bad", 1)
    await ask(store, "good", 1)
    async with running(store, turn):
        await until(lambda: ("bad", 2) in seen, seconds=8)
    assert ("good", 1) in seen
    assert await store.turns.open_count() == 0


async def test_a_stop_hands_back_what_does_not_finish_in_time(store: Store) -> None:
    async def turn(_claim: Claim) -> None:
        await asyncio.sleep(60)

    await ask(store, "a", 1)
    engine = engine_of(store, turn, concurrency=1)
    task = asyncio.create_task(engine.run())
    await until(lambda: engine.running == 1)
    assert await engine.drain(0.05) == 1
    await task
    again = await store.turns.claim("another", 60, ["slack"])
    assert again is not None and again.attempt == 2


async def test_a_turn_claimed_in_the_moment_of_the_stop_is_not_begun(store: Store, tmp_path: Path) -> None:
    async def turn(_claim: Claim) -> None:
        raise AssertionError("nothing may begin any more")

    await ask(store, "a", 1)
    locker = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    engine = engine_of(store, turn)
    task = asyncio.create_task(engine.run())
    await asyncio.sleep(0.1)
    assert await engine.drain(1.0) == 0
    locker.execute("ROLLBACK")
    locker.close()
    await task
    assert await store.turns.claim("another", 60, ["slack"]) is not None


async def test_a_long_turn_keeps_its_lease(store: Store) -> None:
    ended: list[int] = []

    async def turn(claim: Claim) -> None:
        await asyncio.sleep(0.9)
        await store.turns.finish(claim, "answered")
        ended.append(claim.attempt)

    await ask(store, "a", 1)
    async with running(store, turn, lease=0.3):
        await until(lambda: bool(ended))
    assert ended == [1]


async def test_a_turn_whose_lease_went_to_another_worker_is_stopped(store: Store, tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    async def turn(_claim: Claim) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await ask(store, "a", 1)
    async with running(store, turn, lease=0.6) as engine:
        await until(lambda: engine.running == 1)
        with sqlite3.connect(tmp_path / "p.db", isolation_level=None) as other:
            other.execute("UPDATE turns SET lease_owner = 'another', lease_until = lease_until + 60000000")
        other.close()
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_turn_whose_lease_could_not_be_renewed_in_time_goes_on_and_is_not_claimed_by_its_own_worker(
    store: Store, tmp_path: Path
) -> None:
    attempts: list[int] = []
    go = asyncio.Event()

    async def turn(claim: Claim) -> None:
        attempts.append(claim.attempt)
        if claim.root == "a":
            await go.wait()
        await store.turns.finish(claim, "answered")

    await ask(store, "a", 1)
    async with running(store, turn, lease=30) as engine:
        await until(lambda: engine.running == 1)
        # What a machine that slept for longer than the lease finds when it wakes, or one whose database was away.
        with sqlite3.connect(tmp_path / "p.db", isolation_level=None) as other:
            other.execute("UPDATE turns SET lease_until = 1")
        other.close()
        await ask(store, "b", 1)
        engine.wake()
        await until(lambda: attempts == [1, 1])
        go.set()
        await until(lambda: engine.running == 0)
    assert attempts == [1, 1]
    assert await store.turns.open_count() == 0


async def test_a_turn_that_finds_its_lease_gone_is_left_alone(store: Store) -> None:
    seen: list[int] = []

    async def turn(claim: Claim) -> None:
        seen.append(claim.attempt)
        await store.turns.finish(claim, "answered")
        raise LeaseLost("gone")

    await ask(store, "a", 1)
    async with running(store, turn):
        await until(lambda: seen == [1])
    assert await store.turns.open_count() == 0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked database is given up after 0.3 s instead of five."""
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_SECONDS", 0.3)


async def test_a_database_that_is_locked_stops_nothing_for_good(impatient: None, store: Store, tmp_path: Path) -> None:
    ended: list[int] = []

    async def turn(claim: Claim) -> None:
        await store.turns.finish(claim, "answered")
        ended.append(claim.attempt)

    await ask(store, "a", 1)
    locker = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    async with running(store, turn, lease=0.5):
        await asyncio.sleep(1.0)
        assert not ended
        locker.execute("ROLLBACK")
        locker.close()
        await until(lambda: bool(ended), seconds=10)


async def test_a_lease_that_cannot_be_renewed_or_given_back_ends_no_engine(
    impatient: None, store: Store, tmp_path: Path
) -> None:
    began: list[int] = []

    async def turn(claim: Claim) -> None:
        began.append(claim.attempt)
        if claim.attempt == 1:
            await asyncio.sleep(0.8)
            raise RuntimeError("a bug, while the database is locked")
        await store.turns.finish(claim, "answered")

    await ask(store, "a", 1)
    async with running(store, turn, lease=1.0) as engine:
        await until(lambda: began == [1])
        locker = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        await until(lambda: engine.running == 0, seconds=20)
        locker.execute("ROLLBACK")
        locker.close()
        await until(lambda: began == [1, 2], seconds=15)


async def test_the_turns_of_a_worker_that_died_need_not_wait_for_its_leases(store: Store) -> None:
    ended: list[int] = []

    async def turn(claim: Claim) -> None:
        await store.turns.finish(claim, "answered")
        ended.append(claim.crashes)

    await ask(store, "a", 1)
    await ask(store, "b", 1)
    dead, alive = store.begin_work(), store.begin_work()
    assert await store.turns.claim(dead.owner, 600, ["slack"]) is not None
    assert await store.turns.claim(alive.owner, 600, ["slack"]) is not None
    dead_lock = dead._lock
    assert dead_lock is not None
    os.close(dead_lock)  # as the system does at a death: the file stays
    async with running(store, turn, lease=60):
        await until(lambda: ended == [1])
        assert await store.turns.open_count() == 1, "the living worker's turn is its own"
    alive.end()


async def test_what_ran_at_a_third_death_stands_back_until_the_others_are_answered(
    store: Store, tmp_path: Path
) -> None:
    began: list[tuple[int, float]] = []

    async def turn(claim: Claim) -> None:
        began.append((claim.crashes, asyncio.get_running_loop().time()))
        await store.turns.finish(claim, "answered")

    for channel in ("a", "b", "c"):
        await ask(store, channel, 1)
    for crashes in (2, 3):
        claim = await store.turns.claim("dead", 600, ["slack"])
        assert claim is not None
        with sqlite3.connect(tmp_path / "p.db") as other:
            other.execute("UPDATE turns SET crashes = ? WHERE id = ?", (crashes, claim.turn_id))
        other.close()
    died = asyncio.get_running_loop().time()
    assert await store.turns.expire(["dead"]) == 2
    async with running(store, turn, lease=60):
        await until(lambda: len(began) == 3)
    assert [crashes for crashes, _ in began] == [0, 3, 4]
    third, fourth = (at - died for _, at in began[1:])
    assert 1 <= third < 2 <= fourth


async def test_a_turn_that_begins_again_reads_anew_what_is_said(store: Store) -> None:
    accepted = await store.inbox.accept(
        said("a", 1), "a.1", rule=asks, complete=True, terms=Terms("w", 60), along=Along((), "B")
    )
    assert accepted.claim is not None and accepted.claim.window is not None
    lease = Lease(accepted.claim, store.turns, 60)
    lease.began_again(1)
    assert lease.claim.window is None


async def test_a_lease_that_ran_out_is_asked_for_again_before_anything_is_shown(store: Store, tmp_path: Path) -> None:
    await ask(store, "a", 1)
    claim = await store.turns.claim("w", 0.0, ["slack"])
    assert claim is not None
    lease = Lease(claim, store.turns, 60)
    await lease.make_sure()  # nobody took it meanwhile
    assert lease.until > claim.lease_until
    with sqlite3.connect(tmp_path / "p.db", isolation_level=None) as other:
        other.execute("UPDATE turns SET lease_owner = 'another'")
    other.close()
    await lease.make_sure()  # sure for as long as it was renewed
    lease.until = 0
    with pytest.raises(LeaseLost):
        await lease.make_sure()
