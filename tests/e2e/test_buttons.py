"""Buttons under answers, over the wire on both platforms: who may do what, in place, once, and after a restart."""

from __future__ import annotations

import asyncio

import pytest

from emulators.faults import Fault
from emulators.openai import Reply, errors
from tests.e2e.panel import Panel
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import EDIT, idle

CHAT = "/chat/completions"
SLOW = Reply("word " * 400, by_words=True, chunk_delay=0.05)
NEVER = Reply("too late", first_token_delay=600.0)
CUT = Reply("one two three", finish_reason="length")
AFTER = ["regenerate", "good", "bad"]
UP = {"slack": "+1", "discord": "👍"}
UP_TOO = {"slack": "thumbsup::skin-tone-3", "discord": "👍🏽"}
DOWN = {"slack": "-1", "discord": "👎"}


@pytest.fixture(params=["slack", "discord"])
def panel(on_stage: Stage, request: pytest.FixtureRequest) -> Panel:
    """A team on each platform."""
    return Panel(on_stage, request.param)


async def test_an_answer_at_once_has_its_buttons_in_its_one_post(panel: Panel) -> None:
    panel.openai.script("short")
    async with panel.stage.worker() as worker:
        await panel.ask()
        await idle(worker)
    assert (panel.shown(), panel.buttons(), panel.edits()) == (["short"], [AFTER], 0)


async def test_stop_by_the_asker_ends_the_call_and_keeps_the_words(panel: Panel) -> None:
    panel.openai.script(SLOW)
    async with panel.stage.worker() as worker:
        await panel.say(panel.bob, "tell me everything")
        await panel.until_told("word word")
        assert panel.buttons() == [["stop"]]
        await panel.press(panel.bob, "stop")
        assert "as bob asked" in (await panel.until_told("I stopped here")).lower()
        await idle(worker)
        assert not panel.openai.open_streams
    assert panel.openai.calls[0].disconnected
    assert "word word" in panel.shown()[0]
    assert panel.buttons() == [AFTER]


@pytest.mark.parametrize("way", ["message", "command"])
async def test_a_stop_holds_for_the_next_process_whichever_way_it_was_said(panel: Panel, way: str) -> None:
    panel.openai.script(SLOW)
    async with panel.stage.process() as worker:
        asked = await panel.say(panel.bob, "tell me everything")
        await panel.until_told("word word")
        # The answer can't come to its end before the process does.
        panel.place.faults.add(EDIT[panel.platform], *[Fault("delay", seconds=20.0)] * 3)
        if way == "message":
            await panel.say_on(panel.bob, asked, "!stop")
        else:
            await panel.command(panel.bob, "stop")
        async with asyncio.timeout(15):
            while panel.stored("SELECT stopped_by FROM turns WHERE id = 1 AND lower(stopped_by) = 'bob'") == []:
                await asyncio.sleep(0.02)
        await worker.kill()
    panel.place.faults.clear()
    async with panel.stage.worker() as app:
        await panel.until_told("I stopped here")
        await idle(app)
    assert len(panel.openai.calls) == 1


async def test_the_name_of_who_stopped_is_no_markup_in_the_bots_words(panel: Panel) -> None:
    panel.openai.script(SLOW)
    mal = panel.newcomer("[free nitro](https://evil.tld)")
    async with panel.stage.worker() as worker:
        await panel.say(mal, "go")
        await panel.until_told("word word")
        await panel.press(mal, "stop")
        said = await panel.until_told("I stopped here")
        await idle(worker)
    assert "as `[free nitro](https://evil.tld)` asked" in said
    if panel.platform == "slack":
        assert "link" not in str(panel.last().blocks)  # type: ignore[union-attr]


async def test_slacks_own_stop_button_stands_while_an_answer_is_written_and_ends_it(on_stage: Stage) -> None:
    panel = Panel(on_stage, "slack")
    slack = on_stage.slack
    panel.openai.script(SLOW)
    async with on_stage.worker() as worker:
        asked = await panel.say(panel.bob, "tell me everything")
        await slack.wait_for(lambda: "processing" in slack.sessions.values())
        await panel.until_told("word word")
        await slack.stop_session(panel.bob, panel.general, asked.ts)  # type: ignore[arg-type, union-attr]
        await panel.until_told("I stopped here")
        await slack.wait_for(lambda: list(slack.sessions.values()) == ["active"])
        await idle(worker)
    assert len(panel.openai.calls) == 1


