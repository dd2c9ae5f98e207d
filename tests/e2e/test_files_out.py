"""Files over the wire, out: a long answer is whole in its messages and as a file, each once, whatever happens."""

from __future__ import annotations

import asyncio
import csv
import io
import re

import pytest

from bot.files.out import GOES_ON
from emulators.discord.state import Permission
from emulators.faults import Fault
from emulators.openai import Reply
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import POST, Talk, idle

CODE = [f"    value_{n} = compute(value_{n - 1}, step={n})  # line {n}" for n in range(1, 161)]
COMPLETE = {"slack": "files.completeUploadExternal", "discord": POST["discord"]}


@pytest.fixture(autouse=True)
def at_leisure(on_stage: Stage) -> None:
    """A model that may speak at length, and platforms that take all at once: pace is judged elsewhere."""
    on_stage.extra |= {"OPENAI_MAX_OUTPUT_TOKENS": "16000", "PARLEY_PLATFORM_LIMITS": "none"}


def long_answer(characters: int = 16_000) -> str:
    """An answer of so many characters, with a block of 160 lines of code in its middle."""
    prose = "\n\n".join(
        f"Paragraph {n}: " + f"a sentence about topic {n} that goes on for a while. " * 6 for n in range(40)
    )
    block = "```python\n" + "\n".join(CODE) + "\n```"
    before = prose[: (characters - len(block)) // 2].rsplit(" ", 1)[0]
    after = " ".join(f"afterthought{n}" for n in range(2_000))
    return f"{before}\n\n{block}\n\n{after}"[:characters].rstrip()


def few(talk: Talk) -> str:
    """A number of messages that such an answer does not fit; one of Slack's holds six times as much."""
    return "1" if talk.platform == "slack" else "2"


def shown(talk: Talk) -> list[str]:
    """The messages of the answer, those that are files left out."""
    if talk.platform == "slack":
        messages = [m for m in talk.slack.bot_messages(talk.general) if not m.deleted and not m.files]
        return [talk.slack.visible_text(m) for m in messages]
    return [m.content for m in talk.discord.bot_messages(talk.studio) if not m.deleted and not m.attachments]


def attached(talk: Talk) -> list[tuple[str, bytes]]:
    """The files that stand below it."""
    if talk.platform == "slack":
        files = [file for m in talk.slack.bot_messages(talk.general) if not m.deleted for file in m.files]
        return [(file.name, file.data) for file in files]
    found = [file for m in talk.discord.bot_messages(talk.studio) if not m.deleted for file in m.attachments]
    return [(file.filename, file.data) for file in found]


async def landed(talk: Talk, files: int) -> None:
    await talk.place.wait_for(lambda: len(attached(talk)) >= files, timeout=60)


def stem(name: str) -> str:
    return re.sub(r"-[0-9a-f]{8}\.", ".", name)


async def test_a_long_answer_with_much_code_arrives_whole_and_nothing_twice(talk: Talk) -> None:
    text = long_answer()
    assert len(text) == 16_000
    talk.openai.script(text)
    async with talk.stage.worker() as worker:
        await talk.ask()
        await landed(talk, 1 if talk.platform == "slack" else 2)
        await idle(worker)
    messages = shown(talk)
    together = "\n".join(messages)
    assert [together.count(line.strip()) for line in CODE] == [1] * 160
    words = [word for word in re.findall(r"\w+", text) if word != "python"]
    assert [word for word in re.findall(r"\w+", together) if word != "python"] == words
    assert all(message.count("```") % 2 == 0 for message in messages)
    # On Slack it takes two messages, which is no more than a few.
    *before, (name, code) = attached(talk)
    assert stem(name) == "code-1.py"
    assert [(stem(name), whole.decode()) for name, whole in before] == (
        [] if talk.platform == "slack" else [("answer.md", f"{text}\n")]
    )
    assert code.decode() == "\n".join(CODE) + "\n"


async def test_an_answer_takes_no_more_messages_than_is_set_and_goes_on_in_a_file(talk: Talk) -> None:
    talk.stage.extra["PARLEY_MAX_MESSAGES"] = few(talk)
    text = long_answer()
    talk.openai.script(text)
    async with talk.stage.worker() as worker:
        await talk.ask()
        await landed(talk, 2)
        await idle(worker)
    *before, last = shown(talk)
    assert len(before) + 1 == int(few(talk))
    begins = GOES_ON.partition("{")[0]
    assert begins in last and begins not in "".join(before)
    assert all(message.count("```") % 2 == 0 for message in (*before, last))
    assert attached(talk)[0][1].decode() == f"{text}\n"


async def test_what_is_shown_while_it_grows_takes_no_more_messages_either(talk: Talk) -> None:
    talk.stage.extra["PARLEY_MAX_MESSAGES"] = "1"
    talk.openai.script(Reply(long_answer(), chunk_chars=400, chunk_delay=0.05))
    most = 0
    async with talk.stage.worker() as worker:
        await talk.ask()
        await talk.place.wait_for(lambda: shown(talk))
        while await worker.store.turns.open_count():
            most = max(most, len(shown(talk)))
            await asyncio.sleep(0.01)
    assert most == 1 and len(shown(talk)) == 1


async def test_a_short_answer_comes_with_no_file(talk: Talk) -> None:
    talk.openai.script("Short. `code`\n\n```py\nprint()\n```")
    async with talk.stage.worker() as worker:
        await talk.ask()
        await talk.place.wait_for(lambda: shown(talk))
        await idle(worker)
        assert await worker.store.files.uploads(1) == []
    assert attached(talk) == []


async def test_a_table_comes_as_csv_for_who_asks_for_one(talk: Talk) -> None:
    talk.openai.script("Here:\n\n| who | age |\n|---|---|\n| Ada | 36 |\n| Änne, Jr. | 7 |")
    async with talk.stage.worker():
        await talk.ask("list them, also for Excel")
        await landed(talk, 1)
    [(name, data)] = attached(talk)
    assert stem(name) == "table-1.csv"
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert rows == [["who", "age"], ["Ada", "36"], ["Änne, Jr.", "7"]]


async def test_who_quotes_or_forwards_somebody_asking_for_csv_does_not_ask_for_it(on_stage: Stage) -> None:
    slack, discord, table = on_stage.slack, on_stage.discord, "| who |\n|---|\n| Ada |"
    ada, general, bob = slack.add_user("ada"), slack.add_channel("general"), discord.add_user("bob")
    alone = discord.open_dm(bob)
    on_stage.openai.script(table, "Hello.", table)
    async with on_stage.worker() as worker:
        wish = await slack.say(ada, general, "I need that as CSV")
        await slack.say(ada, general, "why?\n> or as Excel", mention=True, forward=wish)
        await slack.wait_for(lambda: slack.bot_messages(general))
        await idle(worker)
        wish_too = await discord.say(bob, alone, "I need that as CSV")
        await discord.wait_for(lambda: discord.bot_messages(alone))
        await idle(worker)
        await discord.say(bob, alone, "why?", reply_to=wish_too)
        await discord.wait_for(lambda: len(discord.bot_messages(alone)) > 1)
        await idle(worker)
    [forwarding, _, replying] = [str(list(user_texts(call.body))[-1]) for call in on_stage.openai.calls]
    assert "as CSV" in forwarding and "as Excel" in forwarding and "as CSV" in replying
    assert not [m for m in slack.bot_messages() if m.files]
    assert not [m for m in discord.bot_messages(alone) if m.attachments]


async def test_a_file_whose_posting_got_no_answer_stands_once(talk: Talk) -> None:
    talk.openai.script("Here:\n\n| who |\n|---|\n| Ada |")
    async with talk.stage.worker() as worker:
        if talk.platform == "discord":
            talk.fail(POST, Fault("delay"), Fault("lost_reply"), Fault("lost_reply"))
        else:
            talk.fail(COMPLETE, Fault("lost_reply"))
        await talk.ask("as csv")
        await landed(talk, 1)
        await idle(worker)
        assert [(u.state) for u in await worker.store.files.uploads(1)] == ["sent"]
    assert len(attached(talk)) == 1


async def test_a_file_is_posted_again_that_did_not_land(talk: Talk) -> None:
    talk.openai.script("Here:\n\n| who |\n|---|\n| Ada |")
    async with talk.stage.worker() as worker:
        lost = Fault("answer", status=503) if talk.platform == "slack" else Fault("reset")
        talk.fail(COMPLETE, *([Fault("delay")] if talk.platform == "discord" else []), lost)
        await talk.ask("as csv")
        await landed(talk, 1)
        await idle(worker)
    assert len(attached(talk)) == 1


async def test_a_file_waits_as_long_as_the_platform_asks_for(talk: Talk) -> None:
    talk.openai.script("Here:\n\n| who |\n|---|\n| Ada |")
    body = {"ok": False, "error": "ratelimited"} if talk.platform == "slack" else None
    before = [Fault("delay")] if talk.platform == "discord" else []
    async with talk.stage.worker() as worker:
        talk.fail(COMPLETE, *before, Fault("answer", 429, {"Retry-After": "1"}, body))
        await talk.ask("as csv")
        await landed(talk, 1)
        await idle(worker)
    assert len(attached(talk)) == 1


async def test_a_process_that_dies_between_posting_a_file_and_writing_that_down_leaves_one(talk: Talk) -> None:
    talk.openai.script("Here:\n\n| who |\n|---|\n| Ada |")
    before = [Fault("delay")] if talk.platform == "discord" else []
    talk.fail(COMPLETE, *before, Fault("late_reply", seconds=60))
    async with talk.stage.process() as worker:
        await talk.ask("as csv")
        await landed(talk, 1)
        await worker.kill()
    talk.openai.script("another wording")
    async with talk.stage.worker() as app:
        await idle(app)
        assert [u.state for u in await app.store.files.uploads(1)] == ["sent"]
    assert len(attached(talk)) == 1
    assert len(shown(talk)) == 1
    assert len(talk.openai.calls) == 1


async def test_a_process_that_dies_before_a_file_is_posted_leaves_it_to_the_next(talk: Talk) -> None:
    talk.openai.script("Here:\n\n| who |\n|---|\n| Ada |")
    before = [Fault("delay")] if talk.platform == "discord" else []
    talk.fail(COMPLETE, *before, *[Fault("answer", status=503)] * 50)
    async with talk.stage.process() as worker:
        await talk.ask("as csv")
        await talk.place.wait_for(lambda: shown(talk))
        name = "completeUploadExternal" if talk.platform == "slack" else "/messages"
        tried = 1 if talk.platform == "slack" else 2
        await talk.place.wait_for(
            lambda: len([r for r in talk.place.requests if r.method == "POST" and r.path.endswith(name)]) >= tried
        )
        await worker.kill()
    talk.place.faults.clear()
    assert attached(talk) == []
    async with talk.stage.worker() as app:
        await idle(app)
    assert len(attached(talk)) == 1 and len(shown(talk)) == 1


async def test_a_place_that_takes_no_files_gets_the_whole_answer_and_a_line(talk: Talk) -> None:
    talk.stage.extra["PARLEY_MAX_MESSAGES"] = few(talk)
    if talk.platform == "slack":
        talk.slack.scopes.discard("files:write")
    else:
        talk.discord.deny(talk.studio, Permission.ATTACH_FILES)
    talk.openai.script(long_answer())
    async with talk.stage.worker() as worker:
        await talk.ask()
        await talk.place.wait_for(lambda: "could not be attached" in "".join(shown(talk)), timeout=60)
        await idle(worker)
        states = [u.state for u in await worker.store.files.uploads(1)]
    together = "\n".join(shown(talk))
    assert states == ["refused", "refused"]
    assert [together.count(line.strip()) for line in CODE] == [1] * 160
    assert GOES_ON.partition("{")[0] not in together
    assert together.count("could not be attached") == 1
    assert attached(talk) == []


async def test_the_chart_of_a_command_whose_posting_got_no_answer_stands_once(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    async with on_stage.worker() as worker:
        await talk.ask("hello")
        await talk.place.wait_for(lambda: shown(talk))
        await idle(worker)
        talk.fail(COMPLETE, Fault("lost_reply"))
        question = await talk.ask("!usage month")
        await landed(talk, 1)
        await idle(worker)
        assert isinstance(question, SlackMessage)
    [(name, _)] = attached(talk)
    assert stem(name) == "usage.png"


async def test_a_reply_and_a_reaction_to_a_file_are_to_the_answer_that_it_belongs_to(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_MAX_MESSAGES"] = "2"
    talk = Talk(on_stage, "discord")
    talk.openai.script(long_answer(), "shorter")
    async with on_stage.worker() as worker:
        await talk.ask("explain it")
        await landed(talk, 2)
        await idle(worker)
        file = next(message for message in talk.discord.bot_messages(talk.studio) if message.attachments)
        await talk.discord.react(talk.bob, file, "👍")
        await talk.discord.say(talk.bob, talk.studio, "shorten that", reply_to=file)
        await talk.openai.wait_for(lambda: len(talk.openai.calls) == 2)
        await idle(worker)
        rated = await worker.store.database.read(
            lambda c: c.driver.execute("SELECT user_id, value FROM ratings").fetchall()
        )
    assert rated == [(str(talk.bob.id), 1)]
    said = [(m["role"], m["content"]) for m in talk.openai.calls[1].body["messages"][1:]]
    assert [role for role, _ in said] == ["user", "assistant", "user"]
    assert "explain it" in said[0][1] and "shorten that" in said[2][1]
