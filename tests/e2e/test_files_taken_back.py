"""Files over the wire, back again: what an answer written anew does not come with goes, once that answer stands."""

from __future__ import annotations

import asyncio

import pytest

from bot.serving import App
from emulators.discord.state import Message as DiscordMessage
from emulators.faults import Fault
from emulators.openai import Reply
from emulators.slack.model import Message as SlackMessage
from emulators.slack.model import User as SlackUser
from storage.answers import ONE_PRESS_SECONDS
from tests.e2e.panel import Panel
from tests.e2e.stage import Stage
from tests.e2e.talk import POST, idle
from tests.e2e.team import Said

TWO = "Here:\n\n| who |\n|---|\n| Ada |\n\nAnd:\n\n| what |\n|---|\n| chess |"
ONE = "Anew:\n\n| where |\n|---|\n| Paris |"
NONE = "There is nothing to list."
LONG = Reply("half of an answer " * 100, by_words=True, chunk_delay=0.1)
REMOVE = {"slack": "files.delete", "discord": "DELETE /channels/{channel_id}/messages/{message_id}"}
COMPLETE = {"slack": "files.completeUploadExternal", "discord": POST["discord"]}
REFUSALS = {
    "slack": [
        Fault("answer", 200, {}, {"ok": False, "error": error})
        for error in ("cant_delete_file", "file_deleting_disabled", "missing_scope")
    ],
    "discord": [
        Fault("answer", 403, {}, {"code": 50013, "message": "Missing Permissions"}),
        Fault("answer", 403, {}, {"code": 50001, "message": "Missing Access"}),
    ],
}


@pytest.fixture(params=["slack", "discord"])
def panel(on_stage: Stage, request: pytest.FixtureRequest) -> Panel:
    """A team on each platform, which takes all at once: pace is judged elsewhere."""
    on_stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    return Panel(on_stage, request.param)


def fail(panel: Panel, name: dict[str, str], *faults: Fault) -> None:
    """Order faults for the next requests of a kind."""
    place = panel.slack if panel.platform == "slack" else panel.discord
    place.faults.add(name[panel.platform], *faults)


def asked_to_remove(panel: Panel) -> int:
    """How often the platform was asked to remove a file."""
    if panel.platform == "slack":
        return len([r for r in panel.slack.requests if r.path.endswith("files.delete")])
    return len([r for r in panel.discord.requests if r.method == "DELETE" and "/messages/" in r.path])


def attached(panel: Panel) -> list[str]:
    """What the files say that stand in the channel."""
    if panel.platform == "slack":
        files = [file.data for m in panel.slack.bot_messages() for file in m.files if file.mode == "hosted"]
    else:
        files = [file.data for m in panel.discord.bot_messages(panel.general) for file in m.attachments]  # type: ignore[arg-type]
    return [data.decode("utf-8-sig").replace("\r\n", " ").strip() for data in files]


def left_of_files(panel: Panel) -> int:
    """How many messages there are that show files, or that there was one."""
    everything = panel.slack.bot_messages() if panel.platform == "slack" else panel.discord.bot_messages(panel.general)  # type: ignore[arg-type]
    return len([m for m in everything if (m.files if isinstance(m, SlackMessage) else m.attachments)])


async def until_attached(panel: Panel, *expected: str) -> None:
    """Wait until exactly these files stand in the channel."""
    place = panel.slack if panel.platform == "slack" else panel.discord
    await place.wait_for(lambda: attached(panel) == list(expected))


async def edit(panel: Panel, question: Said, text: str) -> None:
    """Who asked words it anew."""
    if isinstance(question, SlackMessage):
        assert isinstance(panel.bob, SlackUser)
        await panel.slack.edit(panel.bob, question, f"<@{panel.slack.bot.id}> {text}")
    else:
        await panel.discord.edit(question, f"{panel.discord.bot.mention} {text}")


async def delete(panel: Panel, question: Said) -> None:
    """Who asked takes it back."""
    if isinstance(question, SlackMessage):
        await panel.slack.delete(question)
    else:
        await panel.discord.delete(question)


async def answered_with_files(panel: Panel, worker: App) -> None:
    """A question that was answered with two files."""
    await panel.say(panel.bob, "list them as csv")
    await until_attached(panel, "who Ada", "what chess")
    await idle(worker)