async def test_slacks_own_stop_button_goes_with_a_hand_over_a_death_and_a_failure(on_stage: Stage) -> None:
    panel = Panel(on_stage, "slack")
    slack = on_stage.slack
    on_stage.extra["PARLEY_SHUTDOWN_GRACE"] = "0.2"
    panel.openai.script(NEVER, NEVER)
    async with on_stage.worker():
        await panel.say(panel.bob, "tell me everything")
        await slack.wait_for(lambda: "processing" in slack.sessions.values())
    assert list(slack.sessions.values()) == ["active"]
    async with on_stage.process() as dying:
        await slack.wait_for(lambda: "processing" in slack.sessions.values())
        await dying.kill()
    panel.openai.faults.add(CHAT, errors.bad_request("no such thing"))
    async with on_stage.worker() as worker:
        await panel.until_told("The model refused this request")
        await idle(worker)
        await slack.wait_for(lambda: list(slack.sessions.values()) == ["active"])


async def test_a_stranger_is_refused_in_private_and_an_admin_is_not(panel: Panel) -> None:
    panel.openai.script(SLOW, "anew")
    eve = panel.newcomer("eve")
    async with panel.stage.worker() as worker:
        await panel.ask(person=panel.bob)
        assert "Only who asked may do that" in await panel.hears(eve, "stop")
        assert panel.openai.open_streams
        await panel.press(panel.lead, "stop")
        await panel.until_told("as lead asked")
        await idle(worker)
        assert "Only who asked may do that" in await panel.hears(eve, "regenerate")
        assert len(panel.openai.calls) == 1
        await panel.press(panel.lead, "regenerate")
        await panel.until(["anew"])


async def test_the_newest_message_of_a_growing_answer_carries_stop(panel: Panel) -> None:
    panel.stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    whole = "\n\n".join(f"Paragraph {n}. " + "lorem ipsum dolor " * 30 for n in range(40))
    panel.openai.script(Reply(whole, chunk_chars=60, chunk_delay=0.03))
    async with panel.stage.worker() as worker:
        await panel.say(panel.bob, "go")
        place = panel.slack if panel.platform == "slack" else panel.discord
        await place.wait_for(lambda: len(panel.messages()) >= 2 and panel.buttons()[-1] == ["stop"])
        assert panel.buttons()[:-1] == [[]] * (len(panel.messages()) - 1)
        await idle(worker)
    assert panel.buttons() == [*[[]] * (len(panel.messages()) - 1), AFTER]


async def test_regenerate_answers_the_same_question_in_the_same_message(panel: Panel) -> None:
    panel.openai.script("the old answer", "the new answer", "and the next")
    async with panel.stage.worker() as worker:
        asked = await panel.ask("what is it?")
        first = panel.last()
        await panel.press(panel.bob, "regenerate")
        await panel.until(["the new answer"])
        assert panel.last() is first
        assert panel.buttons() == [AFTER]
        await idle(worker)
        await panel.say_on(panel.bob, asked, "and then?")
        await panel.until(["the new answer", "and the next"])
        await idle(worker)
    asked_anew, later = panel.openai.calls[1].body, panel.openai.calls[2].body
    assert list(user_texts(asked_anew)) == list(user_texts(panel.openai.calls[0].body))
    assert [m["content"] for m in later["messages"] if m["role"] == "assistant"] == ["the new answer"]
    [(rows,)] = panel.stored("SELECT count(*) FROM usage WHERE turn_id = 1")
    assert rows == 2


async def silent_again(panel: Panel) -> None:
    """Regenerate is pressed and the model is silent: nothing of the old answer goes, and what happens is seen."""
    signs = len(panel.signs_of_life())
    await panel.press(panel.bob, "regenerate")
    await panel.until_buttons(["stop"])
    await panel.place.wait_for(lambda: len(panel.signs_of_life()) > signs)
    assert panel.shown() == ["the old answer"]


async def test_who_regenerates_sees_that_the_model_thinks_and_may_stop_it_and_the_old_answer_stays(
    panel: Panel,
) -> None:
    panel.openai.script("the old answer", NEVER, "and the next")
    async with panel.stage.worker() as worker:
        asked = await panel.ask("what is it?")
        await idle(worker)
        assert "good answer" in await panel.hears(panel.bob, "good")
        await silent_again(panel)
        await panel.press(panel.bob, "stop")
        await panel.until_buttons(AFTER)
        await idle(worker)
        [shown] = panel.shown()
        assert shown.startswith("the old answer\n\n") and "as bob asked" in shown
        assert len(panel.ratings()) == 1
        await panel.say_on(panel.bob, asked, "and then?")
        await panel.until([shown, "and the next"])
        await idle(worker)
    assert panel.answers_in(2) == ["the old answer"]
    if panel.platform == "slack":
        assert not panel.slack.statuses[-1].text


