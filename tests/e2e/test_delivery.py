"""What a platform can do to an answer on its way, and that it lands whole all the same."""

import asyncio
import sqlite3
from dataclasses import dataclass, replace
from typing import Self

import pytest

from bot import crash
from emulators.discord import DiscordServer, Permission
from emulators.discord.state import Channel, User
from emulators.faults import Fault
from emulators.openai import Reply, errors
from tests.e2e.stage import Stage
from tests.e2e.talk import EDIT, POST, READ, Talk, idle
from tests.storage.test_inbox import rows

SLOW = Reply("word " * 40, by_words=True, chunk_delay=0.05)
WHOLE = SLOW.text.strip()


@pytest.fixture(autouse=True)
def _by_edits(on_stage: Stage) -> None:
    """What can happen to Slack's streams is in `test_streams.py`."""
    on_stage.extra["PARLEY_SLACK_STREAMS"] = "false"


def refused(seconds: float) -> Fault:
    body = {"ok": False, "error": "ratelimited", "message": "slow down", "retry_after": seconds, "global": False}
    return Fault(status=429, headers={"Retry-After": f"{seconds:g}", "Via": "1.1 google"}, body=body)


async def test_an_answer_whose_message_was_deleted_while_it_grew_is_posted_anew(talk: Talk) -> None:
    talk.openai.script(SLOW)
    async with talk.stage.worker():
        await talk.ask()
        await talk.place.wait_for(talk.answers)
        await talk.delete_answer()
        await talk.until(WHOLE)


async def test_edits_that_are_rate_limited_or_fail_cost_previews_and_not_the_text(talk: Talk) -> None:
    talk.openai.script(SLOW)
    talk.fail(EDIT, refused(1), Fault(status=503, body="unavailable"), Fault("reset"))
    async with talk.stage.worker():
        await talk.ask()
        await talk.until(WHOLE)


async def test_a_first_post_that_fails_in_the_middle_of_a_stream_lands_once(talk: Talk) -> None:
    talk.openai.script(SLOW)
    talk.fail(POST, Fault("lost_reply"), Fault(status=503, body="unavailable"), refused(0.5))
    async with talk.stage.worker():
        await talk.ask()
        await talk.until(WHOLE)
        await asyncio.sleep(0.5)
        assert talk.answers() == [WHOLE]


async def test_a_shorter_second_try_takes_back_the_messages_it_does_not_need(talk: Talk) -> None:
    talk.stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    long = "\n\n".join(f"Paragraph {n}. " + "lorem ipsum dolor " * 30 for n in range(28))
    talk.openai.script(Reply(long, chunk_chars=300, chunk_delay=0.05, stall_after=14_000))
    async with talk.stage.process() as worker:
        await talk.ask()
        await talk.place.wait_for(lambda: len(talk.answers()) >= 2)
        await worker.kill()
    talk.openai.script("Short after all.")
    async with talk.stage.worker():
        await talk.until("Short after all.")


async def test_a_post_that_a_killed_process_never_saw_confirmed_is_found_again(talk: Talk) -> None:
    talk.openai.script("only once")
    # The reply is lost, and before the bot can look for the message it is gone itself.
    talk.fail(POST, Fault("lost_reply"))
    async with talk.stage.process() as worker:
        await talk.ask()
        await talk.place.wait_for(talk.answers)
        await worker.kill()
    talk.openai.script("only once")
    async with talk.stage.worker():
        await talk.until("only once")
        await asyncio.sleep(1.0)
        assert talk.answers() == ["only once"]


def long_ago(stage: Stage) -> None:
    """Let what was intended before the process died have been intended long before."""
    with sqlite3.connect(stage.folder / "parley.db", isolation_level=None) as database:
        database.execute("UPDATE reply_parts SET intended_at = intended_at - 3600000000")
    database.close()


