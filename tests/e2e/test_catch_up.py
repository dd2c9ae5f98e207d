"""What was said while nothing listened is read from the platform, answered once, and nothing is answered again."""

import asyncio
import sqlite3

import pytest

from benchmarks.counts import database_traffic
from bot import crash
from bot.policy import NOT_YOU
from bot.serving import App
from emulators.faults import Fault
from emulators.openai import Reply
from emulators.slack.model import Channel, Message, User
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import Talk, idle

HISTORY = {"slack": "conversations.history", "discord": "GET /channels/{channel_id}/messages"}


@pytest.fixture(autouse=True)
def nothing_comes_later(on_stage: Stage) -> None:
    """Slack's events are lost while nothing is connected; Discord's always are."""
    on_stage.slack.socket.drop_unconnected = True


async def caught_up(worker: App, platform: str, passes: int = 1) -> None:
    """Wait until a platform has been read so many times."""
    async with asyncio.timeout(60):
        while worker.desk.catch_ups[platform].passes < passes:
            await asyncio.sleep(0.02)


async def ended(stage: Stage, turns: int) -> None:
    """Wait until a process of its own has written down the end of so many turns."""
    async with asyncio.timeout(60):
        while True:
            with sqlite3.connect(stage.folder / "parley.db") as database:
                [(count,)] = database.execute("SELECT count(*) FROM turns WHERE state = 'answered'")
            database.close()
            if count == turns:
                return
            await asyncio.sleep(0.1)


def asked(talk: Talk) -> list[str]:
    """The question of each request to the model, without the name before it."""
    return [list(user_texts(call.body))[-1].partition(": ")[2] for call in talk.openai.calls]


async def after_one_answer(stage: Stage) -> tuple[User, Channel, Message]:
    """Who asked where in Slack, and the question that was answered there before its process was killed."""
    slack = stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    stage.openai.script("zero")
    async with stage.process() as worker:
        first = await slack.say(ada, general, "zero", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, first.ts))
        await worker.kill()
    return ada, general, first


async def test_what_was_asked_while_the_bot_was_down_is_answered_once(talk: Talk) -> None:
    talk.openai.script("before")
    async with talk.stage.process() as worker:
        first = await talk.ask("first")
        await talk.until("before")
        await worker.kill()
    await talk.ask_on(first, "a follow-up")
    await talk.ask("another")
    async with talk.stage.worker() as app:
        await caught_up(app, talk.platform)
        await talk.place.wait_for(lambda: len(talk.answers()) == 3)
        await idle(app)
    assert sorted(asked(talk)) == ["a follow-up", "another", "first"]
    async with talk.stage.worker() as app:
        await caught_up(app, talk.platform)
        await idle(app)
    assert len(talk.answers()) == 3


async def test_what_is_known_of_a_place_that_is_read_again_costs_one_look(talk: Talk) -> None:
    count = 60
    for limited in ("USER", "THREAD", "CHANNEL", "WORKSPACE"):
        talk.stage.extra[f"PARLEY_{limited}_MESSAGES_PER_MINUTE"] = "1000"
    async with talk.stage.worker() as app:
        first = await talk.ask("the first")
        await talk.place.wait_for(talk.answers)
        for n in range(count):
            await talk.ask_on(first, f"follow-up {n}")
        await talk.openai.wait_for(lambda: f"follow-up {count - 1}" in asked(talk)[-1])
        await idle(app)
    before = talk.answers()
    with database_traffic() as traffic:
        async with talk.stage.worker() as app:
            await caught_up(app, talk.platform)
            await idle(app)
    assert traffic["transactions"] < count
    assert talk.answers() == before