async def test_a_new_answer_that_fails_leaves_the_old_one_however_often_it_is_tried(panel: Panel) -> None:
    panel.openai.script("the old answer")
    async with panel.stage.worker() as worker:
        asked = await panel.ask("what is it?")
        await idle(worker)
        for _ in range(2):
            panel.openai.faults.add(CHAT, errors.bad_request("no such thing"))
            panel.some_time_ago()
            await panel.press(panel.bob, "regenerate")
            await panel.until_told("The model refused this request")
            await idle(worker)
            [shown] = panel.shown()
            assert shown.startswith("the old answer\n\nThe model refused") and shown.count("refused") == 1
            assert panel.buttons() == [AFTER]
        panel.openai.script("and the next", "the new answer")
        await panel.say_on(panel.bob, asked, "and then?")
        await panel.until([shown, "and the next"])
        panel.some_time_ago()
        await panel.press(panel.bob, "regenerate", panel.messages()[0])
        await panel.until(["the new answer", "and the next"])
        await idle(worker)
    assert panel.answers_in(-2) == ["the old answer"]
    assert panel.answers_in(-1) == []


async def test_a_process_that_is_killed_over_a_new_answer_leaves_the_old_one(panel: Panel) -> None:
    panel.openai.script("the old answer", NEVER)
    async with panel.stage.process() as worker:
        await panel.ask()
        await silent_again(panel)
        await worker.kill()
    panel.openai.faults.add(CHAT, errors.bad_request("no such thing"))
    async with panel.stage.worker() as app:
        await panel.until_told("The model refused this request")
        await panel.until_buttons(AFTER)
        await idle(app)
    [shown] = panel.shown()
    assert shown.startswith("the old answer\n\nThe model refused")
    assert panel.stored("SELECT text FROM messages WHERE role = 'assistant'") == [("the old answer",)]


async def test_the_model_is_seen_to_think_about_a_new_wording_while_the_old_words_stand(panel: Panel) -> None:
    panel.openai.script(SLOW, NEVER)
    async with panel.stage.worker() as worker:
        asked = await panel.say(panel.bob, "about cats", mention=True)
        await panel.until_told("word word")
        signs = len(panel.signs_of_life())
        await panel.reword(asked, "about dogs")
        await panel.until_asked_at_all(2)
        await panel.place.wait_for(lambda: len(panel.signs_of_life()) > signs)
        assert "word word" in panel.shown()[0]
        assert panel.buttons() == [["stop"]]
        await panel.press(panel.bob, "stop")
        await panel.until_buttons(["regenerate"])
        await idle(worker)
    if panel.platform == "slack":
        assert not panel.slack.statuses[-1].text


async def test_two_quick_presses_are_one_regeneration(panel: Panel) -> None:
    panel.openai.script("old", "new", "newer")
    async with panel.stage.worker() as worker:
        await panel.ask()
        await asyncio.gather(*(panel.press(panel.bob, "regenerate") for _ in range(2)))
        await panel.until(["new"])
        await idle(worker)
    assert len(panel.openai.calls) == 2


async def test_a_regeneration_that_is_running_is_said_to_who_presses_again(panel: Panel) -> None:
    panel.openai.script("old", SLOW)
    async with panel.stage.worker() as worker:
        await panel.ask()
        old = panel.last()
        await panel.press(panel.bob, "regenerate")
        await panel.until_told("word word")
        assert panel.buttons() == [["stop"]]
        await panel.press(panel.bob, "stop", old)
        await panel.until_told("I stopped here")
        await idle(worker)
    assert len(panel.openai.calls) == 2


async def test_a_shorter_new_answer_takes_back_the_messages_it_does_not_need(panel: Panel) -> None:
    panel.stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    whole = "\n\n".join(f"Paragraph {n}. " + "lorem ipsum dolor " * 30 for n in range(28))
    panel.openai.script(whole, "short after all")
    async with panel.stage.worker() as worker:
        await panel.ask()
        await idle(worker)
        first = panel.messages()[0]
        assert len(panel.messages()) > 1
        await panel.press(panel.bob, "regenerate")
        await panel.until(["short after all"])
        assert panel.last() is first
        assert panel.buttons() == [AFTER]


