"""A model that fails, in every way that is published: what people read then, how often the model is asked, what the
admins hear, and that nothing of the provider's own words is in any of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest

from bot import asking, endings, turn
from emulators.faults import Fault
from emulators.openai import Reply, errors
from tests.e2e.asking import REFERENCE, Corner, logged
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import idle

CHAT = "/chat/completions"
# Stands in everything that the provider says of a failure; nobody may ever read it.
MARKER = "PROVIDER-SAID-THIS"
LONG = "what could be said before it broke, and then some more of it"
WHOLE = "the whole of it"
FOR_GOOD = 40


def marked(fault: Fault) -> Fault:
    """The same with the marker in what it says."""
    if isinstance(fault.body, Mapping):
        return replace(fault, body=marked_error(fault.body))
    return replace(fault, body=f"{fault.body} {MARKER}")


def marked_error(body: Mapping[str, Any]) -> dict[str, Any]:
    error = body["error"]
    return {"error": {**error, "message": f"{MARKER} {error['message']}"}}


def cut(after: int, how: Literal["abort", "end"] = "abort") -> Reply:
    """An answer whose connection breaks after so many characters, or is ended politely."""
    return Reply(LONG, chunk_chars=5, chunk_delay=0.01, cut_after=after, cut=how)


def said_amid(**how: Any) -> Reply:
    """An answer that breaks off after its first words with an error event."""
    return Reply(LONG, chunk_chars=5, chunk_delay=0.01, error_after=20, error=marked_error(errors.stream_error(**how)))


@dataclass(frozen=True, slots=True)
class Case:
    """What the model does, and what has to come of it.

    `shown` begins the one answer. `kind` is what the log calls it, empty where the answer is whole; `note` is then in
    what people read. `calls`: how often the model is asked at most; `told`: how often the admin hears of it.
    """

    name: str
    does: tuple[Fault | Reply | str, ...]
    shown: str = WHOLE
    kind: str = ""
    note: str = ""
    calls: int = 1
    told: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)


def fails(name: str, fault: Fault, kind: str, sentence: str, told: int = 0) -> Case:
    """The first refusal is the last: one sentence, one call."""
    return Case(name, (fault,), sentence, kind, told=told)


def passes(name: str, *does: Fault | Reply, **extra: str) -> Case:
    """It fails some times, and then the answer is whole; on a slow machine it may seem to stall once more."""
    return Case(name, (*does, WHOLE, WHOLE), calls=len(does) + 2, extra=extra)


def goes_on(name: str, does: Fault | Reply, shown: str, kind: str, note: str = "", **extra: str) -> Case:
    """It fails for as long as there is patience."""
    extra = {"PARLEY_OPENAI_PATIENCE": "1"} | extra
    return Case(name, (does,) * FOR_GOOD, shown, kind, note, calls=FOR_GOOD, extra=extra)


def ends(name: str, reply: Reply | str, shown: str, kind: str, note: str = "") -> Case:
    """The model says itself that it is over, and why."""
    return Case(name, (reply,), shown, kind, note)


SHORT_IDLE = {"PARLEY_OPENAI_IDLE_TIMEOUT": "1"}
WARM = {"OPENAI_MODEL": "gpt-4o-mini", "OPENAI_TEMPERATURE": "0.5"}
AWAY = "The model isn't answering right now"
QUOTA = "The OpenAI account behind me has used up its quota"
REFUSED_KEY = "The OpenAI key I was given is refused"
FILTERED = "The provider's content filter stopped this one"

CASES = [
    passes("5xx", errors.server_error(), errors.overloaded(), errors.bad_gateway()),
    goes_on("5xx for good", errors.server_error(), AWAY, "ModelUnavailable"),
    passes("429", errors.rate_limited(1)),
    passes("slow_down", errors.slow_down(0.2)),
    fails("429 for ten minutes", errors.rate_limited(600), "ModelRateLimited", "The model is getting more questions"),
    fails("insufficient_quota", errors.insufficient_quota(), "QuotaExhausted", QUOTA, told=1),
    fails("no credit", errors.credit_balance_exhausted(), "QuotaExhausted", QUOTA, told=1),
    fails("spend limit", errors.spend_limit_exceeded("project"), "QuotaExhausted", QUOTA, told=1),
    fails("usage limit", errors.usage_limit_exceeded(), "QuotaExhausted", QUOTA, told=1),
    fails("bad key", errors.invalid_api_key(), "KeyRefused", REFUSED_KEY, told=1),
    fails("forbidden", errors.forbidden(), "KeyRefused", REFUSED_KEY, told=1),
    Case("one bad key of two", (errors.invalid_api_key(), WHOLE), calls=2, told=1,
         extra={"OPENAI_API_KEY": "sk-emulated-revoked,sk-emulated-key"}),
    fails("unknown model", errors.model_not_found("gpt-5.4-mini"), "ModelUnknown", "The model set for this channel", 1),
    Case("unsupported parameter", (errors.unsupported_parameter("temperature"), WHOLE), calls=2, extra=WARM),
    Case("unsupported value", (errors.unsupported_value("temperature", 0.5), WHOLE), calls=2, extra=WARM),
    Case("a wrong value", (errors.bad_request("no", param="temperature", code="invalid_value"),),
         "The model doesn't accept one of this channel's settings", "ParameterRefused", told=1, extra=WARM),
    passes("too long", errors.context_length_exceeded(), errors.context_length_exceeded()),
    Case("larger than a minute's limit", (errors.request_too_large(),) * FOR_GOOD,
         "This is longer than the model can read", "ContextTooLong", calls=asking.MOST_TRIMS),
    Case("too long for good", (errors.context_length_exceeded(),) * FOR_GOOD,
         "This is longer than the model can read", "ContextTooLong", calls=asking.MOST_TRIMS),
    fails("content policy", errors.content_policy_violation(), "ContentRefused", FILTERED),
    ends("filtered at once", Reply("", finish_reason="content_filter"), FILTERED, "ContentRefused"),
    ends("filtered amid", Reply(LONG, finish_reason="content_filter"), LONG, "content_filter", endings.FILTER_NOTE),
    ends("filtered by an event", said_amid(code="content_filter"), LONG[:15], "ContentRefused", endings.FILTER_NOTE),
    ends("length", Reply(LONG, finish_reason="length"), LONG, "length", endings.LENGTH_NOTE),
    ends("length before a word", Reply("", finish_reason="length"), "The model thought until its length", "no_room"),
    ends("nothing to say", "", endings.EMPTY_ANSWER, "empty"),
    passes("cut before a word", cut(0), cut(0, "end")),
    passes("cut amid", cut(20), cut(20, "end")),
    goes_on("cut for good", cut(20, "end"), LONG[:15], "StreamCut", endings.BROKEN_NOTE),
    passes("stalled before a word", Reply(LONG, chunk_chars=5, stall_after=0), **SHORT_IDLE),
    passes("stalled amid", Reply(LONG, chunk_chars=5, stall_after=20), **SHORT_IDLE),
    goes_on("stalled for good", Reply(LONG, chunk_chars=5, stall_after=20), LONG[:15], "StreamStalled",
            endings.BROKEN_NOTE, **SHORT_IDLE),
    passes("an error event before a word", Reply(LONG, error_after=0, error=marked_error(errors.stream_error()))),
    passes("an error event amid", said_amid()),
    fails("an unknown 400", errors.bad_request("no such thing"), "ModelRefused", "The model refused this request", 1),
    passes("a garbage body", errors.garbage_json(), errors.garbage_stream()),
    Case("a lost connection", (Fault("reset"), Fault("lost_reply"), "which nobody got to read", WHOLE), calls=3),
]  # fmt: skip


@pytest.mark.parametrize("platform", ["slack", "discord"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_failure_ends_in_one_whole_answer_or_one_clear_sentence(
    on_stage: Stage, platform: str, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    corner = Corner(on_stage, platform)
    on_stage.extra |= {"PARLEY_ADMINS": corner.admin(), **case.extra}
    on_stage.openai.faults.add(CHAT, *(marked(each) for each in case.does if isinstance(each, Fault)))
    on_stage.openai.script(*(each for each in case.does if not isinstance(each, Fault)))
    with logged() as entries:
        async with on_stage.worker() as worker:
            await corner.ask()
            [said] = await corner.answered(worker)
            await worker.desk.alerts.settle(30)
            assert await worker.store.turns.open_count() == 0
    on_stage.openai.faults.clear()
    assert corner.answers() == [said]
    assert said.replace("`", "").startswith(case.shown.replace("`", ""))
    assert case.note in said
    assert 1 <= len(on_stage.openai.calls) <= case.calls
    assert corner.statuses() == []
    assert len(corner.told()) == sum(bool(entry.get("tells_admin")) for entry in entries) == case.told
    if case.kind:
        reference = REFERENCE.search(said)
        assert reference
        named = {entry.get("kind") for entry in entries if entry.get("ref") == reference[1]}
        assert case.kind in named
    else:
        assert said == case.shown
    everything = f"{corner.sent()} {entries} {caplog.text}"
    assert not [word for word in (MARKER, "sk-emulated", "openai.com", "org-emulated") if word in everything]


async def test_what_one_key_has_no_room_for_makes_no_later_answer_shorter(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, channels = slack.add_user("ada"), [slack.add_channel(name) for name in ("one", "two")]
    openai.faults.add("/chat/completions", errors.request_too_large())
    async with on_stage.worker():
        for channel in channels:
            question = await slack.say(ada, channel, "go", mention=True)
            await slack.wait_for(lambda: slack.bot_messages(channel, question.ts))  # noqa: B023
    refused, trimmed, other = (call.body["max_completion_tokens"] for call in openai.calls)
    assert trimmed < refused == other


async def test_a_parameter_that_a_model_refused_is_left_out_from_then_on(on_stage: Stage) -> None:
    corner = Corner(on_stage, "slack")
    on_stage.extra |= WARM
    on_stage.openai.faults.add(CHAT, errors.unsupported_parameter("temperature"))
    async with on_stage.worker() as worker:
        await corner.ask()
        await corner.answered(worker)
        await corner.ask()
        await corner.answered(worker, 2)
    assert ["temperature" in call.body for call in on_stage.openai.calls].count(True) <= 2
    assert "temperature" not in on_stage.openai.calls[-1].body


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_what_is_said_to_people_about_a_failure_is_not_said_to_the_model(on_stage: Stage, platform: str) -> None:
    corner = Corner(on_stage, platform)
    on_stage.openai.script(Reply("so far", finish_reason="length"), Reply("and on", finish_reason="content_filter"), "")
    async with on_stage.worker() as worker:
        talk = corner.slack.open_dm(corner.ada) if platform == "slack" else corner.discord.open_dm(corner.bob)
        for n, text in enumerate(("begin", "go on", "go on", "and now?"), start=1):
            if platform == "slack":
                await corner.slack.say(corner.ada, talk, text)  # type: ignore[arg-type]
                await corner.slack.wait_for(lambda n=n: len(corner.slack.bot_messages(talk)) == n)  # type: ignore[misc, arg-type]
            else:
                await corner.discord.say(corner.bob, talk, text)  # type: ignore[arg-type]
                await corner.discord.wait_for(lambda n=n: len(corner.discord.bot_messages(talk)) == n)  # type: ignore[misc, arg-type]
        async with asyncio.timeout(60):
            while await worker.store.turns.open_count():
                await asyncio.sleep(0.02)
    read = [m["content"] for m in on_stage.openai.calls[-1].body["messages"] if m["role"] == "assistant"]
    assert read == ["so far", "and on"]


async def test_the_log_file_has_the_reference_in_a_line_that_names_the_failure(on_stage: Stage) -> None:
    corner = Corner(on_stage, "slack")
    on_stage.openai.faults.add(CHAT, marked(errors.bad_request("no such thing")))
    async with on_stage.process() as worker:
        await corner.ask()
        await corner.slack.wait_for(corner.answers)
        reference = REFERENCE.search(corner.answers()[0])
    assert reference
    lines = [line for line in worker.log.read_text().splitlines() if reference[1] in line]
    assert any('"kind": "ModelRefused"' in line for line in lines)
    assert MARKER not in worker.log.read_text()


async def test_a_turn_that_brought_the_process_down_again_and_again_is_given_up(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    on_stage.openai.script(Reply("never", first_token_delay=60))
    async with on_stage.process() as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await on_stage.openai.wait_for(lambda: on_stage.openai.calls)
        await worker.kill()
    with sqlite3.connect(on_stage.folder / "parley.db", isolation_level=None) as database:
        database.execute("UPDATE turns SET crashes = ?", (turn.MOST_CRASHES,))
    database.close()
    async with on_stage.worker():
        [answer] = await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
    assert "Something went wrong" in slack.visible_text(answer)
    assert len(on_stage.openai.calls) == 1


async def test_edited_and_deleted_messages_are_so_in_what_the_model_reads_later(on_stage: Stage) -> None:
    slack, discord, openai = on_stage.slack, on_stage.discord, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.worker() as worker:
        first = await slack.say(ada, general, "the secret is blue", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, first.ts))
        second = await slack.say(ada, general, "forget this", thread_ts=first.ts)
        await slack.wait_for(lambda: len(slack.bot_messages(general, first.ts)) == 2)
        await idle(worker)
        await slack.edit(ada, first, "<@U0PARLEY01> the secret is green")
        await slack.delete(second)
        await slack.say(ada, general, "which is it?", thread_ts=first.ts)
        await slack.wait_for(lambda: len(slack.bot_messages(general, first.ts)) == 3)

        question = await discord.say(bob, studio, "paint it red", mention=True)
        [answer] = await discord.wait_for(lambda: discord.bot_messages(studio))
        await idle(worker)
        await discord.edit(question, f"{discord.bot.mention} paint it black")
        await discord.say(bob, studio, "which colour?", reply_to=answer)
        await discord.wait_for(lambda: len(discord.bot_messages(studio)) == 2)
    on_slack = list(user_texts(openai.calls[2].body))
    assert on_slack == ["ada: the secret is green", "ada: which is it?"]
    assert [m["role"] for m in openai.calls[2].body["messages"]] == ["system", "user", "assistant", "user"]
    assert list(user_texts(openai.calls[4].body)) == ["bob: paint it black", "bob: which colour?"]


async def test_questions_that_were_all_deleted_before_their_turn_are_dropped(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    openai.script(Reply("one", first_token_delay=0.7), "two")
    async with on_stage.worker() as worker:
        first = await slack.say(ada, general, "one", mention=True)
        await openai.wait_for(lambda: openai.calls)
        second = await slack.say(ada, general, "two", thread_ts=first.ts)
        await slack.delete(second)
        third = await slack.say(ada, general, "three", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, third.ts))
        await slack.wait_for(lambda: slack.bot_messages(general, first.ts))
        async with asyncio.timeout(60):
            while await worker.store.turns.open_count():
                await asyncio.sleep(0.02)
    assert len(slack.bot_messages(general, first.ts)) == 1
    assert len(openai.calls) == 2
