"""Forms, buttons and the Home tab over the wire: opened in time, answered always, carried out once."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from adapters.slack.blockkit import SETTINGS
from bot.errors import StorageFailed
from bot.interactions import CommandAnswer, Form, FormField, HomePage, HomeSection, OutgoingFile
from bot.messages import Address
from emulators.faults import Fault
from emulators.slack import Channel, Modal, SlackWorkspace, Timing, User
from tests.slack.stage import FAST, RecordingSink, calls, place_of, running

PATIENT = 20.0
PNG = OutgoingFile("usage.png", "image/png", b"\x89PNG picture", "Dollars per day")


@pytest.fixture
def ada(slack: SlackWorkspace) -> User:
    return slack.add_user("ada", admin=True)


@pytest.fixture
def general(slack: SlackWorkspace, ada: User) -> Channel:
    return slack.add_channel("general")


def asking(slack: SlackWorkspace, channel: Channel) -> CommandAnswer:
    """An answer with a form, and the words for where there can be none."""
    fields = (
        FormField("temperature", "temperature", "line", "0.2", "A number from 0 to 2."),
        FormField("system", "system", "lines"),
        FormField("streaming", "streaming", "choice", choices=("on", "off")),
    )
    form = Form("settings", "Settings here", place_of(slack, channel), fields)
    return CommandAnswer("What holds in this channel: **temperature** 0.2", form=form)


async def opened(slack: SlackWorkspace, user: User) -> Modal:
    await slack.wait_for(lambda: slack.modal(user), timeout=PATIENT)
    modal = slack.modal(user)
    assert modal is not None
    return modal


async def published(slack: SlackWorkspace, user: User) -> dict[str, Any]:
    """The person's Home tab."""
    await slack.wait_for(lambda: user.id in slack.homes, timeout=PATIENT)
    return slack.homes[user.id]


async def whispered(slack: SlackWorkspace, user: User, channel: Channel, count: int = 1) -> str:
    """What the person alone has read in the channel by the time there are so many messages."""
    await slack.wait_for(lambda: len(slack.whispers(user, channel)) >= count, timeout=PATIENT)
    return "\n".join(slack.visible_text(message) for message in slack.whispers(user, channel))


