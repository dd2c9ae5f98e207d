"""A restored backup: nothing that the bot has answered since is answered again, and what is asked from then on is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bot import app
from emulators.openai import Reply
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import Stage
from tests.e2e.talk import Said, Talk, idle
from tests.e2e.test_catch_up import asked, caught_up
from tests.e2e.test_dead_letters import listed, turns
from tests.e2e.test_start import run
from tests.storage.test_inbox import rows
from tests.storage.test_restoring import MARK

# Each command is a process of its own, whose start takes its time where others use the machine.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(autouse=True)
def nothing_comes_later(on_stage: Stage) -> None:
    """Slack's events are lost while nothing is connected; Discord's always are."""
    on_stage.slack.socket.drop_unconnected = True


async def back_up(stage: Stage) -> Path:
    """`parley backup`, beside the worker; the file."""
    file = stage.folder / "backup.db"
    ended = await run("backup", str(file), cwd=stage.folder, DATABASE_URL=stage.environment["DATABASE_URL"])
    assert ended.code == 0, ended.out
    return file


def restore(stage: Stage, backup: Path) -> Path:
    """As README says: the database's files are moved away, the backup is put in its place."""
    database = stage.folder / "parley.db"
    for part in ("", "-wal", "-shm"):
        Path(f"{database}{part}").unlink(missing_ok=True)
    return Path(shutil.copy(backup, database))


async def follow_up(talk: Talk, question: Said, answer: int, text: str) -> Said:
    """Somebody goes on in the conversation of a question, which the bot's message of that index answers."""
    if isinstance(question, SlackMessage):
        return await talk.ask_on(question, text)
    shown = talk.discord.bot_messages(talk.studio)[answer]
    return await talk.discord.say(talk.bob, talk.studio, text, reply_to=shown)


async def test_what_was_answered_after_a_backup_is_not_answered_again_and_what_is_asked_then_is(talk: Talk) -> None:
    stage = talk.stage
    talk.openai.responder = lambda _: "an answer"
    async with stage.worker() as worker:
        first = await talk.ask("one")
        await talk.until("an answer")
        await idle(worker)
        backup = await back_up(stage)
        await talk.ask("two")
        await talk.place.wait_for(lambda: len(talk.answers()) == 2)
        await follow_up(talk, first, 0, "one and a half")
        await talk.place.wait_for(lambda: len(talk.answers()) == 3)
        await idle(worker)
    await talk.ask("while it was down")
    database = restore(stage, backup)
    for passes in range(2):  # the start that takes the backup up, and one after it
        async with stage.worker() as worker:
            await caught_up(worker, talk.platform)
            await idle(worker)
            assert (len(talk.answers()), len(talk.openai.calls)) == (3 + passes, 3 + passes)
            question = await follow_up(talk, first, 0, f"follow-up {passes}")
            await talk.place.wait_for(lambda expected=4 + passes: len(talk.answers()) == expected)  # type: ignore[misc]
            await idle(worker)
            assert not talk.status(question)
    assert asked(talk) == ["one", "two", "one and a half", "follow-up 0", "follow-up 1"]
    assert rows(database, MARK) == []
    assert await listed(stage) == []


async def test_what_was_asked_while_a_restored_bot_was_down_later_is_read_back_as_ever(talk: Talk) -> None:
    stage = talk.stage
    async with stage.worker() as worker:
        backup = await back_up(stage)
        await idle(worker)
    restore(stage, backup)
    async with stage.process() as process:
        await process.kill()
    talk.openai.script("here I am")
    await talk.ask("while it was down")
    async with stage.worker() as worker:
        await talk.until("here I am")
        await idle(worker)


async def test_what_was_open_in_a_backup_is_not_answered_a_second_time_unless_an_operator_says_so(talk: Talk) -> None:
    stage = talk.stage
    talk.openai.script(Reply("the answer of then", first_token_delay=8))
    async with stage.worker() as worker:
        first = await talk.ask("what is it?")
        await talk.openai.wait_for(lambda: talk.openai.calls)
        backup = await back_up(stage)
        assert rows(backup, "SELECT state FROM turns") == [("running",)]
        await talk.until("the answer of then")
        await idle(worker)
    restore(stage, backup)
    async with stage.worker() as worker:
        await caught_up(worker, talk.platform)
        await idle(worker)
        assert (talk.answers(), len(talk.openai.calls)) == (["the answer of then"], 1)
        [left] = await listed(stage)
        assert (left["failure"], left["state"]) == ("Restored", "failed")
        said = await turns(stage, "list")
        assert "Restored: it was open when the backup was made" in said.out
        shown = await turns(stage, "show", left["ref"])
        assert "what is it?" in shown.out and "`parley turns retry` has it answered" in " ".join(shown.out.split())
        talk.openai.script("and on", "the answer of now")
        await follow_up(talk, first, 0, "go on")
        await talk.place.wait_for(lambda: "and on" in talk.answers())
        await idle(worker)
        assert (await turns(stage, "retry", "--failure", "Restored")).code == 0
        await talk.place.wait_for(lambda: "the answer of now" in talk.answers())
        await idle(worker)
    assert await listed(stage) == []


async def test_a_chat_in_the_terminal_leaves_a_backup_what_it_is_and_the_bot_says_what_it_did(on_stage: Stage) -> None:
    async with on_stage.worker():
        backup = await back_up(on_stage)
    database = restore(on_stage, backup)
    async with app.build(on_stage.settings(), offered={}):
        pass
    assert len(rows(database, MARK)) == 1
    async with on_stage.process() as worker:
        pass
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    [told] = [line for line in lines if line["event"] == "backup_taken_up"]
    assert told["turns_ended"] == 0 and told["made"].startswith("20")
    assert rows(database, MARK) == []
