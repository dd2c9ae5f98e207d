"""The list of failed turns: what is in it, what is known of each, and what trying again and discarding change."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from bot import turn_view
from bot.errors import DatabaseUnusable, StorageFailed
from storage import Store
from storage.database import Database
from storage.dead_letters import DeadLetters
from storage.erasure import Erasure
from storage.records import Answer, Claim, Ruling, SentPart, Summary, now
from storage.turn_lines import Decision
from tests.storage.people import THREAD, asks, keeps, says
from tests.storage.test_inbox import rows
from tests.storage.test_turns import ANSWER, EXPIRED, USED, ask, take


@pytest.fixture
async def letters(store: Store, path: Path) -> AsyncIterator[DeadLetters]:
    """What an operator's command sees of the store, by connections of its own."""
    database = await Database.attach(f"sqlite:///{path}")
    yield DeadLetters(database)
    await database.close()


async def fail(store: Store, message_id: str, failure: str = "QuotaExhausted", *, thread: str = "100.1") -> Claim:
    await ask(store, message_id, thread, at=float(message_id))
    claim = await take(store)
    await store.turns.finish(claim, "failed", failure=failure)
    return claim


async def retry(letters: DeadLetters, *turn_ids: int) -> Sequence[Decision]:
    return [decision async for decision in letters.retry(turn_ids)]


async def discard(letters: DeadLetters, *turn_ids: int) -> Sequence[Decision]:
    return [decision async for decision in letters.discard(turn_ids)]


async def test_failed_turns_are_listed_newest_first_and_no_more_than_asked_for(
    store: Store, letters: DeadLetters
) -> None:
    first, second = await fail(store, "1", thread="a"), await fail(store, "2", "DeliveryRefused is_archived")
    await ask(store, "3", "c")
    listed, count = await letters.failed()
    assert ([line.id for line in listed], count) == ([second.turn_id, first.turn_id], 2)
    assert [line.failure for line in listed] == ["DeliveryRefused is_archived", "QuotaExhausted"]
    assert listed[0].address == THREAD
    assert listed[0].finished_at is not None and listed[0].finished_at >= listed[0].created_at
    assert listed[1].reference == first.key[:8]
    listed, count = await letters.failed(most=1)
    assert ([line.id for line in listed], count) == ([second.turn_id], 2)


async def test_a_reason_picks_its_own_failures_whatever_code_follows_it(store: Store, letters: DeadLetters) -> None:
    refused = [await fail(store, "1", "DeliveryRefused 50013"), await fail(store, "2", "DeliveryRefused")]
    await fail(store, "3", "DeliveryRefusedOtherwise")
    assert await letters.failed_ids("DeliveryRefused") == [claim.turn_id for claim in refused]
    assert len(await letters.failed_ids()) == 3
    assert await letters.failed_ids("Delivery%") == []


async def test_open_turns_are_listed_with_who_holds_them_and_until_when_they_wait(
    store: Store, letters: DeadLetters
) -> None:
    await ask(store, "1", "a")
    held = await take(store, "me")
    await ask(store, "2", "b")
    await store.turns.release(await take(store, "other"), delay_seconds=60, crashed=True)
    waiting, running = await letters.open()
    assert (running.state, running.lease_owner, running.lease_until) == ("running", "me", held.lease_until)
    assert (waiting.state, waiting.attempts, waiting.crashes) == ("queued", 1, 1)
    assert waiting.not_before > waiting.created_at
    assert [line.id for line in await letters.open(most=1)] == [waiting.id]


async def test_a_turn_goes_by_its_id_its_reference_or_its_key(store: Store, letters: DeadLetters) -> None:
    claim = await fail(store, "1")
    this = [(claim.turn_id, claim.key)]
    for name in (str(claim.turn_id), claim.key[:8], claim.key[:8].upper(), claim.key[:12], claim.key):
        assert await letters.named(name) == this
    for name in ("", "99", claim.key[:7], claim.key + "0", "%", "９９", "9" * 40, "' OR 1=1", "-1"):
        assert await letters.named(name) == []


