"""What an admin meets: the manifest, held against the code and the published scopes, and the doctor's findings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import adapters.slack
from adapters.slack.doctor import check
from adapters.slack.manifest import METHOD_SCOPES, NEEDED_SCOPES, OPTIONAL_SCOPES, manifest
from bot.checks import Check
from emulators.faults import Fault
from emulators.slack import SlackWorkspace
from tests.slack.stage import CONTRACT, FAST

PUBLISHED = CONTRACT.parent / "slack-methods.json"


def test_the_manifest_asks_for_what_the_code_uses_and_nothing_more() -> None:
    made = manifest(usage="help | show")
    assert made["settings"]["event_subscriptions"]["bot_events"] == [
        "agent_session_stopped",
        "app_home_opened",
        "app_mention",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "reaction_added",
        "reaction_removed",
    ]
    assert made["oauth_config"]["scopes"]["bot"] == [
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "reactions:read",
        "users:read",
    ]
    assert made["settings"]["socket_mode_enabled"] is True
    assert made["settings"]["interactivity"] == {"is_enabled": True}
    assert made["features"]["app_home"]["home_tab_enabled"] is True
    assert made["features"]["app_home"]["messages_tab_enabled"] is True
    assert made["features"]["app_home"]["messages_tab_read_only_enabled"] is False
    (command,) = made["features"]["slash_commands"]
    assert (command["command"], command["usage_hint"]) == ("/parley", "help | show")
    assert made["features"]["bot_user"]["display_name"] == "Parley"
    assert len(made["features"]["agent_view"]["suggested_prompts"]) <= 4
    assert json.loads(json.dumps(made)) == made


def test_the_manifest_keeps_slacks_lengths() -> None:
    manifest("x" * 35, "y" * 140, usage="help")
    for name, description in (("x" * 36, "y"), ("", "y"), ("x", "y" * 141), ("x", "")):
        with pytest.raises(ValueError, match="characters"):
            manifest(name, description, usage="help")


def test_every_method_called_has_its_scopes_in_the_manifest() -> None:
    sources = "".join(path.read_text() for path in Path(adapters.slack.__path__[0]).glob("*.py"))
    called = {name.replace("_", ".") for name in re.findall(r"_?web\.((?:[a-z]+_)+[A-Za-z]+)\(", sources)}
    assert called - {"apps.connections.open"} == set(METHOD_SCOPES)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="../shared/contract is not here")
def test_the_scopes_are_among_those_published_for_each_method() -> None:
    published: dict[str, Any] = json.loads(PUBLISHED.read_text())
    for method, scopes in METHOD_SCOPES.items():
        assert set(scopes) <= set(published[method]["scope"].get("bot", [])), method


async def examine(
    slack: SlackWorkspace, bot_token: str | None = None, app_token: str | None = None
) -> dict[str, Check]:
    found = await check(bot_token or slack.bot_token, app_token or slack.app_token, slack.url, timing=FAST)
    text = str(found)
    assert slack.bot_token not in text
    assert slack.app_token not in text
    return {one.name: one for one in found}


async def test_the_doctor_finds_nothing_to_cure_in_a_sound_app(slack: SlackWorkspace) -> None:
    slack.scopes.update(NEEDED_SCOPES)
    found = await examine(slack)
    assert list(found) == ["Slack bot token", "Slack scopes", "Slack app token", "Slack Socket Mode"]
    assert all(one.ok for one in found.values()), found
    await slack.wait_for(lambda: not slack.connections)


async def test_the_doctor_names_missing_scopes_and_the_events_they_cost(slack: SlackWorkspace) -> None:
    slack.scopes.discard("channels:history")
    slack.scopes.discard("users:read")
    scopes = (await examine(slack))["Slack scopes"]
    assert not scopes.ok
    assert "channels:history" in scopes.detail
    assert "users:read" in scopes.detail
    assert "message.channels" in scopes.detail
    assert "parley manifest" in scopes.cure


async def test_the_doctor_finds_an_app_of_an_older_manifest_sound_and_says_what_it_lacks_and_the_cure(
    slack: SlackWorkspace,
) -> None:
    slack.scopes.clear()
    slack.scopes.update(NEEDED_SCOPES)
    scopes = (await examine(slack))["Slack scopes"]
    assert scopes.ok
    assert "im:write" in scopes.detail and "PARLEY_ADMINS" in scopes.detail
    assert "files:write" in scopes.detail and "chart" in scopes.detail
    assert "parley manifest" in scopes.cure
    slack.scopes.update(OPTIONAL_SCOPES)
    whole = (await examine(slack))["Slack scopes"]
    assert (whole.detail, whole.cure) == (f"all {len(NEEDED_SCOPES)} that are needed", "")


async def test_the_doctor_says_so_where_slack_tells_no_scopes(slack: SlackWorkspace) -> None:
    identity = {"ok": True, "user_id": "U1", "user": "parley", "team": "Acme"}
    slack.faults.add("auth.test", Fault("answer", 200, {}, identity))
    found = await examine(slack)
    assert found["Slack bot token"].ok
    assert "did not say" in found["Slack scopes"].detail


async def test_the_doctor_tells_which_token_is_wrong(slack: SlackWorkspace) -> None:
    found = await examine(slack, bot_token="xoxb-wrong", app_token="xapp-wrong")
    assert "SLACK_BOT_TOKEN" in found["Slack bot token"].detail
    assert "xoxb-" in found["Slack bot token"].cure
    assert "SLACK_APP_TOKEN" in found["Slack app token"].detail
    assert "xapp-" in found["Slack app token"].cure
    assert len(found) == 2
    unusable = await examine(slack, bot_token="x y", app_token="x y")
    assert not any(one.ok for one in unusable.values())


async def test_the_doctor_tells_a_network_in_the_way_from_a_wrong_token(slack: SlackWorkspace) -> None:
    slack.faults.add("auth.test", Fault("answer", 503, {}, "<html>"))
    slack.faults.add("apps.connections.open", Fault("reset"))
    found = await examine(slack)
    assert "http_503" in found["Slack bot token"].detail
    assert "network" in found["Slack app token"].cure
    slack.faults.add("link", Fault("answer", 403))
    assert not (await examine(slack))["Slack Socket Mode"].ok
    slack.faults.add("apps.connections.open", Fault("answer", 200, {}, {"ok": True, "url": None}))
    assert not (await examine(slack))["Slack Socket Mode"].ok


async def test_the_doctor_tells_an_address_that_is_none() -> None:
    (found,) = await check("xoxb-1", "xapp-1", "http://[", timing=FAST)
    assert not found.ok
    assert "SLACK_API_URL" in found.detail
    assert found.cure


@pytest.mark.parametrize("url", ["", "slack", "http://", "http://127.0.0.1:99999/", "ftp://127.0.0.1/"])
async def test_the_doctor_never_raises_whatever_the_address(url: str) -> None:
    found = await check("xoxb-1", "xapp-1", url, timing=FAST)
    assert len(found) == 2
    assert not any(one.ok for one in found)


async def test_the_doctor_is_not_greeted_where_there_are_too_many_sockets(
    slack: SlackWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulators.slack.socket_mode.MOST_CONNECTIONS", 0)
    found = (await examine(slack))["Slack Socket Mode"]
    assert not found.ok
    assert "hello" in found.detail
