"""`parley turns`: the failed questions as the engineer on call sees them, and their answers once the cause is gone."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from bot import dead_letters, turn
from bot.messages import Attachment
from emulators.faults import Fault
from emulators.openai import Reply, errors
from storage import Store
from storage.money import UsageRow
from storage.records import Answer, SentPart
from tests.e2e.panel import Panel
from tests.e2e.stage import ROOT, Stage, user_texts
from tests.e2e.talk import Talk, idle
from tests.e2e.test_start import Ended, run
from tests.storage.people import asks, says
from tests.storage.test_inbox import rows

QUOTA = "used up its quota"


async def turns(stage: Stage, *arguments: str) -> Ended:
    """`parley turns …` with nothing set but the database."""
    return await run("turns", *arguments, cwd=stage.folder, DATABASE_URL=stage.environment["DATABASE_URL"])


async def listed(stage: Stage, *arguments: str) -> list[dict[str, Any]]:
    """What `parley turns list --json` gives."""
    ended = await turns(stage, "list", "--json", *arguments)
    assert ended.code == 0, ended.out
    return [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]


async def until_failed(stage: Stage, count: int = 1) -> None:
    """Wait until so many turns have failed: a turn ends just after its sentence has landed."""
    async with asyncio.timeout(60):
        while rows(stage.folder / "parley.db", "SELECT count(*) FROM turns WHERE state = 'failed'") != [(count,)]:
            await asyncio.sleep(0.1)


async def until_settled(store: Store) -> None:
    async with asyncio.timeout(60):
        while await store.turns.open_count():
            await asyncio.sleep(0.02)


async def test_questions_that_met_an_exhausted_quota_are_answered_in_place_once_it_is_back(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    openai.faults.add("/chat/completions", errors.insufficient_quota())
    async with stage.worker():
        first = await talk.ask("what is it?")
        await talk.place.wait_for(lambda: any(QUOTA in text for text in talk.answers()))
        await until_failed(stage)
        [failed] = await listed(stage)
        [apology] = talk.answers()
        assert f"(ref {failed['ref']})" in apology
        assert (failed["failure"], failed["state"], failed["platform"]) == ("QuotaExhausted", "failed", talk.platform)
        assert failed["attempts"] == 1 and failed["deaths"] == 0

    async with stage.worker() as worker:  # the operator has paid, and started the bot anew
        openai.script("the second")
        await talk.ask_on(first, "and this?")
        await talk.until(apology, "the second")
        openai.script("the first, at last")
        ended = await turns(stage, "retry", "--all", "--failure", "QuotaExhausted")
        assert ended.code == 0 and "queued again" in ended.out, ended.out
        await talk.until("the first, at last", "the second")
        assert list(user_texts(openai.calls[-1].body)) == [f"{person(talk)}: what is it?"]
        await until_failed(stage, 0)
        openai.script("the third")
        await talk.ask_on(first, "and that?")
        await talk.until("the first, at last", "the second", "the third")
        await until_settled(worker.store)
    read = [m["content"] for m in openai.calls[-1].body["messages"] if m["role"] != "system"]
    assert [text.removeprefix(f"{person(talk)}: ") for text in read] == [
        "what is it?", "the first, at last", "and this?", "the second", "and that?",
    ]  # fmt: skip


async def here(stage: Stage, work: dead_letters.Work, monkeypatch: pytest.MonkeyPatch) -> int:
    """The same in this process, for the many sentences it can say."""
    monkeypatch.chdir(stage.folder)
    monkeypatch.setenv("DATABASE_URL", stage.environment["DATABASE_URL"])
    return await dead_letters.on_database(work)


def person(talk: Talk) -> str:
    """The one who asks."""
    return "ada" if talk.platform == "slack" else "bob"


async def test_an_answer_that_runs_in_the_same_thread_is_not_disturbed_by_a_retry(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    openai.faults.add("/chat/completions", errors.content_policy_violation())
    async with stage.worker() as worker:
        first = await talk.ask("one")
        await talk.place.wait_for(lambda: any("content filter" in text for text in talk.answers()))
        await until_settled(worker.store)
        openai.script(Reply("the slow second " * 30, by_words=True, chunk_delay=0.1), "the first")
        await talk.ask_on(first, "two")
        await talk.place.wait_for(lambda: len(talk.answers()) == 2)
        ended = await turns(stage, "retry", "--failure", "ContentRefused")
        assert ended.code == 0, ended.out
        await talk.until("the first", ("the slow second " * 30).strip())
        await until_settled(worker.store)
    assert len(openai.calls) == 3


async def test_an_answer_that_broke_off_becomes_whole_in_its_own_message(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    stage.extra["PARLEY_OPENAI_PATIENCE"] = "1"
    openai.responder = lambda _: Reply("what could be said before it broke", chunk_chars=5, cut_after=30)
    async with stage.worker() as worker:
        await talk.ask("go on")
        await talk.place.wait_for(lambda: any("broke off here" in text for text in talk.answers()))
        await until_settled(worker.store)
        openai.responder = lambda _: "all of it"
        assert (await turns(stage, "retry", "--all")).code == 0
        await talk.until("all of it")
        await until_settled(worker.store)
    assert list(user_texts(openai.calls[-1].body)) == [f"{person(talk)}: go on"]
    assert not any(m["role"] == "assistant" for m in openai.calls[-1].body["messages"])


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_an_answer_that_was_wished_anew_in_vain_outlives_retries_in_vain(on_stage: Stage, platform: str) -> None:
    panel = Panel(on_stage, platform)
    panel.openai.script("the good old answer")
    async with on_stage.worker() as worker:
        await panel.ask()
        await idle(worker)
        panel.openai.faults.add("/chat/completions", errors.insufficient_quota())
        await panel.press(panel.bob, "regenerate")
        await panel.until_told(QUOTA)
        await until_failed(on_stage)
    async with on_stage.worker() as worker:  # a new circuit breaker: the quota is asked for again
        panel.openai.faults.add("/chat/completions", errors.insufficient_quota())
        calls = len(panel.openai.calls)
        assert (await turns(on_stage, "retry", "--all")).code == 0
        await panel.openai.wait_for(lambda: len(panel.openai.calls) > calls)
        await until_failed(on_stage)
        await idle(worker)
        [shown] = panel.shown()
        assert shown.startswith("the good old answer\n\n") and QUOTA in shown
        assert panel.stored("SELECT text FROM messages WHERE role = 'assistant'") == [("the good old answer",)]
    async with on_stage.worker() as worker:
        panel.openai.script("a better one")
        assert (await turns(on_stage, "retry", "--all")).code == 0
        await panel.until(["a better one"])
        await idle(worker)
    assert panel.stored("SELECT text FROM messages WHERE role = 'assistant'") == [("a better one",)]


async def interrupted(talk: Talk, column: str, value: int) -> None:
    """A question whose answer a stop cut short, and that has been tried as often as a column of its turn says."""
    talk.stage.extra["PARLEY_SHUTDOWN_GRACE"] = "0"
    talk.openai.script(Reply("never", first_token_delay=120))
    async with talk.stage.worker():
        await talk.ask()
        await talk.openai.wait_for(lambda: talk.openai.calls)
    database = sqlite3.connect(talk.stage.folder / "parley.db", isolation_level=None)
    database.execute(f"UPDATE turns SET {column} = ?", (value,))  # noqa: S608 - a column can't be a parameter
    database.close()
    talk.stage.extra["PARLEY_SHUTDOWN_GRACE"] = "25"


async def test_whoever_had_the_bad_luck_of_many_deaths_is_answered_all_the_same(talk: Talk) -> None:
    await interrupted(talk, "crashes", turn.MOST_CRASHES - 1)
    talk.openai.script("here at last")
    async with talk.stage.worker() as worker:
        await talk.until("here at last")
        await until_settled(worker.store)
    assert await listed(talk.stage) == []


async def test_a_turn_given_up_after_deaths_is_listed_tried_again_and_answered(talk: Talk) -> None:
    await interrupted(talk, "crashes", turn.MOST_CRASHES)
    async with talk.stage.worker() as worker:
        await talk.place.wait_for(lambda: any("Something went wrong" in text for text in talk.answers()))
        await until_settled(worker.store)
        [failed] = await listed(talk.stage)
        assert failed["deaths"] == turn.MOST_CRASHES
        talk.openai.script("alive after all")
        assert (await turns(talk.stage, "retry", failed["ref"])).code == 0
        await talk.until("alive after all")
        await until_settled(worker.store)


async def test_a_turn_given_up_in_silence_is_answered_once_it_is_tried_again(talk: Talk) -> None:
    await interrupted(talk, "attempts", turn.MOST_ATTEMPTS)
    async with talk.stage.worker() as worker:
        await until_failed(talk.stage)
        [failed] = await listed(talk.stage)
        assert failed["failure"] == "TurnAbandoned" and failed["attempts"] == turn.MOST_ATTEMPTS + 1
        talk.openai.script("said at last")
        assert (await turns(talk.stage, "retry", str(failed["id"]))).code == 0
        await talk.until("said at last")
        await until_settled(worker.store)


async def test_a_place_that_opens_again_gets_the_answer_it_would_not_take(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    closed = Fault(status=200, body={"ok": False, "error": "is_archived"})
    slack.faults.add("chat.postMessage", *[closed] * 2)
    async with on_stage.worker() as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await openai.wait_for(lambda: openai.calls)
        await until_settled(worker.store)
        [failed] = await listed(on_stage, "--failure", "DeliveryRefused")
        assert failed["failure"] == "DeliveryRefused is_archived"
        openai.script("open again")
        assert (await turns(on_stage, "retry", "--failure", "DeliveryRefused")).code == 0
        [answer] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        assert slack.visible_text(answer) == "open again"
        await until_settled(worker.store)


def open_channel(talk: Talk) -> None:
    """The bot may write there again."""
    if talk.platform == "slack":
        talk.general.archived = False
    else:
        talk.discord.deny(talk.studio)


async def test_a_command_whose_place_was_closed_is_shown_and_carried_out_once_it_is_tried_again(talk: Talk) -> None:
    stage = talk.stage
    stage.extra["PARLEY_ADMINS"] = f"{talk.ada.id}, {talk.bob.id}"
    async with stage.worker() as worker:
        talk.close_channel()
        await talk.ask("!set language Esperanto")
        await until_failed(stage)
        [failed] = await listed(stage)
        assert "!set language Esperanto" in (await turns(stage, "show", failed["ref"])).out
        # Carried out it was; nobody could be told. Somebody has turned it back meanwhile.
        database = sqlite3.connect(stage.folder / "parley.db")
        with database:
            assert database.execute("DELETE FROM settings").rowcount
        database.close()
        open_channel(talk)
        ended = await turns(stage, "retry", "--all")
        assert ended.code == 0 and "queued again" in ended.out, ended.out
        await talk.place.wait_for(talk.answers)
        await idle(worker)
        assert "Esperanto" in talk.answers()[0]
        assert rows(stage.folder / "parley.db", "SELECT name, value FROM settings") == [("language", "Esperanto")]
    assert await listed(stage) == []


async def test_a_notice_whose_place_was_closed_is_shown_once_it_is_tried_again(talk: Talk) -> None:
    stage = talk.stage
    stage.extra["PARLEY_USER_MESSAGES_PER_MINUTE"] = "1"
    talk.openai.responder = lambda _: "fine"
    async with stage.worker() as worker:
        await talk.ask("one")
        await talk.until("fine")
        await idle(worker)
        talk.close_channel()
        await talk.ask("two")
        await until_failed(stage)
        open_channel(talk)
        with sqlite3.connect(stage.folder / "parley.db", isolation_level=None) as database:
            database.execute("UPDATE messages SET sent_at = sent_at - 3600000000")
        database.close()
        assert (await turns(stage, "retry", "--all")).code == 0
        await talk.place.wait_for(lambda: len(talk.answers()) == 2)
        await idle(worker)
        assert "minute" in talk.answers()[1] and "late" not in talk.answers()[1]
    assert await listed(stage) == []
    assert len(talk.openai.calls) == 1


@pytest.fixture
async def shelf(on_stage: Stage) -> Stage:
    """A database with one turn in each state: answered 1, failed 2, 3 and 4, queued 5."""
    store = await Store.open(on_stage.environment["DATABASE_URL"])
    file = Attachment("plan.pdf", "application/pdf", 9, "https://files/plan.pdf")
    words = "first line\nsecond \x1b[2Jline \u202e[bold]not markup[/]"
    for number, failure in enumerate((None, "QuotaExhausted", "KeyRefused", "DeliveryRefused is_archived"), start=1):
        asked = says(f"{number}00.1", words, at=number, attachments=(file,))
        await store.inbox.accept(asked, asked.id, rule=asks, complete=True)
        claim = await store.turns.claim("w", 60, ["slack"])
        assert claim is not None
        await store.turns.intend_part(claim, 1)
        await store.turns.confirm_part(claim, SentPart(1, f"{number}00.2"))
        await store.turns.intend_part(claim, 2)
        answer = None if failure else Answer(f"{number}00.2", "B", "Parley", "an answer")
        used = UsageRow("U1", "gpt-x", "key 1", 2, 100, 50, 20, 5, estimated=True, cost_micros=42)
        await store.turns.finish(claim, "failed" if failure else "answered", answer=answer, used=used, failure=failure)
    await store.inbox.accept(says("500.1", at=5), "500.1", rule=asks, complete=True)
    await store.close()
    return on_stage


async def test_the_list_is_tab_separated_in_a_pipe_and_newest_first(shelf: Stage) -> None:
    ended = await turns(shelf, "list", "--open")
    assert ended.code == 0
    header, *lines = [line.split("\t") for line in ended.out.splitlines()]
    assert header == ["id", "ref", "state", "since", "where", "attempts", "deaths", "why"]
    assert [(line[0], line[2], line[-1]) for line in lines] == [
        ("5", "queued", ""),
        ("4", "failed", "DeliveryRefused is_archived"),
        ("3", "failed", "KeyRefused"),
        ("2", "failed", "QuotaExhausted"),
    ]
    assert all(line[4] == "slack T1/C1 thread 100.1" for line in lines)


async def on_terminal(stage: Stage, *arguments: str) -> tuple[int | None, str]:
    """Run `parley turns …` on a terminal of its own, a wide one; the exit code and what the terminal got."""
    environment = {**os.environ, "DATABASE_URL": stage.environment["DATABASE_URL"], "PYTHONPATH": str(ROOT)}
    environment |= {"COLUMNS": "160", "TERM": "xterm"}
    ours, its = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "turns", *arguments, cwd=stage.folder, env=environment, stdout=its, stderr=its
    )
    async with asyncio.timeout(60):
        code = await process.wait()
    os.close(its)
    said = os.read(ours, 65536)  # a list of three lines fits what a terminal holds back
    os.close(ours)
    return code, said.decode()


async def test_the_list_is_a_table_on_a_terminal_with_how_long_ago(shelf: Stage) -> None:
    code, said = await on_terminal(shelf, "list")
    assert code == 0, said
    assert "─" in said and " ago" in said and "DeliveryRefused is_archived" in said
    assert "queued" not in said


async def test_a_turn_is_shown_whole_and_what_people_wrote_commands_no_terminal(shelf: Stage) -> None:
    ended = await turns(shelf, "show", "2")
    assert ended.code == 0, ended.out
    for part in (
        "turn 2 (ref ",
        "failed, QuotaExhausted",
        "slack T1/C1 thread 100.1",
        "name of U1 (U1), 2026-03-02T09:00:02Z, message 200.1",
        "    first line\n    second \ufffd[2Jline \ufffd[bold]not markup[/]",
        "[attached: plan.pdf, application/pdf]",
        "  1  sent ",
        "  200.2",
        "  2  intended ",
        "gpt-x, 2 requests, about 100 tokens read (50 of them cached)",
        "$0.000042",
    ):
        assert part in ended.out, part
    assert "\x1b" not in ended.out
    whole = json.loads((await turns(shelf, "show", "2", "--json")).out)
    assert whole["messages"][0]["text"].startswith("first line\nsecond \x1b[2J")
    assert [(part["number"], part["state"], part["message_id"]) for part in whole["parts"]] == [
        (1, "sent", "200.2"),
        (2, "intended", None),
    ]
    assert whole["usage"][0]["cost_micros"] == 42
    assert "an answer" in (await turns(shelf, "show", "1")).out


async def test_what_is_done_is_said_per_turn_and_what_can_t_be_done_is_refused_with_a_sentence(
    shelf: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discarding = dead_letters.deciding("discard", ["2"], reason="", as_json=False)
    assert await here(shelf, discarding, monkeypatch) == 0
    assert "discarded; it had failed with QuotaExhausted" in capsys.readouterr().out
    ended = await turns(shelf, "retry", "1", "2", "3", "5", "99", "3")
    assert ended.code == 1
    for told in (
        "): nothing done: it has been answered",
        "): nothing done: it was discarded",
        "): queued again; it had failed with KeyRefused",
        "): nothing done: it waits to be answered already",
        "There is no turn 99.",
    ):
        assert ended.out.count(told) == 1, ended.out
    assert [each["id"] for each in await listed(shelf)] == [4]


async def test_what_was_ordered_and_is_not_kept_is_refused_with_a_sentence_of_its_own(
    shelf: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(shelf.folder / "parley.db") as database:
        database.execute("UPDATE turns SET kind = 'command' WHERE id = 2")
    database.close()
    assert await here(shelf, dead_letters.deciding("retry", ["2"], reason="", as_json=False), monkeypatch) == 1
    assert "not queued: the command, or what it was to say, is not kept any more" in capsys.readouterr().out


async def test_programs_are_told_what_was_done_and_nothing_to_do_is_said(
    shelf: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = dead_letters.deciding("retry", (), reason="", as_json=True)
    assert await here(shelf, everything, monkeypatch) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["id"], each["done"], each["state_before"]) for each in told] == [
        (number, True, "failed") for number in (2, 3, 4)
    ]
    nothing = dead_letters.deciding("discard", (), reason="KeyRefused", as_json=False)
    assert await here(shelf, nothing, monkeypatch) == 1
    assert capsys.readouterr().err == "No turn has failed with KeyRefused.\n"
    listing = dead_letters.listing(open_too=False, everything=False, reason="", as_json=False)
    assert await here(shelf, listing, monkeypatch) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "No turn has failed.\n")


async def test_a_turn_whose_question_was_deleted_is_told_apart(
    shelf: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = sqlite3.connect(shelf.folder / "parley.db", isolation_level=None)
    database.execute("UPDATE messages SET deleted = 1, text = '' WHERE turn_id = 2")
    database.close()
    assert await here(shelf, dead_letters.deciding("retry", ["2"], reason="", as_json=False), monkeypatch) == 1
    assert "not queued: its questions were deleted since" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [("retry",), ("discard", "2", "--all"), ("retry", "2", "--failure", "KeyRefused"), ("show",)]
)
async def test_an_order_that_names_no_turns_or_two_kinds_of_them_does_nothing(
    shelf: Stage, arguments: tuple[str, ...]
) -> None:
    assert (await turns(shelf, *arguments)).code == 2
    assert len(await listed(shelf)) == 3


async def test_names_that_mean_nothing_or_several_turns_are_told(
    shelf: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = await turns(shelf, "show", "abcdef12")
    assert unknown.code == 1 and "There is no turn abcdef12." in unknown.out
    database = sqlite3.connect(shelf.folder / "parley.db", isolation_level=None)
    database.execute("UPDATE turns SET key = '12345678' || id WHERE id IN (2, 3)")
    database.close()
    several = dead_letters.deciding("discard", ["12345678"], reason="", as_json=False)
    assert await here(shelf, several, monkeypatch) == 1
    said = capsys.readouterr().err
    assert "12345678 may mean turn 2 (key 123456782) or turn 3 (key 123456783)." in said
    one = dead_letters.deciding("discard", ["123456783"], reason="", as_json=False)
    assert await here(shelf, one, monkeypatch) == 0
    assert capsys.readouterr().out.startswith("3 (ref 12345678): discarded")


async def test_a_database_that_is_held_is_told_and_still_read(
    shelf: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = sqlite3.connect(shelf.folder / "parley.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        ended = await turns(shelf, "retry", "--all")
        assert ended.code == 1 and "database is locked" in ended.out, ended.out
        assert "Traceback" not in ended.out
        listing = dead_letters.listing(open_too=False, everything=False, reason="", as_json=True)
        assert await here(shelf, listing, monkeypatch) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
    finally:
        holder.rollback()
        holder.close()


async def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    ended = await run("turns", "list", cwd=tmp_path)
    assert ended.code == 2
    assert f"there is no database at {tmp_path / 'data' / 'parley.db'}" in ended.out
    assert [*os.scandir(tmp_path)] == []
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=\xff\n")
    unread = await run("turns", "list", cwd=tmp_path)
    assert unread.code == 2 and "✗ .env" in unread.out


async def test_a_short_list_says_how_many_more_there_are(shelf: Stage) -> None:
    database = sqlite3.connect(shelf.folder / "parley.db", isolation_level=None)
    database.executemany(
        "INSERT INTO turns (conversation_id, key, state, created_at, finished_at, failure)"
        " VALUES (1, ?, 'failed', 0, 0, 'StreamCut')",
        [(f"{number:020x}",) for number in range(60)],
    )
    database.close()
    short = await turns(shelf, "list")
    assert "13 more have failed; --all lists them." in short.out
    assert len(await listed(shelf, "--all")) == 63
