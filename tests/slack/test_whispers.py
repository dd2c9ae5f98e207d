"""What one person alone is shown, and files put into channels and threads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.capabilities import FindsFiles, TakesFilesBack, Uploads, Whispers
from bot.errors import DeliveryDelayed, DeliveryRefused, DeliveryUncertain
from bot.interactions import OutgoingFile
from bot.messages import Reply
from emulators.faults import Fault
from emulators.slack import SlackWorkspace
from emulators.slack.model import Upload
from tests.slack.stage import RecordingSink, place_of, running, thread_of

PNG = OutgoingFile("usage.png", "image/png", b"\x89PNG picture", "Dollars per day, " * 100)


async def test_a_whisper_reaches_one_person_only_in_its_thread(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, bob = slack.add_user("ada"), slack.add_user("bob")
    general = slack.add_channel("general")
    async with running(slack, sink) as adapter:
        assert isinstance(adapter, Whispers)
        asked = await slack.say(ada, general, "!show", mention=True)
        await adapter.whisper(thread_of(slack, asked), ada.id, Reply("**yours** alone, @Bob", {"Bob": bob.id}))
        (seen,) = slack.whispers(ada, general, asked.ts)
        assert seen.text == f"*yours* alone, <@{bob.id}>"
        assert slack.whispers(bob, general, asked.ts) == []
        assert slack.bot_messages(general) == []
        await adapter.whisper(place_of(slack, general), bob.id, Reply("| a |\n|---|\n| 1 |"))
        assert slack.whispers(bob, general)[0].blocks[0]["type"] == "markdown"


async def test_a_whisper_that_fails_fails_as_a_message_does(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    outside = slack.add_channel("outside", bot=False)
    async with running(slack, sink) as adapter:
        with pytest.raises(DeliveryRefused) as refused:
            await adapter.whisper(place_of(slack, outside), ada.id, Reply("x"))
        assert refused.value.code == "not_in_channel"
        limited = Fault("answer", 429, {"Retry-After": "7"}, {"ok": False, "error": "ratelimited"})
        slack.faults.add("chat.postEphemeral", limited, Fault("answer", 503))
        with pytest.raises(DeliveryDelayed) as delayed:
            await adapter.whisper(place_of(slack, outside), ada.id, Reply("x"))
        assert delayed.value.retry_after == 7
        with pytest.raises(DeliveryUncertain):
            await adapter.whisper(place_of(slack, outside), ada.id, Reply("x"))
        with pytest.raises(DeliveryRefused):
            await adapter.whisper(place_of(slack, outside), ada.id, Reply(" "))


async def test_a_file_lands_in_its_thread_with_its_words_and_its_description(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        assert isinstance(adapter, Uploads)
        asked = await slack.say(ada, general, "!usage", mention=True)
        await adapter.upload(thread_of(slack, asked), PNG, "**3** answers & <!channel>")
        (posted,) = slack.bot_messages(general, asked.ts)
        (file,) = posted.files
        assert posted.thread_ts == asked.ts
        assert posted.text.startswith("*3* answers &amp;")
        assert (file.name, file.data, file.media_type) == ("usage.png", PNG.data, "image/png")
        assert len(file.alt_text) == 1_000
        assert slack.crowd_pings == []
        await adapter.upload(place_of(slack, general), PNG)
        assert slack.bot_messages(general)[-1].text == ""


async def test_the_bytes_of_a_file_go_out_without_a_token(slack: SlackWorkspace, sink: RecordingSink) -> None:
    general = slack.add_channel("general")
    async with running(slack, sink) as adapter:
        await adapter.upload(place_of(slack, general), PNG)
        (sent,) = [request for request in slack.requests if request.service == "slack-files"]
        assert "Authorization" not in sent.headers and slack.bot_token.encode() not in sent.body
        assert sent.body == PNG.data


async def test_a_file_that_does_not_get_through_fails_as_a_message_does_and_nothing_is_seen(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    slack.add_user("ada")
    general, outside = slack.add_channel("general"), slack.add_channel("outside", bot=False)
    async with running(slack, sink) as adapter:
        for fault in (Fault("answer", 503), Fault("reset")):
            slack.faults.add("upload", fault)
            with pytest.raises(DeliveryUncertain):
                await adapter.upload(place_of(slack, general), PNG)
        slack.faults.add("upload", Fault("answer", 413))
        with pytest.raises(DeliveryRefused):
            await adapter.upload(place_of(slack, general), PNG)
        for url in (None, "ftp://127.0.0.1/x", "http://["):
            answer = {"ok": True, "upload_url": url, "file_id": "F1"}
            slack.faults.add("files.getUploadURLExternal", Fault("answer", 200, {}, answer))
            with pytest.raises(DeliveryUncertain):
                await adapter.upload(place_of(slack, general), PNG)
        with pytest.raises(DeliveryRefused) as refused:
            await adapter.upload(place_of(slack, outside), PNG)
        assert refused.value.code == "not_in_channel"
        slack.scopes.discard("files:write")
        with pytest.raises(DeliveryRefused) as lacking:
            await adapter.upload(place_of(slack, general), PNG)
        assert lacking.value.code == "missing_scope"
        assert slack.bot_messages(general) == []


async def test_a_file_of_ours_is_found_in_its_thread_by_its_name(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        assert isinstance(adapter, FindsFiles)
        asked = await slack.say(ada, general, "draw", mention=True, files=[Upload(PNG.name, PNG.data, "image/png")])
        here = thread_of(slack, asked)
        assert not await adapter.find_file(here, PNG.name, asked.ts)
        file_id = await adapter.upload(here, PNG)
        assert await adapter.find_file(here, PNG.name, asked.ts) == file_id
        assert not await adapter.find_file(here, "other.png", asked.ts)
        elsewhere = await slack.say(ada, general, "draw", mention=True)
        assert not await adapter.find_file(thread_of(slack, elsewhere), PNG.name, elsewhere.ts)


async def test_a_file_of_ours_is_taken_back_with_its_message(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        assert isinstance(adapter, TakesFilesBack)
        asked = await slack.say(ada, general, "draw", mention=True)
        here = thread_of(slack, asked)
        gone, stays = [await adapter.upload(here, file) for file in (PNG, replace(PNG, name="other.png"))]
        slack.faults.add("chat.delete", Fault("answer", 200, {}, {"ok": False, "error": "message_not_found"}))
        await adapter.take_file_back(here, gone, asked.ts)  # Slack may have removed the message itself
        await adapter.take_file_back(here, gone, asked.ts)  # or not: then it is still seen what it was
        await adapter.take_file_back(here, gone, asked.ts)
        await adapter.take_file_back(here, "F0NEVER", asked.ts)
        [left] = slack.bot_messages(general)
        assert [file.id for file in left.files] == [stays]
        for error in ("cant_delete_file", "delete_not_allowed", "file_deleting_disabled"):
            slack.faults.add("files.delete", Fault("answer", 200, {}, {"ok": False, "error": error}))
            with pytest.raises(DeliveryRefused) as refused:
                await adapter.take_file_back(here, stays, asked.ts)
            assert refused.value.code == error
        slack.faults.add("files.delete", Fault("answer", 429, {"Retry-After": "7"}, {"ok": False}))
        with pytest.raises(DeliveryDelayed):
            await adapter.take_file_back(here, stays, asked.ts)
        assert slack.bot_messages(general) == [left]


async def test_a_file_of_ours_in_a_direct_conversation_is_not_taken_for_a_persons(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink) as adapter:
        assert isinstance(adapter, FindsFiles)
        asked = await slack.say(ada, dm, "", files=[Upload(PNG.name, PNG.data, "image/png")])
        assert not await adapter.find_file(place_of(slack, dm), PNG.name, None)
        await adapter.upload(place_of(slack, dm), PNG)
        assert await adapter.find_file(place_of(slack, dm), PNG.name, asked.ts)