async def test_places_where_the_bot_was_never_spoken_to_are_read_too(on_stage: Stage) -> None:
    slack, discord = on_stage.slack, on_stage.discord
    ada, bob = slack.add_user("ada"), discord.add_user("bob")
    async with on_stage.process() as worker:
        await worker.kill()
    new_on_slack, dm, new_on_discord = slack.add_channel("new"), slack.open_dm(ada), discord.add_channel("new")
    quiet = slack.add_channel("quiet")
    await slack.say(ada, new_on_slack, "anybody?", mention=True)
    await slack.say(ada, dm, "are you there?")
    await slack.say(ada, quiet, "nobody asked the bot here")
    parent = await slack.say(ada, quiet, "a thread of people")
    await slack.say(ada, quiet, "what does the bot say?", thread_ts=parent.ts, mention=True)
    await discord.say(bob, new_on_discord, "anybody?", mention=True)
    await discord.say(bob, new_on_discord, "a word among people")
    thread = await discord.start_thread(bob, new_on_discord, "a thread")
    await discord.say(bob, new_on_discord, "and here?", mention=True, thread=thread)
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        await caught_up(app, "discord")
        await idle(app)
        await slack.wait_for(lambda: slack.bot_messages(new_on_slack) and slack.bot_messages(dm))
        await slack.wait_for(lambda: slack.bot_messages(quiet))
        await discord.wait_for(lambda: discord.bot_messages(new_on_discord) and discord.bot_messages(thread))
    assert [m.thread_ts for m in slack.bot_messages(quiet)] == [parent.ts]
    assert len(on_stage.openai.calls) == 5


async def test_who_asked_in_a_discord_channel_while_the_bot_was_down_has_the_roles_and_the_nick_they_have_there(
    on_stage: Stage,
) -> None:
    discord = on_stage.discord
    crew = discord.add_role("crew")
    ada, eve = discord.add_user("ada_l", global_name="Ada Lovelace", nick="Countess"), discord.add_user("eve")
    ada.roles.append(crew)
    studio = discord.add_channel("studio")
    on_stage.extra["PARLEY_ALLOW_ROLES"] = str(crew.id)
    on_stage.openai.script("To Ada.")
    async with on_stage.process() as worker:
        await worker.kill()
    await discord.say(ada, studio, "may I ask?", mention=True)
    await discord.say(ada, studio, "a word among people")
    await discord.say(eve, studio, "and I?", mention=True)
    async with on_stage.worker() as app:
        await caught_up(app, "discord")
        await discord.wait_for(lambda: len(discord.bot_messages(studio)) == 2)
        await idle(app)
    assert sorted(m.content for m in discord.bot_messages(studio)) == [NOT_YOU, "To Ada."]
    assert list(user_texts(on_stage.openai.calls[-1].body)) == ["Countess: may I ask?"]
    asked_for = [r.path.rpartition("/")[2] for r in discord.requests if r.method == "GET" and "/members/" in r.path]
    assert sorted(asked_for) == sorted([str(ada.id), str(eve.id)])


async def test_where_discord_does_not_say_what_somebody_is_the_question_is_read_all_the_same(on_stage: Stage) -> None:
    discord = on_stage.discord
    bob, studio = discord.add_user("bob", global_name="Bob", nick="Bobby"), discord.add_channel("studio")
    async with on_stage.process() as worker:
        await worker.kill()
    await discord.say(bob, studio, "anybody?", mention=True)
    discord.faults.add(
        "GET /guilds/{guild_id}/members/{user_id}",
        Fault(status=404, body={"message": "Unknown Member", "code": 10007}),
    )
    async with on_stage.worker() as app:
        await caught_up(app, "discord")
        await discord.wait_for(lambda: discord.bot_messages(studio))
        await idle(app)
    assert list(user_texts(on_stage.openai.calls[-1].body)) == ["Bob: anybody?"]
    assert not discord.faults.pending


async def test_a_new_installation_answers_nothing_that_was_said_before_it(talk: Talk) -> None:
    await talk.ask("to whom it may concern")
    async with talk.stage.worker() as app:
        await caught_up(app, talk.platform)
        await idle(app)
    assert talk.answers() == []


