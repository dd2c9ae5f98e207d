"""Slack's own streams: an answer that grows by them stands whole and once, whatever becomes of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from emulators.faults import Fault
from emulators.openai import Reply
from emulators.slack.model import Message
from tests.e2e.stage import SLACK, Stage, stage
from tests.e2e.talk import Talk, idle
from tests.slack.stage import calls

START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
SLOW = Reply("word " * 60, by_words=True, chunk_delay=0.05)
WHOLE = SLOW.text.strip()
LIMITED = Fault(status=429, headers={"Retry-After": "1"}, body={"ok": False, "error": "ratelimited"})


@pytest.fixture
def here(on_stage: Stage) -> Talk:
    # A stream has no room for buttons: with them, only a rush grows by streams.
    on_stage.extra["PARLEY_BUTTONS"] = "false"
    return Talk(on_stage, "slack")


@pytest.fixture
async def short_lived(tmp_path: Path) -> AsyncIterator[Talk]:
    """Where streams die after a second."""
    async with stage(tmp_path, slack=replace(SLACK, stream_life=1.0), PARLEY_BUTTONS="false") as scene:
        yield Talk(scene, "slack")
        assert scene.complaints() == []


def message(talk: Talk) -> Message:
    """The one message of the bot."""
    [found] = talk.slack.bot_messages(talk.general)
    return found


def ways(talk: Talk) -> list[str]:
    """By what the bot's one message came to each of its states."""
    return [state.via for state in message(talk).states]


async def test_an_answer_grows_by_a_stream_and_ends_it_with_what_tells_whose_it_is(here: Talk) -> None:
    here.openai.script(SLOW)
    async with here.stage.worker() as app:
        await here.ask()
        await here.until(WHOLE)
        await idle(app)
    assert (ways(here)[0], ways(here)[-1]) == (START, STOP)
    assert set(ways(here)[1:-1]) == {APPEND}
    texts = [state.text for state in message(here).states]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert not message(here).streaming
    assert (message(here).metadata or {}).get("event_type") == "parley_reply"


async def test_a_short_answer_and_one_in_a_direct_message_are_posted(here: Talk) -> None:
    here.openai.script("short", SLOW)
    async with here.stage.worker() as app:
        await here.ask()
        await here.until("short")
        direct = here.slack.open_dm(here.ada)
        await here.slack.say(here.ada, direct, "go")
        await here.slack.wait_for(lambda: [m.text.strip() for m in here.slack.bot_messages(direct)] == [WHOLE])
        await idle(app)
    assert calls(here.slack, START) == 0


@pytest.mark.parametrize("at", [START, APPEND, STOP])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(LIMITED, id="429"),
        pytest.param(Fault(status=503, body="x"), id="503"),
        pytest.param(Fault("reset"), id="reset"),
        pytest.param(Fault("lost_reply"), id="lost reply"),
        pytest.param(Fault(status=200, body={"ok": False, "error": "internal_error"}), id="internal error"),
    ],
)
async def test_whatever_meets_a_call_of_a_stream_the_answer_stands_whole_and_once(
    here: Talk, at: str, fault: Fault
) -> None:
    here.openai.script(SLOW)
    here.slack.faults.add(at, fault)
    async with here.stage.worker() as app:
        await here.ask()
        await here.until(WHOLE, timeout=60)
        await idle(app)
    assert here.answers() == [WHOLE]
    assert not message(here).streaming


@pytest.mark.parametrize("point", ["after_send:1", "after_edit:1", "after_edit:2", "before_finish:1"])
async def test_a_stream_that_a_killed_process_left_is_finished_in_the_same_message(here: Talk, point: str) -> None:
    here.openai.script(SLOW, SLOW)
    here.stage.extra["PARLEY_CRASH_AT"] = point
    async with here.stage.process() as worker:
        await here.ask()
        async with asyncio.timeout(30):
            await worker.process.wait()
    left = message(here)
    assert left.stream is not None
    del here.stage.extra["PARLEY_CRASH_AT"]
    async with here.stage.worker() as app:
        await here.until(WHOLE, timeout=40)
        await idle(app)
    assert here.slack.bot_messages(here.general) == [left]
    assert not left.streaming


async def test_a_stream_that_dies_before_the_answer_ends_is_gone_on_with_by_edits(short_lived: Talk) -> None:
    short_lived.openai.script(SLOW)
    async with short_lived.stage.worker() as app:
        await short_lived.ask()
        await short_lived.until(WHOLE)
        await idle(app)
    assert ways(short_lived)[0] == START
    assert ways(short_lived)[-1] == "chat.update"


async def test_where_slack_has_no_streams_answers_are_posted_and_it_is_asked_once(here: Talk) -> None:
    here.openai.script(SLOW, SLOW)
    here.slack.faults.add(START, Fault(status=200, body={"ok": False, "error": "unknown_method"}))
    async with here.stage.worker() as app:
        await here.ask()
        await here.until(WHOLE)
        await here.ask()
        await here.until(WHOLE, WHOLE)
        await idle(app)
    assert calls(here.slack, START) == 1
    assert calls(here.slack, "chat.postMessage") == 2


async def test_somebody_who_cannot_be_streamed_to_is_answered_by_a_post(here: Talk) -> None:
    here.openai.script(SLOW, SLOW)
    here.slack.faults.add(START, Fault(status=200, body={"ok": False, "error": "user_not_found"}))
    async with here.stage.worker() as app:
        await here.ask()
        await here.until(WHOLE)
        await here.ask()
        await here.until(WHOLE, WHOLE)
        await idle(app)
    assert calls(here.slack, START) == 2


async def test_a_long_block_of_code_is_never_shown_half_open(here: Talk) -> None:
    code = "\n".join(f"line_{n} = {n}  # {'x' * 20}" for n in range(40))
    text = f"Some words before it.\n\n```python\n{code}\n```\n\nAnd some after it, which end it."
    here.openai.script(Reply(text, chunk_chars=25, chunk_delay=0.05))
    async with here.stage.worker() as app:
        await here.ask()
        await here.slack.wait_for(lambda: any("which end it" in answer for answer in here.answers()), timeout=40)
        await idle(app)
    states = message(here).states
    assert all(state.text.count("```") % 2 == 0 for state in states)
    assert (states[0].via, states[-1].via) == (START, "chat.update")
    assert len({state.text for state in states if "line_1 " in state.text}) >= 2, "the block itself grows"


async def test_no_state_of_a_stream_names_a_crowd(here: Talk) -> None:
    text = " ".join(["dear @chan", "nel and <!chan", "nel> and @here, <!subteam^S1|all> hear hear"] * 4)
    here.openai.script(Reply(text, chunk_chars=3, chunk_delay=0.03))
    async with here.stage.worker() as app:
        await here.ask()
        await here.slack.wait_for(lambda: calls(here.slack, "chat.update") or calls(here.slack, STOP), timeout=40)
        await idle(app)
    assert here.slack.pings == []
    assert "hear hear" in here.answers()[0]


async def test_streams_can_be_switched_off(here: Talk) -> None:
    here.stage.extra["PARLEY_SLACK_STREAMS"] = "false"
    here.openai.script(SLOW)
    async with here.stage.worker() as app:
        await here.ask()
        await here.until(WHOLE)
        await idle(app)
    assert calls(here.slack, START) == 0