async def test_a_button_works_after_a_restart_and_its_regeneration_outlives_a_kill(panel: Panel) -> None:
    panel.openai.script("old", SLOW)
    async with panel.stage.worker():
        await panel.ask()
    async with panel.stage.process() as worker:
        await panel.press(panel.bob, "regenerate")
        await panel.until_told("word word")
        await worker.kill()
    panel.openai.script("new")
    async with panel.stage.worker():
        await panel.until(["new"])
        await panel.until_buttons(AFTER)


async def test_a_press_that_was_stored_and_told_again_is_done_once(on_stage: Stage) -> None:
    panel = Panel(on_stage, "slack")
    on_stage.openai.script("old", "new", "newer")
    async with on_stage.worker() as worker:
        await panel.ask()
        await panel.press(panel.bob, "regenerate")
        await panel.until(["new"])
        await idle(worker)
    [delivery] = [d for d in on_stage.slack.deliveries if d.kind == "interactive"]
    async with on_stage.worker() as worker:
        assert (await on_stage.slack.redeliver_interaction(delivery)).acked
        await idle(worker)
    assert len(on_stage.openai.calls) == 2


async def test_continue_goes_on_below_and_its_button_vanishes(panel: Panel) -> None:
    panel.openai.script(CUT, "four five six")
    async with panel.stage.worker() as worker:
        await panel.ask("count")
        assert panel.buttons() == [["continue", *AFTER]]
        cut = panel.last()
        await panel.press(panel.bob, "continue")
        await panel.until_told("four five six")
        await panel.until_buttons(AFTER, AFTER)
        await idle(worker)
        assert panel.messages()[0] is cut
        assert "one two three" in panel.shown()[0]
    last = panel.openai.calls[1].body["messages"]
    assert [m["role"] for m in last[1:]] == ["user", "assistant", "user"]
    assert last[2]["content"] == "one two three"
    assert "Go on exactly where your answer stopped" in last[3]["content"]


@pytest.mark.parametrize("again", ["", "```python\n"])
async def test_code_that_was_cut_goes_on_as_code(panel: Panel, again: str) -> None:
    cut = Reply("Here:\n\n```python\ndef a():\n    return 2 * 3 * 4", finish_reason="length")
    panel.openai.script(cut, f"{again}    x = a * b * c\n    return x\n```\n\nDone.", "later")
    async with panel.stage.worker() as worker:
        asked = await panel.ask("write it")
        await idle(worker)
        await panel.press(panel.bob, "continue")
        shown = await panel.until_told("Done.")
        await idle(worker)
        await panel.say_on(panel.bob, asked, "and then?")
        await panel.until_told("later")
        await idle(worker)
    assert "    x = a * b * c\n    return x" in shown
    if panel.platform == "discord":
        assert shown.startswith("```python\n    x = a")
    else:
        assert "```" in shown.partition("x = a")[0] and "*" in shown
    assert panel.answers_in(-1)[1].startswith("```python\n    x = a * b * c")


async def test_thumbs_are_counted_once_for_each_person_whoever_they_are(panel: Panel) -> None:
    panel.openai.script("an answer")
    eve = panel.newcomer("eve")
    bob_id, eve_id = panel.id_of(panel.bob), panel.id_of(eve)
    async with panel.stage.worker():
        await panel.ask(person=panel.bob)
        assert "good answer" in await panel.hears(eve, "good")
        assert "bad answer" in await panel.hears(panel.bob, "bad")
        assert sorted(panel.ratings()) == sorted([(eve_id, 1), (bob_id, -1)])
        assert "bad answer" in await panel.hears(eve, "bad")
        assert "taken your rating back" in await panel.hears(panel.bob, "bad")
        assert panel.ratings() == [(eve_id, -1)]
    assert panel.edits() == 0


async def test_reactions_of_any_skin_count_and_go_with_their_end(panel: Panel) -> None:
    panel.openai.script("an answer")
    bob_id = panel.id_of(panel.bob)
    async with panel.stage.worker():
        await panel.ask(person=panel.bob)
        await panel.react(panel.bob, UP_TOO)
        await panel.until_rated([(bob_id, 1)])
        await panel.react(panel.bob, DOWN)
        await panel.until_rated([(bob_id, -1)])
        await panel.unreact(panel.bob, UP_TOO)
        await panel.unreact(panel.bob, DOWN)
        await panel.until_rated([])
        await panel.react(panel.bob, {"slack": "tada", "discord": "🎉"})
        await panel.react(panel.bob, UP)
        await panel.until_rated([(bob_id, 1)])