async def test_catching_up_can_be_turned_off(talk: Talk) -> None:
    talk.stage.extra["PARLEY_CATCH_UP_HOURS"] = "0"
    async with talk.stage.process() as worker:
        await worker.kill()
    await talk.ask("nobody hears this")
    talk.openai.script("but this")
    async with talk.stage.worker():
        await talk.ask("and this?")
        await talk.until("but this")
    assert len(talk.openai.calls) == 1


async def test_no_more_messages_of_a_place_are_read_than_are_set(talk: Talk) -> None:
    talk.stage.extra["PARLEY_CATCH_UP_MESSAGES"] = "2"
    async with talk.stage.process() as worker:
        await worker.kill()
    for n in range(4):
        await talk.ask(f"question {n}")
    async with talk.stage.worker() as app:
        await caught_up(app, talk.platform)
        await idle(app)
    assert sorted(asked(talk)) == ["question 2", "question 3"]


async def test_what_people_said_to_each_other_before_they_called_the_bot_gets_no_answer(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, bob, general = slack.add_user("ada"), slack.add_user("bob"), slack.add_channel("general")
    async with on_stage.process() as worker:
        await worker.kill()
    parent = await slack.say(ada, general, "shall we have lunch?")
    await slack.say(bob, general, "where?", thread_ts=parent.ts)
    await slack.say(ada, general, "what is open?", thread_ts=parent.ts, mention=True)
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        await idle(app)
    assert len(slack.bot_messages(general)) == 1
    [call] = on_stage.openai.calls
    assert [text.partition(": ")[2] for text in user_texts(call.body)] == [
        "shall we have lunch?",
        "where?",
        "what is open?",
    ]


async def test_a_question_that_comes_while_older_ones_are_read_is_answered_after_them(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general, first = await after_one_answer(on_stage)
    await slack.say(ada, general, "one", thread_ts=first.ts)
    slack.faults.add("conversations.replies", Fault("delay", seconds=0.5))
    async with on_stage.worker() as app:
        await slack.say(ada, general, "two", thread_ts=first.ts)
        await caught_up(app, "slack")
        await idle(app)
    texts = list(user_texts(openai.calls[-1].body))
    assert [text.partition(": ")[2] for text in texts] == ["zero", "one", "two"]


async def test_what_begins_a_conversation_waits_for_nothing_to_be_read(talk: Talk) -> None:
    async with talk.stage.process() as worker:
        await worker.kill()
    talk.place.faults.add(HISTORY[talk.platform], *[Fault("delay", seconds=5)] * 10)
    talk.openai.script("at once")
    async with talk.stage.worker() as app:
        await talk.ask("anything new?")
        await talk.until("at once")
        assert app.desk.catch_ups[talk.platform].passes == 0


async def test_who_goes_on_in_an_old_slack_thread_waits_for_that_alone_to_be_read(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    on_stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    async with on_stage.process() as worker:
        firsts = [await slack.say(ada, general, f"zero {n}", mention=True) for n in range(30)]
        await slack.wait_for(lambda: len(slack.bot_messages(general)) == 30)
        await worker.kill()
    # Of all places it is the one that is read last, and twenty calls are made at once, the others two seconds apart.
    await slack.say(ada, general, "one", thread_ts=firsts[0].ts)
    for other in firsts[1:]:
        await slack.say(ada, general, "hm", thread_ts=other.ts)
    async with on_stage.worker() as app:
        await slack.say(ada, general, "two", thread_ts=firsts[0].ts)
        await openai.wait_for(lambda: any("two" in text for call in openai.calls for text in user_texts(call.body)))
        assert app.desk.catch_ups["slack"].passes == 0
        [texts] = [texts for call in openai.calls if "two" in (texts := list(user_texts(call.body)))[-1]]
    assert [text.partition(": ")[2] for text in texts] == ["zero 0", "one", "two"]


async def test_old_slack_threads_are_asked_for_by_what_their_channel_says_of_them(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    on_stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    async with on_stage.process() as worker:
        firsts = [await slack.say(ada, general, f"zero {n}", mention=True) for n in range(30)]
        await ended(on_stage, 30)
        await worker.kill()
    await asyncio.sleep(6)
    await slack.say(ada, general, "one", thread_ts=firsts[7].ts)
    # All the threads are older than what is read of the channel.
    on_stage.extra["PARLEY_CATCH_UP_HOURS"] = f"{5.5 / 3600}"
    slack.requests.clear()
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        await idle(app)
    reads = [request.path.rpartition("/")[2] for request in slack.requests if "conversations." in request.path]
    assert reads.count("conversations.history") == 2
    assert reads.count("conversations.replies") == 1
    assert len(slack.bot_messages(general, firsts[7].ts)) == 2


async def test_who_replies_in_a_discord_channel_waits_for_that_alone_to_be_read(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    bob = discord.add_user("bob")
    channels = [discord.add_channel(f"c{n}") for n in range(6)]
    async with on_stage.process() as worker:
        for channel in channels:
            await discord.say(bob, channel, "zero", mention=True)
        await discord.wait_for(lambda: all(map(discord.bot_messages, channels)))
        await worker.kill()
    [answer] = discord.bot_messages(channels[0])
    for channel in channels:
        [said] = discord.bot_messages(channel)
        await discord.say(bob, channel, "one", reply_to=said)
    discord.faults.add("GET /channels/{channel_id}/messages", *[Fault("delay", seconds=1)] * 20)
    async with on_stage.worker() as app:
        await discord.say(bob, channels[0], "two", reply_to=answer)
        await openai.wait_for(lambda: any("two" in text for call in openai.calls for text in user_texts(call.body)))
        assert app.desk.catch_ups["discord"].passes == 0
        [texts] = [texts for call in openai.calls if "two" in (texts := list(user_texts(call.body)))[-1]]
        assert [text.partition(": ")[2] for text in texts] == ["zero", "one", "two"]
        await caught_up(app, "discord")
        await idle(app)
    assert [len(discord.bot_messages(channel)) for channel in channels] == [2] * 6


async def test_a_question_that_a_killed_process_kept_waiting_still_waits_for_older_ones(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general, first = await after_one_answer(on_stage)
    await slack.say(ada, general, "one", thread_ts=first.ts)
    slack.faults.add("conversations.replies", Fault("delay", seconds=30))
    on_stage.extra[crash.VARIABLE] = "after_commit"
    async with on_stage.process() as worker:
        await slack.say(ada, general, "two", thread_ts=first.ts)
        await worker.process.wait()
    del on_stage.extra[crash.VARIABLE]
    with sqlite3.connect(on_stage.folder / "parley.db", isolation_level=None) as database:
        # The hold has run out while nothing ran.
        assert database.execute("UPDATE turns SET not_before = 1 WHERE state = 'queued'").rowcount == 1
    database.close()
    slack.faults.clear()
    slack.faults.add("conversations.replies", Fault("delay", seconds=0.5))
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        await idle(app)
    texts = list(user_texts(openai.calls[-1].body))
    assert [text.partition(": ")[2] for text in texts] == ["zero", "one", "two"]


async def test_a_question_that_a_process_told_to_end_kept_waiting_still_waits_for_older_ones(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general, first = await after_one_answer(on_stage)
    await slack.say(ada, general, "one", thread_ts=first.ts)
    slack.faults.add("conversations.replies", Fault("delay", seconds=30))
    async with on_stage.process() as worker:
        two = await slack.say(ada, general, "two", thread_ts=first.ts)
        await slack.wait_for(lambda: any(d.acked for d in slack.deliveries if d.payload["event"].get("ts") == two.ts))
        assert await worker.terminate() == 0
    slack.faults.clear()
    slack.faults.add("conversations.replies", Fault("delay", seconds=0.5))
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        await idle(app)
    texts = list(user_texts(openai.calls[-1].body))
    assert [text.partition(": ")[2] for text in texts] == ["zero", "one", "two"]


async def test_a_question_that_joined_a_waiting_one_while_older_ones_are_read_has_both_wait(on_stage: Stage) -> None:
    slack, openai = on_stage.slack, on_stage.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    openai.script(Reply("zero", first_token_delay=1.5))
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        first = await slack.say(ada, general, "zero", mention=True)
        await openai.wait_for(lambda: openai.calls)
        await slack.say(ada, general, "one", thread_ts=first.ts)
        await slack.wait_for(lambda: slack.deliveries[-1].acked)
        slack.faults.add("conversations.replies", Fault("delay", seconds=3.0))
        slack.accept_connections(False)
        slack.drop_connections()
        await slack.say(ada, general, "two", thread_ts=first.ts)
        slack.accept_connections(True)
        await slack.wait_for(lambda: slack.socket.connections)
        await slack.say(ada, general, "three", thread_ts=first.ts)
        await caught_up(app, "slack", passes=2)
        await idle(app)
    texts = list(user_texts(openai.calls[-1].body))
    assert [text.partition(": ")[2] for text in texts if "zero" not in text] == ["one", "two", "three"]
    assert len(openai.calls) == 2


async def test_a_reply_to_a_question_that_is_still_to_be_read_is_answered_together_with_it(on_stage: Stage) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.process() as worker:
        await worker.kill()
    one = await discord.say(bob, studio, "one", mention=True)
    discord.faults.add("GET /channels/{channel_id}/messages", Fault("delay", seconds=0.5))
    async with on_stage.worker() as app:
        await discord.say(bob, studio, "two", reply_to=one, mention=True)
        await caught_up(app, "discord")
        await idle(app)
    texts = list(user_texts(openai.calls[-1].body))
    assert [text.partition(": ")[2] for text in texts] == ["one", "two"]
    assert len(openai.calls) == 1


async def test_what_goes_on_in_a_thread_whose_question_is_still_to_be_read_is_answered_with_it(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with on_stage.process() as worker:
        await worker.kill()
    one = await slack.say(ada, general, "one", mention=True)
    # The follow-ups come after what is read, and before it is known.
    slack.faults.add("conversations.history", Fault("late_reply", seconds=0.5))
    async with on_stage.worker() as app:
        await slack.wait_for(lambda: any(r.path.endswith("conversations.history") for r in slack.requests))
        await slack.say(ada, general, "two", thread_ts=one.ts)
        await slack.say(ada, general, "three", thread_ts=one.ts)
        await caught_up(app, "slack")
        await slack.wait_for(lambda: slack.bot_messages(general, one.ts))
        await idle(app)
    with sqlite3.connect(on_stage.folder / "parley.db") as database:
        asked = database.execute("SELECT text FROM messages WHERE turn_id = 1 AND role = 'user' ORDER BY position")
        assert [text for (text,) in asked] == ["one", "two", "three"], "all three are answered, none is mere context"
    database.close()


async def test_what_goes_on_in_a_discord_thread_whose_question_is_still_to_be_read_is_answered_too(
    on_stage: Stage,
) -> None:
    discord, openai = on_stage.discord, on_stage.openai
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.process() as worker:
        await worker.kill()
    one = await discord.say(bob, studio, "one", mention=True)
    thread = await discord.start_thread(bob, studio, "about one", from_message=one)
    discord.faults.add(HISTORY["discord"], *[Fault("delay", seconds=0.7)] * 6)
    async with on_stage.worker() as app:
        await discord.say(bob, studio, "two", thread=thread)
        await caught_up(app, "discord")
        await idle(app)
    said = {text.partition(": ")[2] for call in openai.calls for text in user_texts(call.body)}
    assert said >= {"one", "two"}


async def test_a_discord_session_that_cannot_be_resumed_is_caught_up(on_stage: Stage) -> None:
    discord = on_stage.discord
    bob, studio = discord.add_user("bob"), discord.add_channel("studio")
    async with on_stage.worker() as app:
        await caught_up(app, "discord")
        discord.refuse_gateway(times=1)
        await discord.invalidate_sessions()
        await discord.drop_gateway()
        await discord.say(bob, studio, "did you hear me?", mention=True)
        await discord.wait_for(lambda: discord.bot_messages(studio))
        await idle(app)
    assert len(discord.bot_messages(studio)) == 1


async def test_a_slack_socket_that_was_away_is_caught_up(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        slack.accept_connections(False)
        slack.drop_connections()
        await slack.say(ada, general, "did you hear me?", mention=True)
        assert slack.undelivered
        slack.accept_connections(True)
        await slack.wait_for(lambda: slack.bot_messages(general))
        await idle(app)
    assert len(slack.bot_messages(general)) == 1


async def test_an_answer_to_an_old_question_says_that_it_is_late(talk: Talk) -> None:
    talk.openai.script(Reply("never", first_token_delay=60))
    async with talk.stage.process() as worker:
        await talk.ask("go")
        await talk.openai.wait_for(lambda: talk.openai.calls)
        await worker.kill()
    with sqlite3.connect(talk.stage.folder / "parley.db", isolation_level=None) as database:
        database.execute("UPDATE messages SET sent_at = sent_at - 7200000000")
    database.close()
    talk.openai.script("the answer", "remembered without it")
    async with talk.stage.worker():
        await talk.place.wait_for(talk.answers)
        [shown] = talk.answers()
        assert "you asked 2 hours ago" in shown and shown.endswith("the answer")
    with sqlite3.connect(talk.stage.folder / "parley.db") as database:
        assert database.execute("SELECT text FROM messages WHERE role = 'assistant'").fetchall() == [("the answer",)]
    database.close()


async def test_a_first_mention_in_a_thread_older_than_the_database_is_found(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    parent = await slack.say(ada, general, "people talk here")
    async with on_stage.process() as worker:
        await worker.kill()
    await slack.say(ada, general, "what does the bot say?", thread_ts=parent.ts, mention=True)
    async with on_stage.worker() as app:
        await caught_up(app, "slack")
        await idle(app)
    assert [m.thread_ts for m in slack.bot_messages(general)] == [parent.ts]


UNREADABLE = Fault(status=500, body="x")
REFUSED_FOR_NOW = {
    "slack": Fault(status=200, body={"ok": False, "error": "invalid_auth"}),
    "discord": Fault(status=403, headers={"Content-Type": "text/html"}, body="<html>Sorry, blocked</html>"),
}


@pytest.mark.parametrize("refused", [False, True])
async def test_places_that_could_not_be_read_are_read_by_the_next_try(talk: Talk, refused: bool) -> None:
    async with talk.stage.process() as worker:
        await worker.kill()
    await talk.ask("is anybody there?")
    fault = REFUSED_FOR_NOW[talk.platform] if refused else UNREADABLE
    talk.place.faults.add(HISTORY[talk.platform], *[fault] * 40)
    async with talk.stage.worker() as app:
        await talk.place.wait_for(lambda: talk.place.faults.pending <= 37)
        talk.place.faults.clear()
        await talk.place.wait_for(talk.answers, timeout=60)
        await idle(app)
    assert len(talk.answers()) == 1


async def test_half_an_answer_to_a_question_that_was_deleted_meanwhile_is_taken_back(talk: Talk) -> None:
    talk.openai.script(Reply("half of it " * 40, by_words=True, chunk_delay=0.1))
    async with talk.stage.process() as worker:
        await talk.ask("go")
        await talk.place.wait_for(talk.answers)
        await worker.kill()
    # As another process would have written it down, to which the deletion's event went.
    with sqlite3.connect(talk.stage.folder / "parley.db", isolation_level=None) as database:
        database.execute("UPDATE messages SET deleted = 1, text = ''")
    database.close()
    async with talk.stage.worker() as app:
        await talk.place.wait_for(lambda: not talk.answers())
        await idle(app)
    assert len(talk.openai.calls) == 1
