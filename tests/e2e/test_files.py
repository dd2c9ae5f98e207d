"""Files over the wire, in: what comes with a question is in the request to the model, and what is not is said."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.endings import NO_PICTURES
from bot.files import kinds
from bot.files.enclosures import FILES_OFF, VISION_OFF
from bot.files.fetching import DELETED, GONE, HIDDEN, NO_PERMISSION, NOT_NOW
from bot.files.limits import NOT_ALLOWED, TOO_MANY
from bot.files.opener import Opener
from bot.pictures import TOO_SLOW
from emulators.discord.state import Attachment
from emulators.discord.state import Upload as DiscordUpload
from emulators.faults import Fault
from emulators.openai import Reply
from emulators.slack.model import Message as SlackMessage
from emulators.slack.model import Upload as SlackUpload
from tests.e2e.stage import Stage
from tests.e2e.talk import Said, Talk, idle
from tests.e2e.test_catch_up import caught_up
from tests.files import samples

Sent = tuple[str, str, bytes]
NOTES: Sent = ("notes.txt", "text/plain", "The launch is on Thursday, über all.".encode())


def picture(colour: str = "teal", size: tuple[int, int] = (64, 48)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, colour).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(autouse=True)
def patient(on_stage: Stage) -> None:
    """The machine may be slow: how long a file takes to open is judged elsewhere."""
    on_stage.extra["PARLEY_FILES_SECONDS"] = "120"


async def send(talk: Talk, text: str, *files: Sent, mention: bool = True, thread: Said | None = None) -> Said:
    """Say something with files."""
    if talk.platform == "slack":
        slack = [SlackUpload(name, data, media_type) for name, media_type, data in files]
        ts = getattr(thread, "ts", None)
        return await talk.slack.say(talk.ada, talk.general, text, files=slack, mention=mention, thread_ts=ts)
    attached = [DiscordUpload(name, data, media_type) for name, media_type, data in files]
    return await talk.discord.say(
        talk.bob, talk.studio, text, attachments=attached, mention=mention,
        reply_to=None if thread is None else talk.discord.bot_messages(talk.studio)[-1],
    )  # fmt: skip


def asked(talk: Talk, call: int = -1) -> list[dict[str, Any]]:
    """What people said, in one request to the model."""
    return [message for message in talk.openai.calls[call].body["messages"] if message["role"] == "user"]


def texts(talk: Talk, call: int = -1) -> list[str]:
    """The same, the words of it alone."""
    return [m["content"] if isinstance(m["content"], str) else m["content"][0]["text"] for m in asked(talk, call)]


async def answers(talk: Talk, count: int = 1) -> Sequence[str]:
    await talk.place.wait_for(lambda: len(talk.answers()) >= count, timeout=60)
    return talk.answers()


async def test_a_text_file_is_read_with_the_question_and_still_there_at_the_next(talk: Talk) -> None:
    talk.openai.script("On Thursday.", "As I said.")
    async with talk.stage.worker() as worker:
        first = await send(talk, "when is it?", NOTES)
        assert list(await answers(talk)) == ["On Thursday."]
        await idle(worker)
        before = texts(talk)
        await talk.ask_on(first, "say again?")
        await answers(talk, 2)
        await idle(worker)
    assert before[0].endswith(
        "when is it?\n[attached: notes.txt, text/plain]\n"
        "The file notes.txt:\n```txt\nThe launch is on Thursday, über all.\n```"
    )
    assert texts(talk)[0] == before[0]
    fetched = [r for r in talk.place.requests if r.service in ("slack-files", "discord-cdn")]
    assert len(fetched) == 1


async def test_a_picture_is_shown_to_the_model_in_a_data_url(talk: Talk) -> None:
    talk.openai.script("A teal square.")
    async with talk.stage.worker():
        await send(talk, "what is this?", ("shot.png", "image/png", picture(size=(4_000, 2_000))))
        await answers(talk)
    [question] = asked(talk)
    text, image = question["content"]
    assert "what is this?" in text["text"]
    url = image["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    shown = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert shown.size == (1_536, 768)
    assert shown.getpixel((5, 5))[2] > 100  # type: ignore[index]


async def test_a_model_that_sees_no_pictures_answers_without_and_the_asker_is_told(talk: Talk) -> None:
    talk.stage.extra["OPENAI_MODEL"] = "o3-mini"
    talk.openai.script("I can't tell.", "You are welcome.")
    async with talk.stage.worker():
        said = await send(talk, "what is this?", ("shot.png", "image/png", picture()))
        await answers(talk)
        await talk.ask_on(said, "thanks anyway")
        first, second = await answers(talk, 2)
    assert NO_PICTURES in first
    assert NO_PICTURES not in second
    assert [call.status for call in talk.openai.calls] == [400, 200, 200]
    for call in (1, 2):
        assert "A picture is left out here" in asked(talk, call)[0]["content"]


async def test_each_kind_of_document_is_read_as_text(talk: Talk) -> None:
    files: list[Sent] = [
        ("report.pdf", "application/pdf", samples.pdf("Revenue rose")),
        ("letter.docx", "application/octet-stream", samples.word([("Heading 1", "Dear Ada"), ("", "Come at nine.")])),
        ("budget.xlsx", "application/octet-stream", samples.workbook(May=[["rent", 700]])),
        ("table.csv", "text/csv", b"name,age\nAda,36\n"),
        ("main.py", "text/x-python", b"print('```hello```')\n"),
    ]
    talk.openai.script("Understood.")
    async with talk.stage.worker():
        await send(talk, "read these", *files)
        assert list(await answers(talk)) == ["Understood."]
    [question] = texts(talk)
    for expected in ("Revenue rose", "# Dear Ada\n\nCome at nine.", "[sheet May]\nrent,700", "name,age\nAda,36"):
        assert expected in question
    assert "````py\nprint('```hello```')\n````" in question


async def test_what_is_left_out_is_told_in_one_line_to_the_asker_and_to_the_model(talk: Talk) -> None:
    talk.stage.extra |= {"PARLEY_FILES_PER_MESSAGE": "5", "PARLEY_FILES_MEGABYTES": "0.01"}
    files: list[Sent] = [
        ("all.zip", "application/zip", samples.archive(a=b"x")),
        ("huge.txt", "text/plain", b"x" * 20_000),
        ("locked.pdf", "application/pdf", samples.pdf("x", password="no")),
        NOTES,
        ("odd.png", "image/png", b"no picture"),
        ("sixth.txt", "text/plain", b"too many"),
        ("seventh.png", "image/png", picture()),
    ]
    talk.openai.script("I read the notes.")
    async with talk.stage.worker():
        await send(talk, "read these", *files)
        [answer] = await answers(talk)
    [question] = texts(talk)
    for name, why in (
        ("all.zip", kinds.ARCHIVE),
        ("huge.txt", "it is larger than 0.01 MB"),
        ("locked.pdf", kinds.PROTECTED),
        ("odd.png", "it is no image that I can read"),
        ("sixth.txt", TOO_MANY.format(5)),
        ("seventh.png", TOO_MANY.format(5)),
    ):
        assert f"[{name} is left out: {why}. You have not seen it.]" in question
        assert f"`{name}` ({why})" in answer
    said, line = answer.split("\n\n")
    assert said == "I read the notes."
    assert "notes.txt" not in line and "\n" not in line
    assert "Thursday" in question


async def test_a_long_text_is_cut_and_both_are_told(talk: Talk) -> None:
    talk.stage.extra["PARLEY_FILES_CHARACTERS"] = "100"
    talk.openai.script("Long.")
    async with talk.stage.worker():
        await send(talk, "read this", ("long.log", "text/plain", b"0123456789" * 500))
        [answer] = await answers(talk)
    [question] = texts(talk)
    assert f"The file long.log (only its first 100 characters):\n```log\n{'0123456789' * 10}\n```" in question
    assert "`long.log` (only its first 100 characters)" in answer


async def test_files_take_no_more_of_the_history_than_leaves_room_for_talk(talk: Talk) -> None:
    talk.stage.extra["PARLEY_HISTORY_TOKENS"] = "1000"
    talk.openai.script("Read.", "Again.")
    async with talk.stage.worker() as worker:
        first = await send(talk, "read", ("a.txt", "text/plain", b"small"), ("b.txt", "text/plain", b"word " * 5_000))
        [answer] = await answers(talk)
        await idle(worker)
        await talk.ask_on(first, "and?")
        await answers(talk, 2)
    assert "small" in texts(talk)[0]
    assert 300 < texts(talk)[0].count("word") <= 400
    assert "`b.txt` (only its first" in answer


async def test_files_and_pictures_can_be_turned_off(talk: Talk) -> None:
    talk.stage.extra |= {"PARLEY_FILES": "off", "PARLEY_VISION": "off"}
    talk.openai.script("I cannot see them.")
    async with talk.stage.worker():
        await send(talk, "look", NOTES, ("shot.png", "image/png", picture()))
        [answer] = await answers(talk)
    [question] = texts(talk)
    assert "Thursday" not in question
    assert f"[notes.txt is left out: {FILES_OFF}. You have not seen it.]" in question
    assert f"`notes.txt` ({FILES_OFF})" in answer and VISION_OFF in answer
    assert not [r for r in talk.place.requests if r.service in ("slack-files", "discord-cdn")]


async def test_kinds_that_the_host_does_not_want_are_not_fetched(talk: Talk) -> None:
    talk.stage.extra["PARLEY_FILES_TYPES"] = "pdf, .md"
    talk.openai.script("One of two.")
    async with talk.stage.worker():
        await send(talk, "look", NOTES, ("a.md", "text/markdown", b"# Plan"))
        await answers(talk)
    [question] = texts(talk)
    assert "# Plan" in question and "Thursday" not in question
    assert len([r for r in talk.place.requests if r.service in ("slack-files", "discord-cdn")]) == 1


@pytest.mark.parametrize(
    ("types", "seen", "withheld"),
    [
        ("pdf", "", "text/plain image/png image/jpeg"),
        ("images", "image/png image/jpeg", "text/plain"),
        (".jpg, text", "text/plain image/jpeg", "image/png"),
    ],
)
async def test_the_kinds_that_the_host_wants_hold_for_pictures_too(
    on_stage: Stage, types: str, seen: str, withheld: str
) -> None:
    talk = Talk(on_stage, "slack")
    talk.stage.extra["PARLEY_FILES_TYPES"] = types
    talk.openai.script("What I may.")
    files = {
        "text/plain": NOTES,
        "image/png": ("one.png", "image/png", picture()),
        "image/jpeg": ("two.jpg", "image/jpeg", picture("red")),
    }
    async with talk.stage.worker():
        await send(talk, "look", *files.values())
        [answer] = await answers(talk)
    [question] = asked(talk)
    images = [] if isinstance(question["content"], str) else question["content"][1:]
    assert len(images) == seen.count("image/")
    assert ("Thursday" in texts(talk)[0]) == ("text/plain" in seen)
    for kind in files:
        assert (f"`{files[kind][0]}` ({NOT_ALLOWED})" in answer) == (kind in withheld)
    fetched = [r for r in talk.place.requests if r.service == "slack-files"]
    assert len(fetched) == len(seen.split())


async def test_files_of_a_thread_are_read_when_the_bot_is_called_into_it(talk: Talk) -> None:
    talk.openai.script("On Thursday.")
    async with talk.stage.worker():
        root = await send(talk, "the plan, as agreed", NOTES, mention=False)
        if isinstance(root, SlackMessage):
            await talk.slack.say(talk.ada, talk.general, "when is it?", thread_ts=root.ts, mention=True)
        else:
            await talk.discord.say(talk.bob, talk.studio, "when is it?", reply_to=root, mention=True)
        assert list(await answers(talk)) == ["On Thursday."]
    assert "Thursday" in texts(talk)[0] and texts(talk)[1].endswith("when is it?")


async def test_a_file_that_the_platform_does_not_give_just_now_is_read_at_the_next_turn(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.files.fetching.FETCHED_WITHIN_SECONDS", 0.0)
    talk.openai.script("I could not see it.", "Now I can.")
    name = {"slack": "download", "discord": "cdn"}[talk.platform]
    async with talk.stage.worker() as worker:
        talk.place.faults.add(name, Fault("answer", status=503))
        first = await send(talk, "when?", NOTES)
        [answer] = await answers(talk)
        assert "`notes.txt` (the platform did not give it to me just now)" in answer
        await idle(worker)
        await talk.ask_on(first, "again?")
        await answers(talk, 2)
    assert "Thursday" not in texts(talk, 0)[0] and "Thursday" in texts(talk, 1)[0]


async def test_a_file_that_slack_tells_of_after_the_mention_is_read_by_the_answer_under_way(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    talk.openai.script(Reply("I see no file here. " * 20, chunk_delay=0.2), "On Thursday.")
    async with on_stage.worker() as worker:
        await caught_up(worker, "slack")
        said = await talk.slack.say(
            talk.ada, talk.general, "when is it?", files=[SlackUpload("notes.txt", NOTES[2], "text/plain")],
            mention=True, order="mention_first", paired=False,
        )  # fmt: skip
        await talk.openai.wait_for(lambda: talk.openai.calls)
        talk.slack.announce(said)
        await talk.until("On Thursday.")
        await idle(worker)
    assert "Thursday" not in texts(talk, 0)[0]
    assert "The launch is on Thursday" in texts(talk, 1)[0]
    assert len(talk.openai.calls) == 2


@pytest.mark.parametrize(
    ("withheld", "why"),
    [
        ({"mode": "tombstone"}, DELETED),
        ({"mode": "hidden_by_limit"}, HIDDEN),
        ({"access": "file_not_found"}, DELETED),
        ({"access": "access_denied"}, GONE),
    ],
    ids=["deleted", "over the plan's limit", "not found", "denied"],
)
async def test_a_file_that_slack_withholds_is_told_of_with_the_reason(
    on_stage: Stage, withheld: dict[str, Any], why: str
) -> None:
    talk = Talk(on_stage, "slack")
    talk.openai.script("I see none.")
    async with on_stage.worker():
        upload = SlackUpload("plan.txt", b"The launch is on Thursday", "text/plain", **withheld)
        await talk.slack.say(talk.ada, talk.general, "when?", files=[upload], mention=True)
        [answer] = await answers(talk)
    assert answer == f"I see none.\n\n_I did not see all that you sent: `file` ({why})._"
    assert f"[file is left out: {why}. You have not seen it.]" in texts(talk)[0]


async def test_files_of_a_channel_shared_with_others_are_asked_for_once_by_their_ids(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    talk.openai.script("On Thursday.", "As I said.")
    files = [
        SlackUpload("notes.txt", NOTES[2], "text/plain", access="check_file_info"),
        SlackUpload("shot.png", picture(), "image/png", access="check_file_info"),
    ]
    async with on_stage.worker() as worker:
        await caught_up(worker, "slack")
        first = await talk.slack.say(talk.ada, talk.general, "when?", files=files, mention=True)
        assert list(await answers(talk)) == ["On Thursday."]
        await idle(worker)
        before = asked(talk)
        await talk.ask_on(first, "say again?")
        await answers(talk, 2)
    text, image = before[0]["content"]
    assert "[attached: notes.txt, text/plain]\n[attached: shot.png, image/png]" in text["text"]
    assert "The launch is on Thursday" in text["text"]
    assert image["image_url"]["url"].startswith("data:image/")
    assert asked(talk)[0] == before[0]
    assert len([r for r in talk.slack.requests if r.path.endswith("/files.info")]) == 2


async def test_a_shared_file_that_slack_does_not_tell_of_just_now_is_asked_for_at_the_next_turn(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.files.told.FETCHED_WITHIN_SECONDS", 0.0)
    talk = Talk(on_stage, "slack")
    talk.openai.script("I could not see it.", "On Thursday.")
    async with on_stage.worker() as worker:
        await caught_up(worker, "slack")
        talk.slack.faults.add("files.info", Fault("answer", status=503))
        upload = SlackUpload("notes.txt", NOTES[2], "text/plain", access="check_file_info")
        first = await talk.slack.say(talk.ada, talk.general, "when?", files=[upload], mention=True)
        [answer] = await answers(talk)
        assert f"`file` ({NOT_NOW})" in answer
        await idle(worker)
        await talk.ask_on(first, "and now?")
        await answers(talk, 2)
    assert "The launch is on Thursday" in texts(talk)[0]


async def test_a_shared_file_without_the_scope_for_files_is_told_of_as_such(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    talk.slack.scopes.discard("files:read")
    async with on_stage.worker():
        upload = SlackUpload("notes.txt", NOTES[2], "text/plain", access="check_file_info")
        await talk.slack.say(talk.ada, talk.general, "when?", files=[upload], mention=True)
        [answer] = await answers(talk)
    assert f"`file` ({NO_PERMISSION})" in answer


HANGING = """
import json, pathlib, sys, time
asked = json.loads(sys.stdin.buffer.readline())
data = sys.stdin.buffer.read()
while b"hang" in data and not pathlib.Path({gate!r}).exists():
    time.sleep(0.05)