async def regenerated(panel: Panel, worker: App, anew: str) -> None:
    """The same one is answered anew."""
    await panel.press(panel.bob, "regenerate", panel.messages()[0])
    place = panel.slack if panel.platform == "slack" else panel.discord
    await place.wait_for(lambda: anew in panel.told()[0])
    await idle(worker)


def states(panel: Panel) -> list[str]:
    """What the database knows of the files."""
    return [state for (state,) in panel.stored("SELECT state FROM uploads ORDER BY intended_at, name")]


async def test_an_answer_written_anew_stands_with_its_own_files_alone(panel: Panel) -> None:
    panel.openai.script(TWO, ONE)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
        assert asked_to_remove(panel) == 0
        await regenerated(panel, worker, "Anew")
        assert attached(panel) == ["where Paris"]
    assert left_of_files(panel) == 1
    assert states(panel) == ["taken_back", "taken_back", "sent"]


async def test_a_third_answer_takes_back_what_the_second_came_with(panel: Panel) -> None:
    panel.openai.script(TWO, ONE, NONE)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
        await regenerated(panel, worker, "Anew")
        await asyncio.sleep(ONE_PRESS_SECONDS)
        await regenerated(panel, worker, "nothing")
        removed = asked_to_remove(panel)
    assert (attached(panel), left_of_files(panel), removed) == ([], 0, 3)
    assert panel.shown() == [NONE]


async def test_the_files_stand_until_the_new_answer_has_landed(panel: Panel) -> None:
    panel.openai.script(TWO, LONG)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
        await panel.press(panel.bob, "regenerate", panel.messages()[0])
        await panel.until_told("half of")
        assert attached(panel) == ["who Ada", "what chess"]
        await panel.press(panel.bob, "stop", panel.messages()[0])
        await panel.until_told("I stopped here")
        await idle(worker)
    assert attached(panel) == []


async def test_a_question_edited_after_a_file_was_posted_is_answered_without_that_file(panel: Panel) -> None:
    panel.openai.script(TWO, ONE)
    async with panel.stage.worker() as worker:
        # The first file lands, with the second the platform takes its time.
        before = [Fault("delay")] if panel.platform == "slack" else [Fault("delay"), Fault("delay")]
        fail(panel, COMPLETE, *before, Fault("delay", seconds=30))
        question = await panel.say(panel.bob, "list them as csv")
        await until_attached(panel, "who Ada")
        await edit(panel, question, "list the places as csv")
        await until_attached(panel, "where Paris")
        await idle(worker)
        assert asked_to_remove(panel) >= 1
    assert left_of_files(panel) == 1
    assert states(panel)[:1] == ["taken_back"] and "intended" not in states(panel)


async def test_a_file_of_unknown_fate_is_found_and_taken_back(panel: Panel) -> None:
    panel.openai.script(ONE, NONE)
    async with panel.stage.worker() as worker:
        # It stands there, and nothing tells so.
        before = [] if panel.platform == "slack" else [Fault("delay")]
        fail(panel, COMPLETE, *before, Fault("late_reply", seconds=30))
        question = await panel.say(panel.bob, "list them as csv")
        await until_attached(panel, "where Paris")
        await edit(panel, question, "list none, as csv")
        await panel.until([NONE])
        await idle(worker)
    assert (attached(panel), left_of_files(panel), states(panel)) == ([], 0, ["taken_back"])


async def test_a_question_deleted_after_a_file_was_posted_takes_the_file_along(panel: Panel) -> None:
    panel.openai.script(TWO)
    async with panel.stage.worker() as worker:
        before = [Fault("delay")] if panel.platform == "slack" else [Fault("delay"), Fault("delay")]
        fail(panel, COMPLETE, *before, Fault("late_reply", seconds=30))
        question = await panel.say(panel.bob, "list them as csv")
        await until_attached(panel, "who Ada", "what chess")
        await delete(panel, question)
        await until_attached(panel)
        await idle(worker)
    assert (panel.shown(), left_of_files(panel)) == ([], 0)
    assert panel.stored("SELECT state FROM turns") == [("cancelled",)]