async def test_the_bare_command_opens_the_channels_settings_and_sending_them_tells_the_sender_alone(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    bob = slack.add_user("bob")
    general.members.add(bob.id)
    sink.answer = asking(slack, general)
    sink.form_answer = CommandAnswer("**temperature** is 0.7 now.")
    async with running(slack, sink):
        assert (await slack.slash(ada, general, "/parley")).acked
        await opened(slack, ada)
        assert (sink.commands[0].name, sink.commands[0].arguments) == ("", ())
        delivery = await slack.submit(ada, {"temperature": "0.7", "system": "One.\nTwo.", "streaming": "off"})
        assert (delivery.acked, delivery.response, slack.modal(ada)) == (True, None, None)
        assert await whispered(slack, ada, general) == "**temperature** is 0.7 now."
        assert slack.whispers(bob, general) == []
        (submitted,) = sink.forms
        assert dict(submitted.values) == {"temperature": "0.7", "system": "One.\nTwo.", "streaming": "off"}
        assert (submitted.form, submitted.address) == ("settings", place_of(slack, general))
        assert (submitted.author.id, submitted.author.is_admin) == (ada.id, True)
        assert submitted.author.roles == frozenset({"admin", "member"})


async def test_each_use_of_a_command_has_an_id_of_its_own_that_fits_a_key(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink):
        for _ in range(2):
            await slack.slash(ada, general, "/parley", "forget")
        await sink.wait_for(lambda: len(sink.commands) == 2, timeout=PATIENT)
        first, second = (command.id for command in sink.commands)
        assert first != second
        assert all(1 <= len(each) <= 40 for each in (first, second))


async def test_problems_keep_the_form_open_until_they_are_mended(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = asking(slack, general)
    sink.form_answer = CommandAnswer("Nothing was changed.", problems={"temperature": "It must be from 0 to 2."})
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley")
        modal = await opened(slack, ada)
        await slack.submit(ada, {"temperature": "9"})
        block = next(b["block_id"] for b in modal.view["blocks"] if b["element"]["action_id"] == "temperature")
        assert (modal.is_open, modal.errors) == (True, {block: "It must be from 0 to 2."})
        assert slack.whispers(ada, general) == []
        sink.form_answer = CommandAnswer("Saved.")
        await slack.submit(ada, {"temperature": "1"})
        assert not modal.is_open
        assert await whispered(slack, ada, general) == "Saved."
        assert [form.values["temperature"] for form in sink.forms] == ["9", "1"]


@pytest.mark.parametrize("failure", [StorageFailed("disk"), KeyError("a bug")])
async def test_a_form_that_the_core_fails_at_says_so_and_stays_open(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel, failure: Exception
) -> None:
    sink.answer, sink.form_answer = asking(slack, general), failure
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley")
        modal = await opened(slack, ada)
        assert (await slack.submit(ada, {})).acked
        assert modal.is_open
        assert "Something went wrong on my side" in str(modal.errors)


async def test_a_form_that_takes_long_shows_that_it_is_worked_on_and_then_what_came_of_it(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer, sink.form_answer = asking(slack, general), CommandAnswer("**temperature** is 0.7 now.")
    async with running(slack, sink, dataclasses.replace(FAST, submission=0.05)):
        await slack.slash(ada, general, "/parley")
        modal = await opened(slack, ada)
        sink.form_gate.clear()
        assert (await slack.submit(ada, {"temperature": "0.7"})).acked
        assert "Working on it" in str(modal.view)
        sink.form_gate.set()
        await slack.wait_for(lambda: "0.7 now" in str(modal.view["blocks"]), timeout=PATIENT)
        assert modal.view["submit"] is None
        assert slack.whispers(ada, general) == []


async def test_a_form_that_took_long_and_has_a_problem_comes_back_with_what_was_typed(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = asking(slack, general)
    sink.form_answer = CommandAnswer("Nothing was changed.", problems={"temperature": "It must be from 0 to 2."})
    async with running(slack, sink, dataclasses.replace(FAST, submission=0.05)):
        await slack.slash(ada, general, "/parley")
        modal = await opened(slack, ada)
        sink.form_gate.clear()
        await slack.submit(ada, {"temperature": "9", "streaming": "on"})
        sink.form_gate.set()
        await slack.wait_for(lambda: "from 0 to 2" in str(modal.view["blocks"]), timeout=PATIENT)
        sink.form_answer = CommandAnswer("Saved.")
        await slack.submit(ada, {"temperature": "1"})
        await sink.wait_for(lambda: len(sink.forms) == 2, timeout=PATIENT)
        assert dict(sink.forms[1].values) == {"temperature": "1", "system": "", "streaming": "on"}


async def test_what_came_of_a_form_that_was_closed_meanwhile_is_said_in_the_channel_to_its_sender(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = asking(slack, general)
    async with running(slack, sink, dataclasses.replace(FAST, submission=0.05)):
        await slack.slash(ada, general, "/parley")
        await opened(slack, ada)
        sink.form_gate.clear()
        await slack.submit(ada, {})
        slack.close_modal(ada)
        sink.form_gate.set()
        assert await whispered(slack, ada, general) == "Saved."


async def test_what_came_of_a_form_about_a_channel_without_the_bot_is_a_direct_message(
    slack: SlackWorkspace, sink: RecordingSink, ada: User
) -> None:
    outside = slack.add_channel("outside", bot=False)
    sink.answer = asking(slack, outside)
    async with running(slack, sink):
        await slack.slash(ada, outside, "/parley")
        await opened(slack, ada)
        await slack.submit(ada, {})
        dm = slack.open_dm(ada)
        (said,) = await slack.wait_for(lambda: slack.bot_messages(dm), timeout=PATIENT)
        assert said.text == "Saved."


async def test_a_form_that_comes_too_late_is_told_in_words_with_a_button_that_opens_it(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = asking(slack, general)
    async with running(slack, sink, dataclasses.replace(FAST, trigger=0.0)):
        await slack.slash(ada, general, "/parley")
        assert "temperature" in await whispered(slack, ada, general)
        assert (calls(slack, "views.open"), slack.modals) == (0, [])
    async with running(slack, sink):
        await slack.wait_connected()
        (said,) = slack.whispers(ada, general)
        assert (await slack.press(ada, said, SETTINGS)).acked
        await opened(slack, ada)
        assert [command.name for command in sink.commands] == ["", ""]
        assert sink.commands[1].address == place_of(slack, general)


@pytest.mark.parametrize("code", ["expired_trigger_id", "exchanged_trigger_id", "missing_scope", "internal_error"])
async def test_a_form_that_slack_does_not_open_is_told_in_words_with_a_button(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel, code: str
) -> None:
    sink.answer = asking(slack, general)
    async with running(slack, sink):
        slack.faults.add("views.open", Fault("answer", 200, {}, {"ok": False, "error": code}))
        await slack.slash(ada, general, "/parley")
        assert "temperature" in await whispered(slack, ada, general)
        await slack.press(ada, slack.whispers(ada, general)[0], SETTINGS)
        await opened(slack, ada)


async def test_a_form_is_opened_on_a_trigger_that_slack_still_takes_and_not_on_one_it_does_not(
    sink: RecordingSink,
) -> None:
    async with SlackWorkspace(timing=Timing(trigger_life=0.2, ack_deadline=5.0), limits="none") as slack:
        ada = slack.add_user("ada")
        general = slack.add_channel("general")
        sink.answer = asking(slack, general)
        async with running(slack, sink):
            sink.gate.clear()
            assert (await slack.slash(ada, general, "/parley")).acked
            await asyncio.sleep(0.3)
            sink.gate.set()
            assert "temperature" in await whispered(slack, ada, general)
            assert slack.modals == []


async def test_the_answer_to_show_has_a_button_however_long_or_odd_it_is(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink):
        for count, text in enumerate(["word " * 1_500, "| a |\n|---|\n| 1 |", "- a\n- b"], 1):
            sink.answer = text
            before = len(slack.whispers(ada, general))
            await slack.slash(ada, general, "/parley", "show")
            await sink.wait_for(lambda: len(sink.commands) == count, timeout=PATIENT)  # noqa: B023 - awaited at once
            await whispered(slack, ada, general, before + 1)
            await slack.wait_for(lambda: SETTINGS in str(slack.whispers(ada, general)[-1].blocks), timeout=PATIENT)
        sink.answer = "Done."
        await slack.slash(ada, general, "/parley", "reset model")
        assert (await whispered(slack, ada, general, len(slack.whispers(ada, general)) + 1)).endswith("Done.")
        assert [block["type"] for block in slack.whispers(ada, general)[-1].blocks] == ["markdown"]


async def test_whoever_may_change_nothing_is_answered_in_words_by_the_button_too(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink):
        sink.answer = "What holds: nothing."
        await slack.slash(ada, general, "/parley", "show")
        await whispered(slack, ada, general)
        sink.answer = "You may change nothing here."
        await slack.press(ada, slack.whispers(ada, general)[0], SETTINGS)
        assert (await whispered(slack, ada, general, 2)).endswith("You may change nothing here.")


async def test_a_form_or_a_press_that_slack_tells_of_twice_is_carried_out_once(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = asking(slack, general)
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley", "show")
        await opened(slack, ada)
        sink.form_answer = CommandAnswer("No.", problems={"temperature": "No."})
        first = await slack.submit(ada, {"temperature": "9"})
        again = await slack.redeliver_interaction(first)
        assert (again.acked, again.response) == (True, first.response)
        assert len(sink.forms) == 1
        sink.answer = "In words."
        await slack.slash(ada, general, "/parley", "show")
        await whispered(slack, ada, general)
        press = await slack.press(ada, slack.whispers(ada, general)[0], SETTINGS)
        await slack.redeliver_interaction(press)
        await whispered(slack, ada, general, 2)
        assert [command.name for command in sink.commands] == ["show", "show", ""]


async def test_a_button_or_a_form_that_is_not_ours_is_acknowledged_and_left_alone(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    view: dict[str, Any] = {"id": "V9", "type": "modal", "callback_id": "other", "blocks": []}
    async with running(slack, sink):
        assert (await slack.submit_view(ada, view, {})).acked
        said = await slack.say(ada, general, "x", blocks=[{"type": "actions", "elements": [{"action_id": "other"}]}])
        assert (await slack.press(ada, said, "other")).acked
        assert (sink.forms, sink.commands) == ([], [])


async def test_a_picture_in_an_answer_lands_in_the_channel_and_the_words_with_the_asker(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = CommandAnswer("3 answers.", file=PNG)
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley", "usage")
        assert await whispered(slack, ada, general) == "3 answers."
        (posted,) = await slack.wait_for(lambda: slack.bot_messages(general), timeout=PATIENT)
        (file,) = posted.files
        assert (file.name, file.data, file.alt_text) == (PNG.name, PNG.data, PNG.description)


async def test_a_picture_that_cannot_be_shown_is_told_of_with_what_helps(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = CommandAnswer("3 answers.", file=PNG)
    outside = slack.add_channel("outside", bot=False)
    async with running(slack, sink):
        await slack.slash(ada, outside, "/parley", "usage")
        assert "Invite me" in await whispered(slack, ada, outside, 2)
        slack.scopes.discard("files:write")
        await slack.slash(ada, general, "/parley", "usage")
        assert "files:write" in await whispered(slack, ada, general, 2)


async def test_a_private_picture_lands_in_the_askers_direct_conversation_and_not_in_the_channel(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.answer = CommandAnswer("3 answers.", file=dataclasses.replace(PNG, private=True))
    outside = slack.add_channel("outside", bot=False)
    async with running(slack, sink):
        for number, channel in enumerate((general, outside), 1):
            await slack.slash(ada, channel, "/parley", "usage")
            assert await whispered(slack, ada, channel) == "3 answers."
            direct = slack.open_dm(ada)
            await slack.wait_for(lambda: len(slack.bot_messages(direct)) == number, timeout=PATIENT)  # noqa: B023
            (file,) = slack.bot_messages(direct)[-1].files
            assert (file.name, file.data, file.alt_text) == (PNG.name, PNG.data, PNG.description)
        assert slack.bot_messages(general) == []


@pytest.mark.parametrize("scope", ["im:write", "files:write"])
async def test_a_private_picture_that_cannot_be_sent_is_told_of_and_shown_to_nobody(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel, scope: str
) -> None:
    sink.answer = CommandAnswer("3 answers.", file=dataclasses.replace(PNG, private=True))
    slack.scopes.discard(scope)
    async with running(slack, sink):
        await slack.slash(ada, general, "/parley", "usage")
        assert f"I lack the scope `{scope}`" in await whispered(slack, ada, general, 2)
        slack.scopes.add(scope)
        slack.faults.add("conversations.open", Fault("answer", 500))
        await slack.slash(ada, general, "/parley", "usage")
        assert "couldn't send you the picture just now" in await whispered(slack, ada, general, 4)
        assert slack.bot_messages(general) == []
        assert slack.bot_messages(slack.open_dm(ada)) == []


# ---- the Home tab


async def test_the_home_tab_shows_ones_page_and_its_button_opens_the_channels_form(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    other = slack.add_channel("other")
    sink.page = HomePage(
        (
            HomeSection("**Your month**\n3 answers."),
            HomeSection("- model: gpt-4o", place_of(slack, general), changes=True),
            HomeSection("- vision: off", place_of(slack, other), changes=True),
        )
    )
    async with running(slack, sink):
        await slack.open_home(ada)
        page = await published(slack, ada)
        assert "*Your month*" in str(page) and f"<#{other.id}>" in str(page)
        visitor, workspace = sink.visitors[0]
        assert (visitor.id, visitor.is_admin, workspace) == (ada.id, True, slack.team_id)
        sink.answer = asking(slack, other)
        assert (await slack.press(ada, page, SETTINGS, other.id)).acked
        await opened(slack, ada)
        assert sink.commands[0].address == place_of(slack, other)
        sink.page = HomePage((HomeSection("Changed."),))
        await slack.submit(ada, {"temperature": "1"})
        await slack.wait_for(lambda: "Changed." in str(slack.homes[ada.id]), timeout=PATIENT)
        assert sink.forms[0].address == Address("slack", slack.team_id, other.id)


async def test_a_press_on_the_home_tab_that_comes_to_words_is_answered_in_a_window(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    sink.page = HomePage((HomeSection("- model: gpt-4o", place_of(slack, general), changes=True),))
    async with running(slack, sink):
        await slack.open_home(ada)
        page = await published(slack, ada)
        sink.answer = "My database isn't answering."
        await slack.press(ada, page, SETTINGS)
        assert "database" in str((await opened(slack, ada)).view)
        slack.faults.add("views.open", Fault("answer", 200, {}, {"ok": False, "error": "expired_trigger_id"}))
        await slack.press(ada, page, SETTINGS)
        assert "database" in await whispered(slack, ada, general)


async def test_the_messages_tab_publishes_nothing_and_a_page_that_fails_is_a_sentence(
    slack: SlackWorkspace, sink: RecordingSink, ada: User
) -> None:
    sink.page = KeyError("a bug")
    async with running(slack, sink):
        await slack.open_home(ada, tab="messages")
        await slack.open_home(ada)
        page = await published(slack, ada)
        assert "Something went wrong on my side" in str(page)
        assert len(sink.visitors) == 1


async def test_a_home_tab_that_cannot_be_published_is_logged_once(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, capfd: pytest.CaptureFixture[str]
) -> None:
    sink.page = HomePage((HomeSection("Hello."),))
    refused = Fault("answer", 200, {}, {"ok": False, "error": "not_enabled"})
    async with running(slack, sink):
        for count in (1, 2, 3):
            slack.faults.add("views.publish", refused)
            await slack.open_home(ada)
            await slack.wait_for(lambda: calls(slack, "views.publish") == count, timeout=PATIENT)  # noqa: B023
    assert capfd.readouterr().out.count("slack_home_not_published") == 1