from bot.files import opening
opened = opening.picture_of(data) if asked["kind"] == "picture" else opening.Opened(text=data.decode("latin-1"))
sys.stdout.write(json.dumps(opening.asdict(opened)))
"""


@pytest.mark.parametrize(
    "file",
    [("shot.png", "image/png", picture()), ("plan.pdf", "application/pdf", b"%PDF-1.4 a plan")],
    ids=["a picture", "a document"],
)
async def test_ones_slow_files_hold_up_nobody_elses(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Sent
) -> None:
    gate = tmp_path / "gate"
    command = (sys.executable, "-c", HANGING.format(gate=str(gate)))
    monkeypatch.setattr("bot.app.Opener", partial(Opener, command=command))
    talk = Talk(on_stage, "slack")
    mallory, other = talk.slack.add_user("mallory"), talk.slack.add_channel("other")
    async with on_stage.worker() as worker:
        await caught_up(worker, "slack")
        for text in ("read these", "and these"):
            slow = [SlackUpload(f"{n}.pdf", b"%PDF-1.4 hang", "application/pdf") for n in range(3)]
            await talk.slack.say(mallory, other, text, mention=True, files=slow)
        await talk.slack.wait_for(lambda: len([r for r in talk.slack.requests if r.service == "slack-files"]) == 6)
        await send(talk, "what is in it?", file)
        await answers(talk)
        assert len(talk.openai.calls) == 1  # the slow ones are still being read
        gate.touch()
        await idle(worker)
    assert len(talk.openai.calls) == 3
    assert "hang" in str(talk.openai.calls[-1].body)


async def test_a_picture_that_is_too_long_on_its_way_holds_no_answer_up(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.pictures.SHOWN_WITHIN_SECONDS", 0.5)
    talk.openai.script("I could not see it.")
    async with talk.stage.worker():
        name = {"slack": "download", "discord": "cdn"}[talk.platform]
        talk.place.faults.add(name, Fault("delay", seconds=600))
        await send(talk, "look", ("shot.png", "image/png", picture()))
        [answer] = await answers(talk)
    assert f"`shot.png` ({TOO_SLOW})" in answer


async def test_slack_without_the_scope_for_files_is_told_of_as_such(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    talk.slack.scopes.discard("files:read")
    async with on_stage.worker():
        await send(talk, "when?", NOTES)
        [answer] = await answers(talk)
    assert f"`notes.txt` ({NO_PERMISSION})" in answer


async def test_a_file_that_is_html_is_read_and_not_taken_for_a_login_page(talk: Talk) -> None:
    talk.openai.script("A page.")
    async with talk.stage.worker():
        await send(talk, "what is it?", ("index.html", "text/html", b"<h1>Our own page</h1>"))
        assert list(await answers(talk)) == ["A page."]
    assert "<h1>Our own page</h1>" in texts(talk)[0]


async def test_an_address_of_discords_that_has_expired_is_renewed(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.files.fetching.FETCHED_WITHIN_SECONDS", 0.0)
    talk = Talk(on_stage, "discord")
    talk.openai.script("I could not see it.", "On Thursday.")
    async with on_stage.worker() as worker:
        talk.discord.faults.add("cdn", Fault("answer", status=503))
        said = await send(talk, "when?", NOTES)
        await answers(talk)
        await idle(worker)
        [attachment] = said.attachments
        assert isinstance(attachment, Attachment)
        attachment.expires, expired = 0.0, attachment.url
        await talk.ask_on(said, "and now?")
        await answers(talk, 2)
    assert attachment.url != expired
    assert "Thursday" in texts(talk)[0]


async def test_a_file_that_is_gone_from_the_platform_is_told_of(on_stage: Stage) -> None:
    talk = Talk(on_stage, "discord")
    async with on_stage.worker():
        talk.discord.faults.add("cdn", Fault("answer", status=404))
        await send(talk, "when?", NOTES)
        [answer] = await answers(talk)
    assert f"`notes.txt` ({GONE})" in answer
