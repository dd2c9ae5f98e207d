"""A bug that a question meets every time: whoever asked reads a sentence, wherever it is, and others are answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from bot import engine, setting_commands, turn
from bot.asking import Asker
from storage.dead_letters import DeadLetters
from tests.e2e.stage import Stage
from tests.e2e.talk import Talk, idle


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(engine, "LONGEST_AFTER_A_BUG_SECONDS", 0.02)
    monkeypatch.setattr(engine, "POLL_SECONDS", 0.05)
    with capture_logs():  # a test's own log draws each stack with all that it holds, which takes seconds
        yield


async def broken(*_: object, **__: object) -> None:
    raise RuntimeError("a bug")


def broken_at_once(*_: object) -> None:
    raise RuntimeError("a bug")


async def given_up(talk: Talk, words: str) -> None:
    """Say something that meets the bug, and read what comes of it."""
    async with talk.stage.worker() as app:
        await talk.ask(words)
        await talk.place.wait_for(talk.answers)
        await idle(app)
        [told] = talk.answers()
        assert "Something went wrong on my side" in told and "(ref " in told
        [failed], _ = await DeadLetters(app.store.database).failed()
        assert (failed.failure, failed.crashes) == ("TurnGivenUp", turn.MOST_CRASHES)


async def test_a_bug_in_reading_what_is_asked_ends_in_a_sentence(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "read_question", broken)
    await given_up(talk, "why?")
    assert talk.openai.calls == []


async def test_a_bug_before_the_model_is_asked_ends_in_a_sentence(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asker, "begin", broken_at_once)
    await given_up(talk, "why?")


async def test_a_bug_in_a_command_ends_in_a_sentence(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting_commands.SettingCommands, "show", broken)
    await given_up(talk, "!show")


async def test_what_meets_no_bug_is_answered_meanwhile(on_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LONGEST_AFTER_A_BUG_SECONDS", 60.0)
    monkeypatch.setattr(setting_commands.SettingCommands, "show", broken)
    talk = Talk(on_stage, "slack")
    talk.openai.script("of course")
    async with on_stage.worker():
        await talk.ask("!show")
        await talk.ask("can you hear me?")
        await talk.until("of course")