async def test_what_a_process_that_died_has_not_taken_back_the_next_one_does(panel: Panel) -> None:
    panel.openai.script(TWO, ONE)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
    fail(panel, REMOVE, *[Fault("answer", status=503)] * 60)
    async with panel.stage.process() as process:
        await panel.press(panel.bob, "regenerate", panel.messages()[0])
        place = panel.slack if panel.platform == "slack" else panel.discord
        await place.wait_for(lambda: asked_to_remove(panel) > 0)
        assert attached(panel) == ["who Ada", "what chess", "where Paris"]
        await process.kill()
    place.faults.clear()
    async with panel.stage.worker() as worker:
        await until_attached(panel, "where Paris")
        await idle(worker)
    assert left_of_files(panel) == 1
    assert len(panel.openai.calls) == 2
    assert panel.stored("SELECT state FROM turns") == [("answered",)]


async def test_a_file_that_was_removed_when_the_process_died_is_no_trouble_to_the_next(panel: Panel) -> None:
    panel.openai.script(ONE, NONE)
    async with panel.stage.worker() as worker:
        await panel.say(panel.bob, "list them as csv")
        await until_attached(panel, "where Paris")
        await idle(worker)
    fail(panel, REMOVE, Fault("late_reply", seconds=60))
    async with panel.stage.process() as process:
        await panel.press(panel.bob, "regenerate", panel.messages()[0])
        await until_attached(panel)
        await process.kill()
    async with panel.stage.worker() as worker:
        await panel.until([NONE])
        await idle(worker)
    assert (left_of_files(panel), states(panel)) == (0, ["taken_back"])


@pytest.mark.parametrize("which", [0, 1])
async def test_a_platform_that_lets_no_file_go_leaves_the_answer_whole(panel: Panel, which: int) -> None:
    panel.openai.script(TWO, ONE)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
        fail(panel, REMOVE, *[REFUSALS[panel.platform][which]] * 2)
        await regenerated(panel, worker, "Anew")
        assert asked_to_remove(panel) == 2
    assert attached(panel) == ["who Ada", "what chess", "where Paris"]
    assert panel.stored("SELECT state, failure FROM turns") == [("answered", None)]
    assert panel.buttons()[0] == ["regenerate", "good", "bad"]
    assert "Anew" in panel.shown()[0]


async def test_files_that_somebody_removed_before_are_no_trouble(panel: Panel) -> None:
    panel.openai.script(TWO, ONE)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
        place = panel.slack if panel.platform == "slack" else panel.discord
        for message in place.bot_messages(panel.general):  # type: ignore[arg-type]
            if isinstance(message, SlackMessage) and message.files:
                message.files[0].mode = "tombstone"
                await panel.slack.delete(message)
            elif isinstance(message, DiscordMessage) and message.attachments:
                await panel.discord.delete(message)
        await regenerated(panel, worker, "Anew")
        assert attached(panel) == ["where Paris"]
    assert states(panel) == ["taken_back", "taken_back", "sent"]


async def test_a_removal_whose_reply_was_lost_or_delayed_comes_to_its_end(panel: Panel) -> None:
    panel.openai.script(TWO, NONE)
    async with panel.stage.worker() as worker:
        await answered_with_files(panel, worker)
        body = {"ok": False, "error": "ratelimited"} if panel.platform == "slack" else None
        limited = Fault("answer", 429, {"Retry-After": "1"}, body)
        fail(panel, REMOVE, Fault("lost_reply"), limited)
        await regenerated(panel, worker, NONE)
    assert (attached(panel), left_of_files(panel), states(panel)) == ([], 0, ["taken_back", "taken_back"])


async def test_who_waits_for_the_next_answer_does_not_wait_for_removals_without_end(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.files.taking_back.LUXURY_SECONDS", 1.0)
    panel.openai.script(ONE, NONE)
    async with panel.stage.worker() as worker:
        await panel.say(panel.bob, "list them as csv")
        await until_attached(panel, "where Paris")
        await idle(worker)
        fail(panel, REMOVE, Fault("delay", seconds=300))
        await panel.press(panel.bob, "regenerate", panel.messages()[0])
        await panel.until_told(NONE)
        async with asyncio.timeout(60):
            await idle(worker)
    assert states(panel) == ["sent"]
    assert panel.stored("SELECT state FROM turns") == [("answered",)]
