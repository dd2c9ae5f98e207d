"""The queue, leases and fences, the parts of an answer, the end of a turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.errors import LeaseLost
from bot.messages import Address
from storage import Store
from storage.memory import ALWAYS
from storage.money import Reservation, Spender, UsageRow
from storage.records import Accepted, Along, Answer, Backlog, Claim, Remembered, SentPart, StoredPart, Terms, now
from tests.storage.people import THREAD, asks, keeps, says
from tests.storage.test_inbox import rows

EXPIRED = -1.0
ANSWER = Answer("a1", "B", "Parley", "hi")
USED = UsageRow("U1", "gpt", "key 1", 1, 100, 50, 20, 5, estimated=False, cost_micros=42)


async def ask(store: Store, message_id: str, thread: str = "100.1", *, at: float = 0.0, platform: str = "slack") -> int:
    address = Address(platform, "T1", "C1", thread)
    accepted = await store.inbox.accept(says(message_id, at=at, address=address), thread, rule=asks, complete=True)
    assert accepted.turn_id is not None
    return accepted.turn_id


async def take(store: Store, owner: str = "w", lease: float = 60.0) -> Claim:
    claim = await store.turns.claim(owner, lease, ["slack"])
    assert claim is not None
    return claim


async def test_the_oldest_turn_is_claimed_first_and_each_once(store: Store) -> None:
    first, second = await ask(store, "1", "t1"), await ask(store, "2", "t2")
    assert [(await take(store)).turn_id, (await take(store)).turn_id] == [first, second]
    assert await store.turns.claim("w", 60, ["slack"]) is None


async def test_a_claim_tells_whether_others_wait(store: Store) -> None:
    await ask(store, "1", "t1")
    await ask(store, "2", "t2")
    assert (await take(store)).others_wait
    last = await take(store)
    assert not last.others_wait
    await ask(store, "3", "t2")
    assert await store.turns.claim("w", 60, ["slack"]) is None
    await ask(store, "4", "t3")
    assert (await take(store)).others_wait, "the third waits for the second"


async def test_a_claim_carries_all_that_a_worker_needs(store: Store) -> None:
    turn_id = await ask(store, "1")
    claim = await take(store, "me")
    assert (claim.turn_id, claim.conversation_id, claim.address, claim.root) == (turn_id, 1, THREAD, "100.1")
    assert (claim.owner, claim.attempt, claim.context_start, claim.direct) == ("me", 1, 0, False)
    assert claim.created_at < claim.lease_until


async def test_one_turn_of_a_conversation_runs_at_a_time(store: Store) -> None:
    await ask(store, "1")
    running = await take(store)
    await ask(store, "2")
    assert await store.turns.claim("other", 60, ["slack"]) is None
    await store.turns.finish(running, "answered", answer=ANSWER)
    assert (await take(store)).turn_id > running.turn_id


async def test_only_the_platforms_asked_for_are_served(store: Store) -> None:
    await ask(store, "1", platform="discord")
    assert await store.turns.claim("w", 60, ["slack"]) is None
    assert await store.turns.claim("w", 60, []) is None
    claim = await store.turns.claim("w", 60, {"slack", "discord"})
    assert claim is not None


async def test_a_turn_whose_lease_ran_out_is_claimed_again_with_its_attempts_counted(store: Store) -> None:
    await ask(store, "1")
    dead = await take(store, "dead", EXPIRED)
    taken = await take(store, "alive")
    assert (taken.turn_id, taken.attempt, taken.key) == (dead.turn_id, 2, dead.key)
    assert await store.turns.claim("third", 60, ["slack"]) is None


async def test_a_worker_that_lost_its_lease_changes_nothing(store: Store, path: Path) -> None:
    await ask(store, "1")
    dead = await take(store, "w", EXPIRED)
    alive = await take(store, "w")  # the same worker, one attempt later
    await store.turns.intend_part(alive, 1)
    with pytest.raises(LeaseLost):
        await store.turns.intend_part(dead, 1)
    with pytest.raises(LeaseLost):
        await store.turns.drop_part(dead, 1)
    with pytest.raises(LeaseLost):
        await store.turns.finish(dead, "answered", answer=ANSWER, used=USED)
    await store.turns.release(dead)
    assert rows(path, "SELECT state, attempts FROM turns") == [("running", 2)]
    assert rows(path, "SELECT count(*) FROM messages WHERE role = 'assistant'") == [(0,)]
    assert rows(path, "SELECT count(*) FROM usage") == [(0,)]
    assert [part.number for part in await store.turns.parts(alive.turn_id)] == [1]


async def test_renewing_keeps_a_turn_and_says_which_are_still_held(store: Store) -> None:
    mine, lost = await ask(store, "1", "t1"), await ask(store, "2", "t2")
    await take(store, "me", EXPIRED)
    await store.turns.renew("me", [mine], 60)
    await take(store, "me", EXPIRED)
    await take(store, "other")
    assert await store.turns.renew("me", [mine, lost], 60) == {mine: None}
    assert await store.turns.renew("me", [], 60) == {}
    assert await store.turns.claim("third", 60, ["slack"]) is None


async def test_a_released_turn_waits_for_its_time_and_keeps_its_place(store: Store) -> None:
    await ask(store, "1")
    claim = await take(store)
    await ask(store, "2", at=1)
    await store.turns.release(claim, delay_seconds=60)
    assert await store.turns.claim("w", 60, ["slack"]) is None  # the later turn does not overtake it
    await ask(store, "3", "elsewhere")
    assert (await take(store)).root == "elsewhere"


async def test_a_turn_released_without_delay_is_claimed_at_once(store: Store) -> None:
    await ask(store, "1")
    await store.turns.release(await take(store))
    assert (await take(store, "other")).attempt == 2


async def test_parts_are_intended_confirmed_dropped_and_listed_in_order(store: Store) -> None:
    await ask(store, "1")
    claim = await take(store)
    for number in (2, 1):
        await store.turns.intend_part(claim, number)
    await store.turns.confirm_part(claim, SentPart(1, "a1"))
    parts = await store.turns.parts(claim.turn_id)
    assert [(part.number, part.platform_id) for part in parts] == [(1, "a1"), (2, None)]
    assert isinstance(parts[0], StoredPart)
    assert parts[0].intended_at >= claim.created_at
    await store.turns.drop_part(claim, 1)
    assert [part.number for part in await store.turns.parts(claim.turn_id)] == [2]


async def test_a_part_intended_again_is_unconfirmed_again(store: Store) -> None:
    await ask(store, "1")
    claim = await take(store)
    await store.turns.intend_part(claim, 1)
    await store.turns.confirm_part(claim, SentPart(1, "a1"))
    await store.turns.intend_part(claim, 1)
    [part] = await store.turns.parts(claim.turn_id)
    assert part.platform_id is None


async def test_that_a_part_was_sent_is_noted_even_after_the_lease_passed_on(store: Store) -> None:
    await ask(store, "1")
    dead = await take(store, "dead", EXPIRED)
    await store.turns.intend_part(dead, 1)
    alive = await take(store, "alive")
    await store.turns.confirm_part(dead, SentPart(1, "a1"))
    [part] = await store.turns.parts(alive.turn_id)
    assert part.platform_id == "a1"


async def test_the_part_that_was_sent_last_is_written_down_with_the_end_or_not_at_all(store: Store) -> None:
    await ask(store, "1")
    dead = await take(store, "dead", EXPIRED)
    await store.turns.intend_part(dead, 1)
    alive = await take(store, "alive")
    with pytest.raises(LeaseLost):
        await store.turns.finish(dead, "answered", answer=ANSWER, sent=SentPart(1, "a1"))
    assert [part.platform_id for part in await store.turns.parts(alive.turn_id)] == [None]
    await store.turns.finish(alive, "answered", answer=ANSWER, sent=SentPart(1, "a1"))
    assert [part.platform_id for part in await store.turns.parts(alive.turn_id)] == ["a1"]


async def test_what_an_attempt_used_is_counted_as_it_hands_its_turn_back_and_its_reservation_stays(
    store: Store, path: Path
) -> None:
    await ask(store, "1")
    first = await take(store)
    wanted = Reservation(first.key, Spender("slack", "T1", "C1", "U1"), 50, until=now() + 60_000_000)
    await store.budgets.reserve(wanted, [], lambda _drawn, _micros: True)
    await store.turns.release(first, used=USED)
    assert rows(path, "SELECT turn_id, purpose, cost_micros FROM usage") == [(first.turn_id, "answer", 42)]
    assert rows(path, "SELECT user_id, micros FROM spending") == [("U1", 42)]
    assert rows(path, "SELECT key FROM reservations") == [(first.key,)]
    await store.turns.release(first, used=USED)  # it is not held any more
    second = await take(store)
    await store.turns.release(first, used=USED)  # another attempt holds it
    await store.turns.finish(second, "answered", answer=ANSWER, used=USED)
    assert rows(path, "SELECT count(*) FROM usage") == [(2,)]
    assert rows(path, "SELECT micros FROM spending") == [(84,)]
    assert rows(path, "SELECT count(*) FROM reservations") == [(0,)]


async def test_what_was_kept_with_the_outcome_is_not_counted_when_the_turn_is_handed_back(
    store: Store, path: Path
) -> None:
    await ask(store, "1")
    claim = await take(store)
    await store.turns.keep_outcome(claim, "{}")
    await store.turns.release(claim, used=USED)
    assert rows(path, "SELECT count(*) FROM usage") == [(0,)]


async def test_a_finished_turn_stores_answer_usage_and_state_together(store: Store, path: Path) -> None:
    await ask(store, "1", at=5)
    claim = await take(store)
    await store.turns.finish(claim, "answered", answer=ANSWER, used=USED)
    assert rows(path, "SELECT state, lease_owner, lease_until, failure FROM turns") == [("answered", None, None, None)]
    assert rows(path, "SELECT text, turn_id, author_id FROM messages WHERE role = 'assistant'") == [("hi", 1, "B")]
    assert rows(path, "SELECT model, prompt_tokens, cost_micros FROM usage") == [("gpt", 100, 42)]
    assert await store.turns.claim("w", 60, ["slack"]) is None


async def test_a_failed_turn_keeps_why_and_needs_no_answer(store: Store, path: Path) -> None:
    await ask(store, "1")
    await store.turns.finish(await take(store), "failed", failure="QuotaExhausted")
    assert rows(path, "SELECT state, failure FROM turns") == [("failed", "QuotaExhausted")]


async def test_a_turn_ends_once(store: Store) -> None:
    await ask(store, "1")
    claim = await take(store)
    await store.turns.finish(claim, "answered", answer=ANSWER)
    with pytest.raises(LeaseLost):
        await store.turns.finish(claim, "answered", answer=replace(ANSWER, platform_id="a2"))


async def test_open_turns_are_counted(store: Store) -> None:
    assert await store.turns.open_count() == 0
    await ask(store, "1", "t1")
    await ask(store, "2", "t2")
    claim = await take(store)
    assert await store.turns.open_count() == 2
    await store.turns.finish(claim, "cancelled")
    assert await store.turns.open_count() == 1


async def test_the_backlog_counts_open_turns_and_tells_since_when_the_oldest_waits_that_may_run(
    store: Store, path: Path
) -> None:
    assert await store.turns.backlog() == Backlog(0, None)
    await ask(store, "1", "t1")
    await ask(store, "2", "t2")
    created: list[Any] = [at for (at,) in rows(path, "SELECT created_at FROM turns ORDER BY id")]
    assert await store.turns.backlog() == Backlog(2, created[0])
    claim = await take(store)
    await ask(store, "3", "t1")  # it may not run before the one that runs in its conversation
    assert await store.turns.backlog() == Backlog(3, created[1])
    await take(store)
    assert await store.turns.backlog() == Backlog(3, None)
    await store.turns.release(claim, delay_seconds=60)
    assert await store.turns.backlog() == Backlog(3, None)


async def test_in_the_backlog_a_dead_workers_turn_waits_since_its_lease_ran_out(store: Store, path: Path) -> None:
    await ask(store, "1")
    await take(store, lease=EXPIRED)
    lease_until: Any
    [(lease_until,)] = rows(path, "SELECT lease_until FROM turns")
    assert await store.turns.backlog() == Backlog(1, lease_until)


async def test_an_answer_to_questions_that_were_forgotten_while_it_was_written_is_not_remembered(
    store: Store, path: Path
) -> None:
    await ask(store, "1")
    claim = await take(store)
    await store.memory.forget(Remembered(claim.conversation_id, direct=False, until=ALWAYS, turn_id=None))
    await store.turns.finish(claim, "answered", answer=ANSWER)
    assert rows(path, "SELECT text, deleted FROM messages WHERE role = 'assistant'") == [("", 1)]


async def test_a_turn_is_claimed_by_the_transaction_that_stores_it_as_it_would_be_later(store: Store) -> None:
    terms = Terms("me", 60)
    at_once = await store.inbox.accept(says("1"), "100.1", rule=asks, complete=True, terms=terms)
    assert at_once.claim is not None
    assert (at_once.outcome, at_once.turn_id) == ("queued", at_once.claim.turn_id)
    assert await store.turns.claim("other", 60, ["slack"]) is None
    assert set(await store.turns.renew("me", [at_once.claim.turn_id], 60)) == {at_once.claim.turn_id}
    await store.turns.release(at_once.claim)
    later = await take(store, "me")
    assert replace(later, attempt=1, lease_until=0) == replace(at_once.claim, lease_until=0)


async def test_a_turn_that_is_claimed_as_it_is_stored_has_what_it_may_read(store: Store, path: Path) -> None:
    channel = replace(THREAD, thread=None)
    said = [says("90", "it rains", at=-30, address=channel), says("91", "it pours", at=-20, address=channel)]
    await store.inbox.accept(says("91", "it pours", at=-20, address=channel), "91", rule=keeps, complete=True)
    await store.revisions.delete(channel, "91")

    async def claimed(message_id: str, **how: Any) -> Claim | None:
        message = says(message_id, address=replace(THREAD, thread=message_id))
        accepted = await store.inbox.accept(message, message_id, rule=asks, complete=True, **how)
        return accepted.claim

    first = await claimed("100", terms=Terms("me", 60), along=Along(said, "B"))
    assert first is not None
    assert first.window == await store.history.window(first.turn_id, first.conversation_id, 0)
    assert first.window is not None
    assert [(m.role, m.text) for m in first.window.messages] == [("overheard", "it rains"), ("user", "hello")]
    alone = await claimed("200", terms=Terms("me", 60), along=Along((), "B"))
    assert alone is not None and alone.window is not None
    assert [m.text for m in alone.window.messages] == ["hello"]
    read_later = await claimed("300", terms=Terms("me", 60))
    assert read_later is not None and read_later.window is None
    assert await claimed("400", along=Along(said, "B")) is None
    assert rows(path, "SELECT conversation_id, text FROM overheard") == [(first.conversation_id, "it rains")], (
        "what waits in the queue takes its words along when it begins"
    )


async def test_a_turn_that_may_not_begin_yet_is_stored_and_not_claimed(store: Store) -> None:
    terms = Terms("me", 60)

    async def accepted(message_id: str, root: str = "100.1", **how: Any) -> Accepted:
        address = replace(THREAD, thread=root)
        return await store.inbox.accept(
            says(message_id, address=address), root, rule=how.pop("rule", asks), complete=True, terms=terms, **how
        )

    running = await accepted("1")
    second = await accepted("2")
    assert running.claim is not None
    assert (second.outcome, second.claim) == ("queued", None), "one of its conversation is running"
    third = await accepted("3")
    assert (third.outcome, third.claim) == ("joined", None)
    held = await accepted("4", "400.1", not_before=now() + 60_000_000)
    assert (held.outcome, held.claim) == ("queued", None)
    kept = await accepted("5", "500.1", rule=keeps)
    assert (kept.outcome, kept.claim) == ("stored", None)
    assert (await accepted("1")).claim is None
    other = await accepted("6", "600.1")
    assert other.claim is not None
    assert other.claim.others_wait
