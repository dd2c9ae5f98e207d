"""A team's settings changed through Slack's own surfaces, from the form to the model's next request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.slack.blockkit import SETTINGS
from emulators.slack import Channel, Modal, User
from tests.e2e import outages
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(180)

PATIENT = 30.0
PIRATE = "You are a pirate.\nSay arr."


@pytest.fixture(autouse=True)
def slack_alone(on_stage: Stage) -> None:
    on_stage.extra["DISCORD_BOT_TOKEN"] = ""


async def form_of(on_stage: Stage, user: User, channel: Channel) -> Modal:
    await on_stage.slack.slash(user, channel, "/parley")
    await on_stage.slack.wait_for(lambda: on_stage.slack.modal(user), timeout=PATIENT)
    modal = on_stage.slack.modal(user)
    assert modal is not None
    return modal


async def request_of(on_stage: Stage, user: User, channel: Channel) -> dict[str, Any]:
    """What the model is asked next in a channel."""
    question = await on_stage.slack.say(user, channel, "go", mention=True)
    await on_stage.slack.wait_for(lambda: on_stage.slack.bot_messages(channel, question.ts), timeout=PATIENT)
    return dict(on_stage.openai.calls[-1].body)


async def test_a_form_changes_the_next_request_in_its_channel_alone_and_the_channel_is_told(on_stage: Stage) -> None:
    on_stage.extra["OPENAI_MODEL"] = "gpt-4o-mini"
    slack = on_stage.slack
    ada = slack.add_user("ada", admin=True)
    sea, land = slack.add_channel("sea"), slack.add_channel("land")
    async with on_stage.worker():
        modal = await form_of(on_stage, ada, sea)
        await slack.submit(ada, {"temperature": "9"})
        assert modal.is_open and "0 to 2" in str(modal.errors)
        await slack.submit(ada, {"system": PIRATE, "temperature": "0.3"})
        await slack.wait_for(lambda: slack.whispers(ada, sea), timeout=PATIENT)
        (notice,) = await slack.wait_for(lambda: slack.bot_messages(sea), timeout=PATIENT)
        assert "ada changed" in slack.visible_text(notice)
        at_sea, on_land = await request_of(on_stage, ada, sea), await request_of(on_stage, ada, land)
    assert PIRATE in at_sea["messages"][0]["content"]
    assert at_sea["temperature"] == 0.3
    assert PIRATE not in on_land["messages"][0]["content"]
    assert "temperature" not in on_land


async def test_the_home_tab_changes_a_channel_and_shows_it_changed(on_stage: Stage) -> None:
    slack = on_stage.slack
    ada, bob = slack.add_user("ada", admin=True), slack.add_user("bob")
    sea = slack.add_channel("sea")
    async with on_stage.worker():
        await slack.slash(ada, sea, "/parley", "set language Deutsch")
        await slack.wait_for(lambda: slack.whispers(ada, sea), timeout=PATIENT)
        await slack.open_home(ada)
        await slack.wait_for(lambda: "Deutsch" in str(slack.homes.get(ada.id)), timeout=PATIENT)
        await slack.press(ada, slack.homes[ada.id], SETTINGS)
        await slack.wait_for(lambda: slack.modal(ada), timeout=PATIENT)
        await slack.submit(ada, {"language": "Polski"})
        await slack.wait_for(lambda: "Polski" in str(slack.homes[ada.id]), timeout=PATIENT)
        await slack.open_home(bob)
        await slack.wait_for(lambda: bob.id in slack.homes, timeout=PATIENT)
        assert "Polski" not in str(slack.homes[bob.id])


async def test_a_member_without_rights_reads_what_holds_and_opens_no_form(on_stage: Stage) -> None:
    slack = on_stage.slack
    slack.add_user("ada", admin=True)
    bob = slack.add_user("bob")
    sea = slack.add_channel("sea")
    async with on_stage.worker():
        await slack.slash(bob, sea, "/parley")
        (told,) = await slack.wait_for(lambda: slack.whispers(bob, sea), timeout=PATIENT)
        assert "temperature" in slack.visible_text(told)
        assert slack.modal(bob) is None


async def test_a_form_sent_while_the_database_is_held_says_so_and_keeps_what_was_typed(
    on_stage: Stage, tmp_path: Path
) -> None:
    slack = on_stage.slack
    ada = slack.add_user("ada", admin=True)
    sea = slack.add_channel("sea")
    async with on_stage.worker():
        modal = await form_of(on_stage, ada, sea)
        with outages.held(tmp_path / "parley.db"):
            assert (await slack.submit(ada, {"system": PIRATE})).acked
            await slack.wait_for(lambda: "database" in f"{modal.errors} {modal.view['blocks']}", timeout=PATIENT * 2)
        assert modal.is_open
        await slack.submit(ada, {"system": PIRATE})
        await slack.wait_for(lambda: slack.whispers(ada, sea) or "From the next" in str(modal.view), timeout=PATIENT)
        assert PIRATE in (await request_of(on_stage, ada, sea))["messages"][0]["content"]
