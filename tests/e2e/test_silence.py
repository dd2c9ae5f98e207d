"""A model that is silent for long: people see that the bot is at work, and when it is over nothing says so any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.slack.adapter import SlackAdapter
from bot import presence
from emulators.discord.state import Upload as DiscordUpload
from emulators.faults import Fault
from emulators.openai import Reply, errors
from emulators.slack.model import Message
from emulators.slack.model import Upload as SlackUpload
from tests.e2e.stage import SLACK, Stage, stage
from tests.e2e.talk import Said, Talk, idle

STATUS = "assistant.threads.setStatus"
FADES = 1.2
"""Seconds after which Slack's status fades here; it is shown again before."""
NEVER = Reply("too late", first_token_delay=600.0)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Where a silence of seconds is as long as one of minutes is elsewhere."""
    monkeypatch.setattr(SlackAdapter, "status_seconds", 0.4)
    monkeypatch.setattr(DiscordAdapter, "status_seconds", 0.4)
    async with stage(tmp_path, slack=replace(SLACK, status_life=FADES)) as opened:
        yield opened
        assert opened.complaints() == []


@pytest.fixture(params=["slack", "discord"])
def quiet(scene: Stage, request: pytest.FixtureRequest) -> Talk:
    return Talk(scene, request.param)


@pytest.fixture
def slack(scene: Stage) -> Talk:
    return Talk(scene, "slack")


def shown_at(talk: Talk) -> list[float]:
    """When a sign of life was given."""
    if talk.platform == "slack":
        return [status.at for status in talk.slack.statuses if status.text]
    return [typing.at for typing in talk.discord.typing]


async def thinking(talk: Talk) -> Said:
    """Ask, and wait until the model has been asked and a sign of life was given."""
    question = await talk.ask()
    await talk.openai.wait_for(lambda: talk.openai.calls)
    await talk.place.wait_for(lambda: shown_at(talk))
    return question


def slow_files(talk: Talk, seconds: float = 3.0) -> None:
    """The platform takes its time with the next file."""
    talk.place.faults.add("download" if talk.platform == "slack" else "cdn", Fault("delay", seconds=seconds))


async def ask_with_file(talk: Talk) -> Said:
    """A mention that comes with a file."""
    if talk.platform == "slack":
        files = [SlackUpload("notes.txt", b"notes")]
        return await talk.slack.say(talk.ada, talk.general, "look", mention=True, files=files)
    attached = [DiscordUpload("notes.txt", b"notes")]
    return await talk.discord.say(talk.bob, talk.studio, "look", mention=True, attachments=attached)


async def test_signs_of_life_go_on_for_as_long_as_the_model_is_silent(quiet: Talk) -> None:
    quiet.openai.script(Reply("at last", first_token_delay=4.0))
    async with quiet.stage.worker() as app:
        question = await quiet.ask()
        await quiet.until("at last")
        await idle(app)
        assert not quiet.status(question)
    times = shown_at(quiet)
    assert len(times) >= 4
    # Before the first fades the next is there: with a wide margin, as the machine may be busy.
    assert sum(later - earlier < FADES for earlier, later in pairwise(times)) >= len(times) - 2


async def test_a_failure_ends_them(quiet: Talk) -> None:
    quiet.openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    quiet.openai.faults.add("/chat/completions", Fault("delay", seconds=1.5))
    async with quiet.stage.worker() as app:
        question = await thinking(quiet)
        await quiet.place.wait_for(quiet.answers)
        await idle(app)
        await nothing_more(quiet, question)


async def test_stopping_ends_them(quiet: Talk) -> None:
    quiet.openai.script(NEVER)
    async with quiet.stage.worker() as app:
        question = await thinking(quiet)
        [lease] = app.desk.engine.leases()
        lease.stop("somebody")
        await idle(app)
        await nothing_more(quiet, question)


async def test_a_process_that_ends_hands_them_over(quiet: Talk) -> None:
    quiet.stage.extra["PARLEY_SHUTDOWN_GRACE"] = "0.2"
    quiet.openai.script(NEVER)
    async with quiet.stage.worker():
        question = await thinking(quiet)
    assert not quiet.status(question)
    quiet.openai.script("after all")
    async with quiet.stage.worker() as app:
        await quiet.until("after all")
        await idle(app)
        await nothing_more(quiet, question)


async def test_they_begin_while_the_files_of_a_question_are_read(quiet: Talk) -> None:
    quiet.openai.script("read")
    slow_files(quiet)
    async with quiet.stage.worker() as app:
        question = await ask_with_file(quiet)
        await quiet.place.wait_for(lambda: shown_at(quiet))
        assert not quiet.openai.calls
        await quiet.until("read")
        await idle(app)
        await nothing_more(quiet, question)


async def test_reading_that_is_broken_off_leaves_none_behind(quiet: Talk) -> None:
    quiet.slack.timing = replace(quiet.slack.timing, status_life=600.0)
    quiet.stage.extra["PARLEY_SHUTDOWN_GRACE"] = "0.2"
    slow_files(quiet, 60.0)
    async with quiet.stage.worker():
        question = await ask_with_file(quiet)
        await quiet.place.wait_for(lambda: shown_at(quiet))
    await nothing_more(quiet, question)
    assert not quiet.openai.calls


async def test_a_process_that_was_killed_in_the_silence_leaves_none_once_the_next_has_answered(quiet: Talk) -> None:
    quiet.openai.script(NEVER)
    async with quiet.stage.process() as worker:
        question = await thinking(quiet)
        await worker.kill()
    quiet.openai.script(Reply("after all", first_token_delay=1.0))
    async with quiet.stage.worker() as app:
        await quiet.until("after all")
        await idle(app)
        await nothing_more(quiet, question)


async def test_what_a_killed_process_has_shown_goes_where_the_question_was_deleted_meanwhile(slack: Talk) -> None:
    slack.slack.timing = replace(slack.slack.timing, status_life=600.0)
    slack.openai.script("first", NEVER, NEVER)
    async with slack.stage.process() as worker:
        first = await slack.ask()
        await slack.until("first")
        again = await slack.ask_on(first, "and then?")
        await slack.openai.wait_for(lambda: len(slack.openai.calls) == 2)
        await slack.slack.wait_for(lambda: slack.status(first))
        await worker.kill()
    assert isinstance(again, Message)
    async with slack.stage.worker() as app:
        await slack.slack.delete(again)
        await idle(app)
        await slack.slack.wait_for(lambda: not slack.status(first))
    assert slack.answers() == ["first"]


async def test_a_status_that_slack_is_slow_to_set_is_taken_away_after_the_answer(slack: Talk) -> None:
    slack.slack.timing = replace(slack.slack.timing, status_life=600.0)
    slack.openai.script(Reply("word " * 40, by_words=True, first_token_delay=0.6, chunk_delay=0.05))
    # The call is given up by the bot, and done by Slack once the answer stands.
    slack.slack.faults.add(STATUS, Fault("delay", seconds=2.0))
    async with slack.stage.worker() as app:
        question = await slack.ask()
        await slack.until(("word " * 40).strip())
        await idle(app)
        await slack.slack.wait_for(lambda: not slack.status(question))


async def test_a_status_that_slack_sets_after_the_answer_came_is_taken_away_all_the_same(slack: Talk) -> None:
    slack.slack.timing = replace(slack.slack.timing, status_life=600.0)
    # It is given up after a second; the answer is there half a second later, and the status another half after that.
    slack.openai.script(Reply("at last", first_token_delay=1.8))
    slack.slack.faults.add(STATUS, Fault("delay", seconds=2.4))
    async with slack.stage.worker() as app:
        question = await slack.ask()
        await slack.until("at last")
        await idle(app)
        assert len(slack.slack.statuses) == 2, "it was set, late, and taken away"
        assert not slack.status(question)


async def test_a_status_that_slack_is_slow_to_let_go_is_taken_away_before_the_turn_has_ended(slack: Talk) -> None:
    slack.slack.timing = replace(slack.slack.timing, status_life=600.0)
    slack.openai.script(Reply("word " * 40, by_words=True, first_token_delay=0.6, chunk_delay=0.05))
    limited = Fault("answer", 429, {"Retry-After": "1"}, {"ok": False, "error": "ratelimited"})
    slack.slack.faults.add(STATUS, Fault("delay", seconds=2.0), limited)
    async with slack.stage.process() as worker:
        question = await slack.ask()
        await slack.until(("word " * 40).strip())
        # By then it would have been found that the lease is held no more, had the turn ended.
        await slack.slack.wait_for(lambda: not slack.status(question) and len(slack.slack.statuses) >= 2)
        await worker.kill()


async def test_where_there_is_no_status_a_message_says_it_and_becomes_the_answer(
    slack: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "SILENT_SECONDS", 0.8)
    slack.openai.script(Reply("at last", first_token_delay=3.0))
    direct = slack.slack.open_dm(slack.ada)

    def said() -> list[str]:
        return [m.text for m in slack.slack.bot_messages(direct) if not m.deleted]

    async with slack.stage.worker() as app:
        await slack.slack.say(slack.ada, direct, "go")
        await slack.slack.wait_for(said)
        assert "still thinking" in said()[0]
        await slack.slack.wait_for(lambda: said() == ["at last"])
        await idle(app)
    assert said() == ["at last"]


async def nothing_more(talk: Talk, question: Said) -> None:
    """Wait a moment: no sign of life is given any more, and none stands."""
    before = len(shown_at(talk))
    await asyncio.sleep(1.0)
    assert len(shown_at(talk)) == before
    assert not talk.status(question)