async def test_a_button_under_a_message_that_is_not_known_any_more_says_so_kindly(panel: Panel) -> None:
    panel.openai.script("an answer")
    async with panel.stage.worker() as worker:
        await panel.ask()
        await idle(worker)
    (panel.stage.folder / "parley.db").unlink()
    async with panel.stage.worker():
        assert "I don't know that answer any more" in await panel.hears(panel.bob, "regenerate")
        assert "I don't know that answer any more" in await panel.hears(panel.bob, "good")
    assert len(panel.openai.calls) == 1


async def test_without_a_question_there_is_nothing_to_regenerate(panel: Panel) -> None:
    panel.openai.script("an answer")
    async with panel.stage.worker() as worker:
        asked = await panel.ask()
        await panel.until(["an answer"])
        await idle(worker)
        await panel.slack.delete(asked) if panel.platform == "slack" else await panel.discord.delete(asked)  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            while panel.stored("SELECT 1 FROM messages WHERE role = 'user' AND NOT deleted"):
                await asyncio.sleep(0.02)
        assert "nothing left to answer" in await panel.hears(panel.bob, "regenerate")


async def test_limits_hold_for_presses_too(panel: Panel) -> None:
    panel.stage.extra["PARLEY_USER_MESSAGES_PER_MINUTE"] = "1"
    panel.openai.script("an answer", "another")
    async with panel.stage.worker():
        await panel.ask(person=panel.bob)
        assert "That was a lot at once" in await panel.hears(panel.bob, "regenerate")
        assert panel.shown() == ["an answer"]
    assert len(panel.openai.calls) == 1


async def test_an_answer_that_failed_can_be_tried_again_by_who_asked(panel: Panel) -> None:
    panel.openai.script("", "this time")
    async with panel.stage.worker() as worker:
        await panel.ask()
        await idle(worker)
        assert panel.buttons() == [["regenerate"]]
        await panel.press(panel.bob, "regenerate")
        await panel.until(["this time"])


async def test_a_new_wording_of_an_answered_question_is_offered_an_answer_and_gets_it(panel: Panel) -> None:
    panel.openai.script("about cats", "about dogs")
    async with panel.stage.worker() as worker:
        asked = await panel.ask("cats?")
        await idle(worker)
        await panel.reword(asked, "dogs?")
        await panel.until_buttons(["again", "good", "bad"])
        assert panel.shown() == ["about cats"]
        await panel.press(panel.bob, "again")
        await panel.until(["about dogs"])
        await panel.until_buttons(AFTER)
    assert "dogs?" in list(user_texts(panel.openai.calls[1].body))[-1]


async def test_a_new_wording_of_a_question_whose_answer_failed_is_offered_an_answer_too(panel: Panel) -> None:
    panel.openai.faults.add(CHAT, errors.bad_request("no such thing"))
    panel.openai.script("this time")
    async with panel.stage.worker() as worker:
        asked = await panel.ask("cats?")
        await idle(worker)
        assert panel.stored("SELECT state FROM turns") == [("failed",)]
        await panel.reword(asked, "dogs?")
        await panel.until_buttons(["again"])
        await panel.press(panel.bob, "again")
        await panel.until(["this time"])
        await panel.until_buttons(AFTER)


async def test_a_team_that_does_not_like_buttons_has_none(panel: Panel) -> None:
    panel.stage.extra["PARLEY_BUTTONS"] = "off"
    panel.openai.script(Reply("word " * 30, by_words=True, chunk_delay=0.05), CUT)
    async with panel.stage.worker() as worker:
        await panel.ask()
        await panel.ask()
        await idle(worker)
        assert panel.buttons() == [[], []]
        await panel.react(panel.bob, UP)
        await panel.until_rated([(panel.id_of(panel.bob), 1)])
    assert not [r for r in panel.slack.requests if b"parley:" in r.body]


async def test_the_workspace_turns_them_off_in_chat(panel: Panel) -> None:
    panel.openai.script("first", "second")
    async with panel.stage.worker() as worker:
        await panel.ask()
        await panel.say(panel.lead, "!set workspace buttons off")
        await panel.until_told("**buttons**" if panel.platform == "discord" else "*buttons*")
        await panel.ask()
        await idle(worker)
    assert panel.buttons()[-1] == []