async def test_a_reference_that_several_turns_share_gives_them_all(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    one, other = await fail(store, "1"), await fail(store, "2", thread="b")
    with sqlite3.connect(path) as database:
        for turn_id, key in ((one.turn_id, "12345678aa"), (other.turn_id, "12345678bb")):
            database.execute("UPDATE turns SET key = ? WHERE id = ?", (key, turn_id))
        database.execute("UPDATE turns SET id = 12345678 WHERE key = '12345678bb'")
        database.execute("UPDATE messages SET turn_id = 12345678 WHERE turn_id = ?", (other.turn_id,))
    database.close()
    assert await letters.named("12345678") == [(12345678, "12345678bb"), (one.turn_id, "12345678aa")]
    assert await letters.named("12345678a") == [(one.turn_id, "12345678aa")]


async def test_a_whole_turn_has_its_questions_the_messages_of_its_answer_and_what_it_took(
    store: Store, letters: DeadLetters
) -> None:
    turn_id = await ask(store, "1", at=1)
    await ask(store, "2", at=2)
    claim = await take(store)
    await store.turns.intend_part(claim, 1)
    await store.turns.confirm_part(claim, SentPart(1, "a1"))
    await store.turns.intend_part(claim, 2)
    await store.turns.finish(claim, "failed", answer=ANSWER, used=USED, failure="StreamCut")
    whole = await letters.whole(turn_id)
    assert whole is not None
    assert [(m.role, m.platform_id, m.author_id, m.text) for m in whole.messages] == [
        ("user", "1", "U1", "hello"),
        ("user", "2", "U1", "hello"),
        ("assistant", "a1", "B", "hi"),
    ]
    assert [(part.number, part.platform_id) for part in whole.parts] == [(1, "a1"), (2, None)]
    assert list(whole.used) == [USED]
    assert whole.line.failure == "StreamCut"
    assert await letters.whole(99) is None


async def test_a_turn_tried_again_is_claimed_at_once_with_its_attempts_and_parts_and_without_its_deaths(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    await ask(store, "1")
    await take(store, "dead", EXPIRED)
    claim = await take(store)
    await store.turns.intend_part(claim, 1)
    await store.turns.finish(claim, "failed", failure="QuotaExhausted")
    [decision] = await retry(letters, claim.turn_id)
    assert (decision.outcome, decision.state, decision.failure) == ("done", "failed", "QuotaExhausted")
    assert rows(path, "SELECT state, failure, finished_at, not_before FROM turns") == [("queued", None, None, 0)]
    again = await take(store)
    assert (again.turn_id, again.attempt, again.crashes) == (claim.turn_id, 3, 0)
    assert [part.number for part in await store.turns.parts(again.turn_id)] == [1]
    await store.turns.finish(again, "answered", answer=ANSWER)
    assert await letters.failed() == ([], 0)


async def test_the_half_of_an_answer_that_a_broken_stream_left_makes_room_for_the_whole(
    store: Store, letters: DeadLetters
) -> None:
    turn_id = await ask(store, "1")
    half = Answer("a1", "B", "Parley", "half of")
    await store.turns.finish(await take(store), "failed", answer=half, failure="StreamCut")
    await retry(letters, turn_id)
    again = await take(store)
    assert [m.text for m in await store.history.until(turn_id, again.conversation_id, 0)] == ["hello"]
    await store.turns.finish(again, "answered", answer=Answer("a1", "B", "Parley", "the whole of it"))
    later = await ask(store, "2", at=5)
    said = await store.history.until(later, again.conversation_id, 0)
    assert [m.text for m in said] == ["hello", "the whole of it", "hello"]


async def test_what_people_thought_of_the_half_and_a_summary_that_tells_of_it_go_with_it(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    turn_id = await ask(store, "1")
    half = Answer("a1", "B", "Parley", "half of")
    claim = await take(store)
    await store.turns.finish(claim, "failed", answer=half, failure="StreamCut")
    await store.ratings.toggle(turn_id, "slack", "U1", -1)
    await ask(store, "2", at=5)
    material = await store.summaries.material(claim.conversation_id)
    until = material.since[-1].position
    assert await store.summaries.add(claim.conversation_id, Summary(until, "half of"), material, model="m", tokens=1)
    await retry(letters, turn_id)
    for table in ("ratings", "summaries"):
        assert rows(path, f"SELECT * FROM {table}") == []  # noqa: S608 - a table can't be a parameter


async def test_an_answer_that_was_wished_anew_in_vain_stays_until_there_is_a_new_one(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    turn_id = await ask(store, "1")
    await store.turns.finish(await take(store), "answered", answer=ANSWER)
    await store.ratings.toggle(turn_id, "slack", "U1", 1)
    assert await store.answers.again(turn_id, "a press") == "queued"
    for _ in range(2):
        await store.turns.finish(await take(store), "failed", failure="QuotaExhausted")
        await retry(letters, turn_id)
        assert await store.answers.remembered(turn_id) == "hi"
        assert len(rows(path, "SELECT * FROM ratings")) == 1
    again = await take(store)
    assert [m.text for m in await store.history.until(turn_id, again.conversation_id, 0)] == ["hello"]
    await store.turns.finish(again, "answered", answer=Answer("a1", "B", "Parley", "another"))
    assert await store.answers.remembered(turn_id) == "another"
    assert rows(path, "SELECT * FROM ratings") == []


async def test_a_later_turn_that_runs_is_not_disturbed_and_other_conversations_do_not_wait(
    store: Store, letters: DeadLetters
) -> None:
    failed = await fail(store, "1")
    later = await ask(store, "2", at=5)
    running = await take(store)
    assert running.turn_id == later
    await retry(letters, failed.turn_id)
    elsewhere = await ask(store, "3", "elsewhere")
    assert (await take(store)).turn_id == elsewhere
    assert await store.turns.claim("w", 60, ["slack"]) is None
    await store.turns.finish(running, "answered", answer=ANSWER)
    assert (await take(store)).turn_id == failed.turn_id


async def test_a_later_turn_whose_worker_died_goes_on_before_the_one_tried_again(
    store: Store, letters: DeadLetters
) -> None:
    failed = await fail(store, "1")
    later = await ask(store, "2", at=5)
    await take(store, "dead", EXPIRED)
    await retry(letters, failed.turn_id)
    taken = await take(store)
    assert (taken.turn_id, taken.crashes) == (later, 1)
    assert await store.turns.claim("w", 60, ["slack"]) is None
    await store.turns.finish(taken, "answered", answer=ANSWER)
    assert (await take(store)).turn_id == failed.turn_id


async def test_a_question_asked_while_one_is_tried_again_waits_in_a_turn_of_its_own(
    store: Store, letters: DeadLetters
) -> None:
    failed = await fail(store, "1")
    await retry(letters, failed.turn_id)
    later = await ask(store, "2", at=5)
    assert later != failed.turn_id
    assert (await take(store)).turn_id == failed.turn_id
    assert await store.turns.claim("w", 60, ["slack"]) is None


async def test_a_turn_tried_again_reads_nothing_of_what_came_with_later_turns(
    store: Store, letters: DeadLetters
) -> None:
    async def talk(text: str, at: float, *, rule: Callable[[], Ruling] = keeps) -> int:
        message = says(text, text, at=at)
        return (await store.inbox.accept(message, "100.1", rule=rule, complete=True)).turn_id or 0

    await talk("before", 0)
    failed = await talk("Q1", 1, rule=asks)
    await store.turns.finish(await take(store), "failed", failure="QuotaExhausted")
    await talk("soon after", 2)
    await talk("Q2", 3, rule=asks)
    claim = await take(store)
    await store.turns.finish(claim, "answered", answer=Answer("a2", "B", "Parley", "A2"))
    await talk("long after", 4)
    await retry(letters, failed)
    again = await take(store)

    def texts(said: Sequence[object]) -> list[str]:
        return [m.text for m in said]  # type: ignore[attr-defined]

    assert texts(await store.history.until(failed, 1, 0)) == ["before", "soon after", "Q1"]
    await store.turns.finish(again, "answered", answer=Answer("a1", "B", "Parley", "A1"))
    last = texts(await store.history.until(await talk("Q9", 9, rule=asks), 1, 0))
    assert last == ["before", "Q1", "A1", "soon after", "Q2", "A2", "long after", "Q9"]


async def test_only_failed_turns_are_tried_again_or_discarded_and_each_is_told(
    store: Store, letters: DeadLetters
) -> None:
    answered = await ask(store, "1", "a")
    await store.turns.finish(await take(store), "answered", answer=ANSWER)
    running = await ask(store, "2", "b")
    await take(store)
    queued = await ask(store, "3", "c")
    failed = (await fail_in(store, "d")).turn_id
    for wish in (retry, discard):
        told = await wish(letters, answered, running, queued, 99)
        assert [(d.turn_id, d.state, d.outcome) for d in told] == [
            (answered, "answered", "not_failed"),
            (running, "running", "not_failed"),
            (queued, "queued", "not_failed"),
        ]
    told = await retry(letters, failed, answered)
    assert {d.turn_id: d.outcome for d in told} == {failed: "done", answered: "not_failed"}


async def fail_in(store: Store, thread: str) -> Claim:
    """A turn that fails while others wait: it alone is on the platform that is served."""
    await ask(store, "9", thread, platform="discord")
    claim = await store.turns.claim("w", 60, ["discord"])
    assert claim is not None
    await store.turns.finish(claim, "failed", failure="QuotaExhausted")
    return claim


async def test_a_discarded_turn_leaves_the_list_keeps_its_reason_and_is_not_tried_again(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    claim = await fail(store, "1")
    [decision] = await discard(letters, claim.turn_id)
    assert (decision.outcome, decision.failure) == ("done", "QuotaExhausted")
    assert await letters.failed() == ([], 0)
    assert rows(path, "SELECT state, failure FROM turns") == [("cancelled", "Discarded QuotaExhausted")]
    [decision] = await retry(letters, claim.turn_id)
    assert (decision.outcome, decision.state) == ("not_failed", "cancelled")
    assert await store.turns.claim("w", 60, ["slack"]) is None


async def test_the_longest_reason_still_fits_once_it_is_discarded(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    claim = await fail(store, "1", f"DeliveryRefused {'x' * 48}")
    await discard(letters, claim.turn_id)
    [(failure,)] = rows(path, "SELECT failure FROM turns")
    assert str(failure).startswith("Discarded DeliveryRefused xxx") and len(str(failure)) == 64


async def test_a_turn_whose_questions_were_deleted_since_is_told_and_stays(store: Store, letters: DeadLetters) -> None:
    claim = await fail(store, "1")
    await store.revisions.delete(THREAD, "1")
    assert [d.outcome for d in await retry(letters, claim.turn_id)] == ["unasked"]
    assert [line.id for line in (await letters.failed())[0]] == [claim.turn_id]
    assert [d.outcome for d in await discard(letters, claim.turn_id)] == ["done"]


def orders() -> Ruling:
    """The message is a command."""
    return Ruling("command", "what was ordered", aside=True)


def tells() -> Ruling:
    """The message gets a sentence of ours."""
    return Ruling("notice", "why not")


async def fail_ordered(store: Store, rule: Callable[[], Ruling] = orders) -> Claim:
    """A turn that was no question, and failed."""
    await store.inbox.accept(says("1", "!do it"), "100.1", rule=rule, complete=True)
    claim = await take(store)
    await store.turns.finish(claim, "failed", failure="DeliveryRefused is_archived")
    return claim


@pytest.mark.parametrize("rule", [orders, tells])
async def test_a_command_and_a_notice_are_tried_again_with_all_they_need_as_often_as_they_fail(
    store: Store, letters: DeadLetters, path: Path, rule: Callable[[], Ruling]
) -> None:
    failed = await fail_ordered(store, rule)
    for _ in range(2):
        assert [d.outcome for d in await retry(letters, failed.turn_id)] == ["done"]
        again = await take(store)
        assert (again.kind, again.payload) == (failed.kind, failed.payload)
        await store.turns.finish(again, "failed", failure="DeliveryRefused is_archived")
    await retry(letters, failed.turn_id)
    await store.turns.finish(await take(store), "answered")
    assert rows(path, "SELECT payload FROM turns") == [(None,)]


async def test_a_command_is_shown_to_the_operator_with_its_words(store: Store, letters: DeadLetters) -> None:
    whole = await letters.whole((await fail_ordered(store)).turn_id)
    assert whole is not None
    assert "\n".join(turn_view.page(whole, now())).count("    !do it") == 1


@pytest.mark.parametrize("goes", ["deleted", "forgotten", "erased", "old", "discarded"])
async def test_what_was_ordered_is_not_kept_longer_than_the_words_of_its_message(
    store: Store, letters: DeadLetters, path: Path, goes: str
) -> None:
    claim = await fail_ordered(store)
    assert rows(path, "SELECT payload FROM turns") == [("what was ordered",)]
    match goes:
        case "deleted":
            await store.revisions.delete(THREAD, "1")
        case "forgotten":
            remembered = await store.memory.in_thread(THREAD)
            assert remembered is not None
            await store.memory.forget(remembered)
        case "erased":
            await Erasure(store.database).erase("slack", "U1")
        case "old":
            await store.retention.wipe_messages(now())
        case _:
            await discard(letters, claim.turn_id)
    assert rows(path, "SELECT payload FROM turns") == [(None,)]
    told = [d.outcome for d in await retry(letters, claim.turn_id)]
    assert told == ["not_failed" if goes == "discarded" else "unasked"]


async def test_a_command_whose_message_was_deleted_while_it_ran_is_not_kept(store: Store, path: Path) -> None:
    await store.inbox.accept(says("1", "!do it"), "100.1", rule=orders, complete=True)
    claim = await take(store)
    await store.revisions.delete(THREAD, "1")
    await store.turns.finish(claim, "failed", failure="DeliveryRefused is_archived")
    assert rows(path, "SELECT state, payload FROM turns") == [("failed", None)]


async def test_a_command_that_an_earlier_version_did_not_keep_is_told_and_stays(
    store: Store, letters: DeadLetters, path: Path
) -> None:
    claim = await fail_ordered(store)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE turns SET payload = NULL")
    connection.close()
    assert [d.outcome for d in await retry(letters, claim.turn_id)] == ["forgotten"]
    assert [line.id for line in (await letters.failed())[0]] == [claim.turn_id]


async def test_more_turns_than_fit_one_transaction_are_all_tried_again(
    store: Store, letters: DeadLetters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.dead_letters.AT_ONCE", 2)
    for number in range(5):
        await fail(store, str(number), thread=f"t{number}")
    told = await retry(letters, *await letters.failed_ids())
    assert [d.outcome for d in told] == ["done"] * 5
    assert rows(path, "SELECT DISTINCT state FROM turns") == [("queued",)]


async def test_a_database_that_another_program_holds_is_read_and_refuses_to_be_changed(
    store: Store, letters: DeadLetters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await fail(store, "1")
    monkeypatch.setattr("storage.dialect.BUSY_TIMEOUT_SECONDS", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    beside = await Database.attach(f"sqlite:///{path}")
    try:
        assert [line.id for line in (await DeadLetters(beside).failed())[0]] == [claim.turn_id]
        with pytest.raises(StorageFailed):
            await retry(DeadLetters(beside), claim.turn_id)
    finally:
        await beside.close()
        other.rollback()
        other.close()
    assert [line.id for line in (await letters.failed())[0]] == [claim.turn_id]


async def test_a_database_is_not_made_or_changed_by_looking_at_it(tmp_path: Path) -> None:
    missing = tmp_path / "data" / "parley.db"
    with pytest.raises(DatabaseUnusable, match="there is no database at"):
        await Database.attach(f"sqlite:///{missing}")
    assert not missing.parent.exists()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(DatabaseUnusable, match="nothing of Parley's"):
        await Database.attach(f"sqlite:///{other}")
    assert rows(other, "SELECT name FROM sqlite_master") == [("notes",)]
    (tmp_path / "text.db").write_text("not a database at all, only text " * 20)
    with pytest.raises(DatabaseUnusable, match="cannot be used"):
        await Database.attach(f"sqlite:///{tmp_path / 'text.db'}")


async def test_a_database_of_another_version_is_left_to_the_worker(store: Store, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    with pytest.raises(DatabaseUnusable, match="another version"):
        await Database.attach(f"sqlite:///{path}")
    assert rows(path, "SELECT version_num FROM alembic_version") == [("0001",)]
