"""The statements themselves: PostgreSQL can say them all, SQLite finds an index for each, and none grows dear."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.messages import Address, Author, FileText
from storage import (
    Store,
    answers,
    belonging,
    budgets,
    controls,
    cursors,
    dead_letters,
    erasure,
    export,
    fence,
    files,
    history,
    inbox,
    leasing,
    marks,
    memory,
    new_turns,
    overheard,
    ratings,
    restoring,
    retention,
    revisions,
    schema,
    summaries,
    turns,
    usage,
)
from storage.connection import Connection, Form
from storage.dead_letters import DeadLetters
from storage.erasure import Erasure
from storage.export import Export
from storage.money import Bound, Reservation, Spender, UsageRow
from storage.records import Answer, Claim, SentPart, Summary, now
from storage.scopes import Change, Scope
from tests.storage.people import EPOCH, THREAD, asks, keeps, says

POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def _statements() -> Iterator[tuple[str, ClauseElement]]:
    families = (
        belonging,
        budgets,
        controls,
        cursors,
        dead_letters,
        erasure,
        export,
        fence,
        files,
        history,
        inbox,
        leasing,
        marks,
        memory,
        new_turns,
        overheard,
        restoring,
        retention,
        summaries,
    )
    for module in (*families, answers, ratings, revisions, turns, usage):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, ClauseElement):
                yield f"{module.__name__}.{name}", value
            elif name.isupper() and isinstance(value, Mapping) and "sqlite" in value:
                assert sorted(value) == ["postgresql", "sqlite"]
                yield f"{module.__name__}.{name}", value["postgresql"]
            elif name.isupper() and isinstance(value, Mapping):
                for variant, statement in value.items():
                    yield f"{module.__name__}.{name}[{variant}]", statement


@pytest.mark.parametrize(("name", "statement"), [pytest.param(n, s, id=n) for n, s in _statements()])
def test_every_statement_can_be_said_to_postgresql(name: str, statement: ClauseElement) -> None:
    said = str(statement.compile(dialect=POSTGRESQL))
    assert re.match(r"SELECT|INSERT|UPDATE|DELETE|\(?SELECT", said), name


def test_no_family_of_queries_was_overlooked() -> None:
    names = [name for name, _ in _statements()]
    assert len(names) >= 80
    families = {
        "answers",
        "belonging",
        "budgets",
        "controls",
        "cursors",
        "dead_letters",
        "erasure",
        "export",
        "fence",
        "files",
        "history",
        "inbox",
        "leasing",
        "marks",
        "memory",
        "new_turns",
        "ratings",
        "retention",
        "revisions",
        "overheard",
        "restoring",
        "summaries",
        "turns",
        "usage",
    }
    assert {name.split(".")[1] for name in names} == families


def test_every_table_and_index_can_be_made_in_postgresql() -> None:
    for table in schema.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=POSTGRESQL))
        for index in table.indexes:
            assert "CREATE" in str(CreateIndex(index).compile(dialect=POSTGRESQL))
    partial = {str(CreateIndex(i).compile(dialect=POSTGRESQL)) for i in schema.turns.indexes}
    assert all("WHERE state" in index for index in partial)


async def _all_queries(store: Store, number: int) -> None:
    """Each named query at least once, on a message of its own."""
    thread = THREAD.__class__("slack", "T1", "C1", f"q{number}")
    question = says(f"q{number}", at=number, address=thread)
    for _ in range(2):
        await store.inbox.accept(question, f"q{number}", rule=asks, complete=False)
    for name in ("j", "t"):
        joins = says(f"{name}{number}", at=number, address=thread)
        await store.inbox.accept(joins, f"q{number}", rule=asks, complete=False)
    await store.inbox.standing(thread, f"q{number}", "the next")
    await store.inbox.root_of(thread, f"q{number}")
    await store.inbox.root_of(thread, "nobody's")
    await store.inbox.turns_of(thread, ["a", "b"])
    claim = await store.turns.claim("w", 60, ["slack"])
    assert isinstance(claim, Claim)
    await store.inbox.remember(claim.conversation_id, [says(f"e{number}", at=-1, address=thread)], "B")
    await store.history.until(claim.turn_id, claim.conversation_id, 0)
    await store.history.window(claim.turn_id, claim.conversation_id, 0)
    await _as_one_who_sums_up(store, claim.conversation_id, number)
    await store.history.move_start(claim.conversation_id, 1)
    await store.history.asked(claim.turn_id)
    await store.controls.of_workspace("slack", "T1")
    scope = Scope("slack", "T1", "C1")
    await store.controls.change(Change(scope, "set", "model", "m", "U1", "Ada"))
    await store.controls.change(Change(scope, "reset", "model", None, "U1", "Ada"))
    await store.controls.audit(0, 10)
    await store.marks.due("told", 60)
    await store.marks.due("told", 60)
    await store.marks.clear("told")
    await store.marks.born()
    await store.marks.named("to")
    await store.turns.renew("w", [claim.turn_id], 60)
    await store.turns.keep_outcome(claim, "{}")
    await store.turns.intend_part(claim, 1, "{}")
    await store.turns.parts_among(["a"])
    await store.turns.other_owners("v")
    await store.turns.expire(["v"])
    await store.inbox.release_held("slack")
    await store.cursors.recent("slack", 10)
    await store.marks.put("m", 1)
    await store.turns.confirm_part(claim, SentPart(1, f"a{number}"))
    await store.turns.parts(claim.turn_id)
    await store.turns.drop_part(claim, 1)
    await store.files.keep_texts(claim.turn_id, (), (FileText("a.txt", "x"),))
    await store.files.intend_upload(claim, "a.md")
    await store.files.settle_upload(claim, "a.md", "sent", "F1")
    await store.files.uploads(claim.turn_id)
    await store.turns.release(claim)
    again = await store.turns.claim("w", 60, ["slack"])
    assert again is not None
    await store.revisions.edit(question)
    await store.revisions.delete(thread, f"j{number}")
    await store.revisions.edit(says(f"t{number}", "other words", at=number, address=thread), asks=False)
    await store.turns.revisions([again.turn_id])
    again = replace(again, revision=await store.turns.begin_again(again, None))
    await store.turns.open_count()
    await store.turns.backlog()
    await store.turns.finish(again, "failed", failure="StreamCut")
    last = await _as_operator(DeadLetters(store.database), store, again.turn_id)
    await store.inbox.accept(says(f"n{number}", at=number, address=thread), f"q{number}", rule=keeps, complete=True)
    await store.history.until(again.turn_id, again.conversation_id, 0)
    await _about_money(store, last)
    assert await store.turns.claim("w", 60, ["slack"]) is None
    await _as_one_who_presses(store, thread, number)
    await _as_one_who_forgets(store, thread, f"q{number}")
    await _as_the_sweep(store, number)
    await _as_somebody_who_leaves(store, f"L{number}")
    await store.marks.put(marks.COPIED, 1)
    assert await restoring.take_up(store.database) is not None


async def _as_one_who_presses(store: Store, thread: Address, number: int) -> None:
    """What can be done with an answer: rated, stopped, asked for again and gone on with."""
    question, shown_as = says(f"p{number}", at=number, address=thread), f"x{number}"
    accepted = await store.inbox.accept(question, f"p{number}", rule=asks, complete=True)
    assert accepted.turn_id is not None
    for press in ("first", "second"):
        claim = await store.turns.claim("w", 60, ["slack"])
        assert claim is not None
        await store.turns.intend_part(claim, 1)
        await store.turns.confirm_part(claim, SentPart(1, shown_as))
        assert await store.answers.stop(claim.turn_id, "Ada")
        await store.turns.finish(claim, "answered", answer=Answer(shown_as, "B", "Parley", "hi"))
        if press == "first":
            assert await store.answers.again(claim.turn_id, press) == "queued"
    shown = await store.answers.of_message(thread, shown_as)
    assert shown == await store.answers.of_turn(accepted.turn_id)
    assert shown is not None
    await store.ratings.toggle(shown.turn_id, "slack", "U2", 1)
    await store.ratings.put(thread, shown_as, "U2", -1)
    await store.ratings.take_back(thread, shown_as, "U2", -1)
    assert await store.answers.go_on(shown.turn_id, Author("U1", "Ada"), "Go on.") == "queued"
    going_on = await store.turns.claim("w", 60, ["slack"])
    assert going_on is not None
    await store.turns.finish(going_on, "answered")


async def _as_one_who_sums_up(store: Store, conversation_id: int, number: int) -> None:
    """What is taken along from the channel, and the summary of it."""
    channel = Address("slack", "T1", "C1")
    assert (
        await store.overheard.take_along(0, conversation_id, 0, [says(f"h{number}", at=-5, address=channel)], "U1")
        is None
    )
    assert (
        await store.overheard.take_along(0, conversation_id, 0, [says(f"h{number}", at=-5, address=channel)], "B")
        is not None
    )
    material = await store.summaries.material(conversation_id)
    until = material.since[-1].position
    assert await store.summaries.add(conversation_id, Summary(until, "hello"), material, model="m", tokens=1)
    await store.revisions.edit(says(f"h{number}", "better", at=-5, address=channel))
    await store.revisions.delete(channel, f"h{number}")


async def _as_one_who_forgets(store: Store, thread: Address, message_id: str) -> None:
    """What can be asked and done about a conversation, and then about a channel of its own."""
    await store.memory.of_message(thread, message_id)
    conversation = await store.memory.in_thread(thread)
    assert conversation is not None
    assert await store.memory.spoken_in(conversation, "U1")
    assert await store.memory.forget(conversation) > 0
    elsewhere = Address("slack", "T1", f"C{message_id}", message_id)
    queued = await store.inbox.accept(says(message_id, address=elsewhere), message_id, rule=asks, complete=False)
    assert queued.turn_id is not None
    await store.memory.is_direct(elsewhere)
    await store.memory.cancel_before(queued.turn_id)
    assert await store.memory.forget_channel(elsewhere) == 1


async def _as_the_sweep(store: Store, number: int) -> None:
    """A question from before the epoch, answered, and all that is done about what is old."""
    old = says(f"o{number}", at=-EPOCH.timestamp() - number, address=Address("slack", "T1", "C1", f"o{number}"))
    await store.inbox.accept(old, f"o{number}", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    await store.turns.finish(claim, "answered")
    assert (await store.retention.wipe_messages(0)).done == 1
    early = says(f"p{number}", at=-EPOCH.timestamp() - number, address=Address("slack", "T1", "C1"))
    await store.overheard.take_along(claim.turn_id, claim.conversation_id, 0, [early], "B")
    assert (await store.retention.remove_overheard(0)).done == 1
    assert (await store.retention.remove_messages(0)).done == 1
    assert (await store.retention.remove_turns(now() + 1)).done == 1
    await store.retention.wipe_audit(now() + 1)


async def _as_somebody_who_leaves(store: Store, user_id: str) -> None:
    """A person in a workspace of their own, exported with it and then erased."""
    place = Address("slack", f"T{user_id}", "D1")
    message = says("1", address=place, author=user_id, direct=True)
    await store.inbox.accept(message, "", rule=asks, complete=True)
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    used = UsageRow(user_id, "m", "k", 1, 10, 0, 5, 0, estimated=False, cost_micros=7)
    await store.turns.finish(claim, "answered", answer=Answer("2", "B", "Parley", "hi"), used=used)
    await store.overheard.take_along(
        claim.turn_id, claim.conversation_id, 0, [says("0", at=-1, address=place, author=user_id)], "B"
    )
    material = await store.summaries.material(claim.conversation_id)
    until = material.since[-1].position
    assert await store.summaries.add(claim.conversation_id, Summary(until, "hi"), material, model="m", tokens=1)
    await store.controls.change(Change(Scope("slack", f"T{user_id}"), "set", "model", "m", user_id, "Ada"))
    await store.ratings.toggle(claim.turn_id, "slack", user_id, 1)
    kinds = {"message", "turn", "rating", "usage", "setting", "audit", "overheard", "summary"}
    assert {kind async for kind, _ in Export(store.database).of_workspace("slack", f"T{user_id}")} == kinds
    assert {kind async for kind, _ in Export(store.database).of_person("slack", user_id)} == kinds
    assert (await Erasure(store.database).erase("slack", user_id)).usage == 1


async def _about_money(store: Store, claim: Claim) -> None:
    """What is asked and written of budgets and usage, the end of an answer among it."""
    spender = Spender("slack", "T1", "C1", "U1")
    bounds = [Bound(whose, 1_000) for whose in budgets.SPENT]
    wanted = Reservation(claim.key, spender, 10, now() + 60_000_000)
    for _ in range(2):
        assert await store.budgets.reserve(wanted, bounds, lambda drawn, micros: True) is None
    await store.budgets.drawn(spender, bounds)
    await store.budgets.release("nobody's")
    used = UsageRow("U1", "m", "k", 1, 10, 0, 5, 0, estimated=False, cost_micros=7)
    answer = Answer(f"a{claim.turn_id}", "B", "Parley", "hi")
    await store.turns.finish(claim, "answered", answer=answer, used=used, reserved=True)
    await store.usage.add(spender, "try", used, reserved="t")
    await store.usage.of_user("slack", "T1", "U1", now() - 60_000_000)
    for scope, part in usage.REPORTS:
        await store.usage.report(scope, part, now() - 60_000_000, spender)
    await store.usage.names([claim.turn_id])


async def _as_operator(letters: DeadLetters, store: Store, turn_id: int) -> Claim:
    """What can be asked and done about a turn that failed; at its end it runs again."""
    await letters.failed("StreamCut")
    await letters.failed_ids()
    await letters.whole(turn_id)
    [(_, key)] = await letters.named(str(turn_id))
    await letters.named(key[:8])
    assert [decision.outcome async for decision in letters.retry([turn_id])] == ["done"]
    await letters.open()
    again = await store.turns.claim("w", 60, ["slack"])
    assert again is not None
    await store.turns.finish(again, "failed", failure="StreamCut")
    assert [decision.outcome async for decision in letters.retry([turn_id])] == ["done"]
    assert [decision.outcome async for decision in letters.discard([turn_id])] == ["not_failed"]
    claim = await store.turns.claim("w", 60, ["slack"])
    assert claim is not None
    return claim


async def test_every_query_finds_its_rows_by_an_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Sequence[Any]] = {}
    values_of = Form.values

    def noted(form: Form, parameters: Mapping[str, Any]) -> Sequence[Any]:
        said[form.text] = values = values_of(form, parameters)
        return values

    await _all_queries(store, 1)
    monkeypatch.setattr(Form, "values", noted)
    await _all_queries(store, 2)
    monkeypatch.undo()

    def plans(connection: Connection) -> dict[str, list[str]]:
        return {
            statement: [row[3] for row in connection.driver.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement, values in said.items()
            # An INSERT's plan lists what foreign keys could ask for; the next test counts what they do.
            if statement.startswith(("SELECT", "UPDATE", "DELETE"))
        }

    found = await store.database.read(plans)
    assert len(found) >= 20
    queue = re.compile(r"SCAN \w+ USING (COVERING )?INDEX (ix_turns_(queue|line|failed)|uq_turns_one_running)")
    scans = [
        (statement, step)
        for statement, steps in found.items()
        for step in steps
        if step.startswith("SCAN") and not queue.match(step)
    ]
    assert scans == []


def _is_told_of_statements() -> bool:
    with closing(sqlite3.connect(":memory:")) as driver:
        return ("ENABLE_STMTVTAB",) in driver.execute("PRAGMA compile_options").fetchall()


@pytest.mark.skipif(not _is_told_of_statements(), reason="this SQLite does not tell of its statements")
async def test_no_statement_is_prepared_anew_each_time_it_is_used(store: Store) -> None:
    for number in range(1, 7):
        await _all_queries(store, number)

    def prepared_often(connection: Connection) -> list[str]:
        # https://sqlite.org/stmt.html: `reprep` counts what SQLite did by itself, after a change of the schema as well.
        query = "SELECT sql FROM sqlite_stmt WHERE sql NOT LIKE 'PRAGMA%' AND run >= 6 AND reprep * 2 > run"
        return [statement for (statement,) in connection.driver.execute(query)]

    assert await store.database.write(prepared_often) == []
    assert await store.database.read(prepared_often) == []


def _fill(path: Path, conversations: int) -> None:
    """As many conversations, each with an answered turn of two messages."""
    numbers = [(n,) for n in range(1_000, 1_000 + conversations)]
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO conversations (id, platform, workspace, channel, root, direct, complete, created_at)"
            " VALUES (?1, 'slack', 'T1', 'C1', 'f' || ?1, 0, 1, 0)",
            numbers,
        )
        connection.executemany(
            "INSERT INTO turns (id, conversation_id, key, state, created_at) VALUES (?1, ?1, ?1, 'answered', 0)",
            numbers,
        )
        connection.executemany(
            "INSERT INTO messages (conversation_id, turn_id, platform, workspace, channel, platform_id, role,"
            " author_id, author_name, text, sent_at, position)"
            " VALUES (?1, ?1, 'slack', 'T1', 'C1', ?2 || ?1, ?3, 'U', 'Ada', 'hello', ?1, ?1)",
            [(n, letter, role) for (n,) in numbers for letter, role in (("f", "user"), ("g", "assistant"))],
        )
        connection.executemany(
            "INSERT INTO reply_parts (turn_id, number, state, platform_id, intended_at)"
            " VALUES (?1, 1, 'sent', 'g' || ?1, 0)",
            numbers,
        )
    connection.close()


async def _steps(path: Path) -> int:
    """How many steps SQLite's machine takes for every named query together."""
    store = await Store.open(f"sqlite:///{path}")
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    def watch(connection: Connection) -> None:
        connection.driver.set_progress_handler(count, 1)

    await _all_queries(store, 1)
    await store.database.write(watch)
    await store.database.read(watch)
    await _all_queries(store, 2)
    await store.close()
    return taken


async def test_no_query_takes_more_steps_when_a_thousand_times_as_much_is_stored(
    migrated: Path, tmp_path: Path
) -> None:
    taken = []
    for conversations in (10, 10_000):
        path = tmp_path / f"{conversations}.db"
        _copy(migrated, path)
        _fill(path, conversations)
        taken.append(await _steps(path))
    few, many = taken
    assert few > 500
    assert many <= few * 1.1


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