async def test_what_the_model_said_is_not_asked_for_again_where_the_posts_had_to_wait(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    talk.openai.responder = lambda _: "short and whole"
    async with on_stage.process() as worker:
        for number in range(8):  # of which Slack takes one a second
            await talk.ask(f"question {number}")
        await talk.openai.wait_for(lambda: len(talk.openai.calls) == 8 and not talk.openai.open_streams)
        kept = "SELECT count(*) FROM turns WHERE outcome IS NOT NULL OR state = 'answered'"
        async with asyncio.timeout(20):
            while rows(on_stage.folder / "parley.db", kept) != [(8,)]:
                await asyncio.sleep(0.02)
        assert len(talk.answers()) < 8
        await worker.kill()
    async with on_stage.worker() as app:
        await talk.place.wait_for(lambda: len(talk.answers()) == 8, timeout=60)
        await idle(app)
    assert len(talk.openai.calls) == 8


async def test_past_its_nonces_time_discord_is_asked_what_stands_in_the_channel(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    discord.timing = replace(discord.timing, nonce_window=0.0)
    talk = Talk(on_stage, "discord")
    openai.script("another conversation's", "only once")
    async with on_stage.process() as worker:
        await talk.ask("first")
        await talk.until("another conversation's")
        talk.fail(POST, Fault("lost_reply"))
        await talk.ask("second")
        await talk.until("another conversation's", "only once")
        await worker.kill()
    long_ago(on_stage)
    async with on_stage.worker() as app:
        await idle(app)
    assert talk.answers() == ["another conversation's", "only once"]


TWO_MESSAGES = "\n\n".join(f"Paragraph {n}." + " lorem ipsum dolor" * 30 for n in range(6))


async def resumed_past_its_nonces_time(talk: Talk, *meanwhile: Fault) -> None:
    """An answer of two messages, whose posts meet this, finished by the process after a kill once no nonce is known."""
    stage, discord = talk.stage, talk.discord
    discord.timing = replace(discord.timing, nonce_window=0.0)
    talk.openai.script(TWO_MESSAGES)
    talk.fail(POST, *meanwhile)
    async with stage.process() as worker:
        await talk.ask()
        await discord.wait_for(lambda: len(talk.answers()) == 2)
        await worker.kill()
    long_ago(stage)
    async with stage.worker() as app:
        await idle(app)


async def test_past_its_nonces_time_the_second_message_of_an_answer_is_found_too(on_stage: Stage) -> None:
    talk = Talk(on_stage, "discord")
    await resumed_past_its_nonces_time(talk, Fault("delay", seconds=0.0), Fault("lost_reply"))
    assert "\n\n".join(talk.answers()) == TWO_MESSAGES


async def test_past_its_nonces_time_nothing_is_posted_anew_where_discord_shows_nothing(on_stage: Stage) -> None:
    talk = Talk(on_stage, "discord")
    talk.discord.deny(talk.studio, Permission.READ_MESSAGE_HISTORY)
    # The first is refused for what it replies to, and sent again; the reply to the second message is lost.
    await resumed_past_its_nonces_time(talk, Fault("delay"), Fault("delay"), Fault("lost_reply"))
    first, second, told = talk.answers()
    assert first.startswith("Paragraph 0.") and second.startswith("Paragraph 3.")
    talk.discord.complaints.clear()  # of the reply in a place without a history
    assert "I can't tell whether my answer has arrived here" in told


@pytest.mark.parametrize("status", [400, 403, 404, 409])
async def test_a_page_by_who_stands_before_the_platform_costs_no_answer(talk: Talk, status: int) -> None:
    talk.openai.script("the whole answer")
    talk.fail(POST, Fault(status=status, headers={"Content-Type": "text/html"}, body="<html>Sorry, blocked</html>"))
    async with talk.stage.worker() as app:
        await talk.ask()
        await talk.until("the whole answer")
        await idle(app)
    assert talk.told_alone() == []


@dataclass(frozen=True)
class InThread:
    """An answer in a thread of Discord's, whose first words stand there."""

    discord: DiscordServer
    bob: User
    thread: Channel

    @classmethod
    async def begun(cls, stage: Stage) -> Self:
        bob, studio = stage.discord.add_user("bob"), stage.discord.add_channel("studio")
        thread = await stage.discord.start_thread(bob, studio, "talk")
        stage.openai.script(SLOW)
        await stage.discord.say(bob, thread, "go", mention=True)
        await stage.discord.wait_for(lambda: stage.discord.bot_messages(thread))
        return cls(stage.discord, bob, thread)

    def shown(self) -> list[str]:
        return [message.content for message in self.discord.bot_messages(self.thread)]


async def test_an_answer_whose_thread_is_closed_while_it_grows_is_finished_there(on_stage: Stage) -> None:
    async with on_stage.worker() as app:
        answer = await InThread.begun(on_stage)
        await on_stage.discord.archive_thread(answer.thread)
        await idle(app)
    assert answer.shown() == [WHOLE]
    assert on_stage.discord.bot_messages(on_stage.discord.open_dm(answer.bob)) == []


async def test_an_answer_whose_thread_fell_asleep_while_the_bot_was_gone_is_finished_there(on_stage: Stage) -> None:
    async with on_stage.process() as worker:
        answer = await InThread.begun(on_stage)
        await worker.kill()
    await on_stage.discord.archive_thread(answer.thread)
    on_stage.openai.script("finished later")
    async with on_stage.worker() as app:
        await idle(app)
    assert answer.shown() == ["finished later"]


async def test_a_message_that_may_be_edited_no_more_is_replaced_and_does_not_stay_beside(talk: Talk) -> None:
    talk.openai.script(SLOW)
    spent = {
        "slack": Fault(status=200, body={"ok": False, "error": "edit_window_closed"}),
        "discord": Fault(status=400, body={"code": 30046, "message": "Maximum number of edits reached."}),
    }
    talk.fail(EDIT, *[spent[talk.platform]] * 30)
    async with talk.stage.worker() as app:
        await talk.ask()
        await talk.until(WHOLE)
        await idle(app)
    assert talk.answers() == [WHOLE]
    talk.place.faults.clear()


@pytest.mark.parametrize("at", [POST, EDIT], ids=["post", "edit"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refused(0.3), id="429"),
        pytest.param(replace(refused(0.3), headers={"Retry-After": "0.3"}), id="429 from a proxy"),
        pytest.param(Fault(status=429, headers={"Content-Type": "text/html"}, body="<html>"), id="429 as a page"),
        *(pytest.param(Fault(status=status, body="x"), id=str(status)) for status in (500, 502, 503, 504)),
        pytest.param(Fault("reset"), id="reset"),
        pytest.param(Fault("lost_reply"), id="lost reply"),
    ],
)
async def test_whatever_meets_a_post_or_an_edit_the_answer_stands_whole_and_once(
    talk: Talk, at: dict[str, str], fault: Fault
) -> None:
    talk.openai.script(Reply("word " * 30, by_words=True, chunk_delay=0.03))
    talk.fail(at, fault, fault)
    async with talk.stage.worker() as app:
        await talk.ask()
        await talk.until(("word " * 30).strip())
        await idle(app)
    assert len(talk.answers()) == 1


async def test_while_a_lost_post_is_looked_for_the_search_itself_may_fail(talk: Talk) -> None:
    talk.openai.script("only once")
    talk.fail(POST, Fault("lost_reply"))
    talk.fail(READ, Fault(status=503, body="x"), refused(0.3), Fault("reset"))
    async with talk.stage.worker() as app:
        await talk.ask()
        await talk.openai.wait_for(lambda: talk.openai.calls)
        await idle(app)
    assert talk.answers() == ["only once"]
    talk.place.faults.clear()


def unreadable(platform: str) -> Fault:
    """The bot may not read the place: a scope lacks, or a permission."""
    if platform == "slack":
        return Fault(status=200, body={"ok": False, "error": "missing_scope", "needed": "channels:history"})
    return Fault(status=403, body={"code": 50001, "message": "Missing Access"})


async def test_a_post_that_was_not_taken_is_sent_again_without_a_look_into_the_place(talk: Talk) -> None:
    talk.openai.script("whole")
    talk.fail(POST, refused(0.3), refused(0.3))
    talk.fail(READ, *[unreadable(talk.platform)] * 20)
    async with talk.stage.worker() as app:
        await talk.ask()
        await talk.until("whole")
        await idle(app)
    talk.place.faults.clear()


async def test_the_second_message_of_an_answer_may_be_limited_where_nothing_can_be_read(talk: Talk) -> None:
    talk.stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    long = " ".join(f"word{n}" for n in range(1_600))
    talk.openai.script(long)
    talk.stage.extra["PARLEY_STREAMING"] = "false"
    async with talk.stage.worker() as app:
        talk.fail(READ, *[unreadable(talk.platform)] * 20)
        await talk.ask()
        await talk.place.wait_for(talk.answers)
        talk.fail(POST, refused(0.3))
        await idle(app)
    assert [word for text in talk.answers() for word in text.split() if word.startswith("word")] == long.split()
    talk.place.faults.clear()


async def test_a_discord_post_that_may_stand_and_is_limited_past_its_nonces_time_is_looked_for(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk(on_stage, "discord")
    monkeypatch.setattr("adapters.discord.adapter.DiscordAdapter.repeat_seconds", 0.1)
    talk.openai.script("only once")
    talk.fail(POST, Fault("lost_reply"), refused(1))
    async with on_stage.worker() as app:
        await talk.ask()
        await talk.openai.wait_for(lambda: talk.openai.calls)
        talk.discord.nonces.clear()
        await talk.discord.wait_for(talk.answers)
        talk.discord.nonces.clear()
        await idle(app)
    assert talk.answers() == ["only once"]


async def test_where_nobody_can_see_whether_an_answer_arrived_its_asker_is_told_and_it_is_not_repeated(
    on_stage: Stage,
) -> None:
    talk = Talk(on_stage, "slack")
    talk.openai.script("first", "second")
    async with on_stage.worker() as app:
        for n, fault in enumerate((Fault("lost_reply"), Fault(status=503, body="x")), 1):
            talk.fail(POST, fault)
            talk.fail(READ, *[unreadable("slack")] * 20)
            await talk.ask()
            await talk.openai.wait_for(lambda n=n: len(talk.openai.calls) == n)  # type: ignore[misc]
            await idle(app)
            talk.place.faults.clear()
    first, told, told_again = talk.answers()
    assert first == "first"
    assert "I can't tell whether my answer has arrived here" in told and "ref " in told
    assert "I can't tell whether my answer has arrived here" in told_again
    assert talk.told_alone() == []


async def test_a_process_that_dies_before_it_posts_where_nothing_can_be_read_leaves_a_word(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    talk.openai.script("never seen")
    on_stage.extra[crash.VARIABLE] = "after_intent"
    async with on_stage.process() as worker:
        await talk.ask()
        await worker.process.wait()
    del on_stage.extra[crash.VARIABLE]
    talk.fail(READ, *[unreadable("slack")] * 40)
    async with on_stage.worker() as app:
        await talk.place.wait_for(talk.answers)
        await idle(app)
    [told] = talk.answers()
    assert "I can't tell whether my answer has arrived here" in told
    talk.place.faults.clear()


async def test_a_place_where_the_bot_may_not_write_ends_the_turn_and_not_the_bot(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general, other = slack.add_user("ada"), slack.add_channel("general"), slack.add_channel("other")
    openai.script("nobody hears this", "but this")
    slack.faults.add("chat.postMessage", *[Fault(status=200, body={"ok": False, "error": "is_archived"})] * 2)
    async with on_stage.worker() as worker:
        await slack.say(ada, general, "go", mention=True)
        await openai.wait_for(lambda: len(openai.calls) == 1)
        await idle(worker)
        question = await slack.say(ada, other, "go", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(other, question.ts))
        async with asyncio.timeout(60):
            while await worker.store.turns.open_count():
                await asyncio.sleep(0.02)
    assert not slack.bot_messages(general)


def never(platform: str) -> Fault:
    """The platform takes this text never: Slack's workspace forbids it, Discord's AutoMod stands against it."""
    if platform == "slack":
        return Fault(status=200, body={"ok": False, "error": "restricted_action"})
    return Fault(status=400, body={"code": 200000, "message": "blocked by AutoMod"})


async def test_after_a_refusal_slacks_stop_button_goes_however_long_slack_has_that_wait(on_stage: Stage) -> None:
    talk, session = Talk(on_stage, "slack"), "agents.sessions.setStatus"
    on_stage.extra["PARLEY_LEASE_SECONDS"] = "1"
    talk.openai.script(Reply("nobody sees this", first_token_delay=2.0))
    talk.fail(POST, never("slack"))
    async with on_stage.worker() as app:
        asked = await talk.slack.say(talk.ada, talk.general, "go", mention=True)
        thread = (talk.general.id, asked.ts)
        await talk.slack.wait_for(lambda: talk.slack.sessions.get(thread) == "processing")
        talk.slack.faults.add(session, refused(3))  # longer than the lease of a turn that is over
        await idle(app)
        await talk.slack.wait_for(lambda: talk.slack.sessions[thread] == "active", timeout=15)
    assert talk.answers()


@pytest.mark.parametrize("at", [POST, EDIT], ids=["post", "edit"])
async def test_an_answer_that_a_place_will_not_have_ends_in_a_sentence(talk: Talk, at: dict[str, str]) -> None:
    # So long that a preview comes before its end on any machine.
    talk.openai.script(Reply("word " * 80, by_words=True, chunk_delay=0.1))
    # A preview is refused, and then the whole answer.
    talk.fail(at, never(talk.platform), never(talk.platform))
    async with talk.stage.worker():
        await talk.ask()
        await talk.place.wait_for(lambda: any("not accepted here" in text for text in talk.answers()), timeout=60)
    assert len(talk.answers()) == 1


@pytest.mark.parametrize("how", ["post", "edit"])
async def test_an_answer_that_a_place_takes_no_more_goes_to_its_asker_alone(talk: Talk, how: str) -> None:
    slack, discord = talk.slack, talk.discord
    talk.openai.script(SLOW)
    async with talk.stage.worker() as app:
        if how == "post":
            talk.close_channel()
        await talk.ask()
        if how == "edit":
            await talk.place.wait_for(talk.answers)
            talk.close_channel(also_to_see=True)
        await talk.place.wait_for(talk.told_alone)
        await idle(app)
    [alone] = talk.told_alone()
    assert "I couldn't answer where you asked" in alone and alone.endswith(WHOLE)
    assert len(talk.answers()) == (0 if how == "post" else 1)
    slack.complaints.clear()
    discord.complaints.clear()


async def test_a_notice_says_why_nothing_comes_and_makes_room_for_the_answer(talk: Talk) -> None:
    talk.openai.faults.add("/chat/completions", errors.rate_limited(6))
    talk.openai.script("at last")
    async with talk.stage.worker():
        await talk.ask()
        await talk.place.wait_for(talk.answers)
        assert "as soon as it lets me" in talk.answers()[0]
        await talk.until("at last")
