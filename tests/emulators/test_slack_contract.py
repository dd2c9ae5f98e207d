"""What the Slack emulator takes is what Slack publishes: its methods against the published list.

The other Slack tests take their clients, their Bolt app and the contract check from here.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import SlackWorkspace
from emulators.slack.web_api import METHODS

CONTRACT = Path(__file__).parents[3] / "shared" / "contract"
needs_contract = pytest.mark.skipif(not CONTRACT.is_dir(), reason="../shared/contract is not here")

Check = Callable[..., list[str]]


def contract_check() -> Check:
    """The contract's `check`."""
    specification = importlib.util.spec_from_file_location("contract", CONTRACT / "contract.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    check: Check = module.check
    return check


def off_contract(slack: SlackWorkspace) -> list[str]:
    """Problems of all requests so far to the Web API."""
    check = contract_check()
    return [
        problem
        for r in slack.requests
        if r.service == "slack"
        for problem in check("slack", r.method, r.path, r.query, dict(r.headers), r.body)
    ]


def client_of(slack: SlackWorkspace, token: str | None = None) -> AsyncWebClient:
    """Slack's own client, without any retry of its own."""
    return AsyncWebClient(token=slack.bot_token if token is None else token, base_url=slack.url, retry_handlers=[])


async def error_of(call: Any) -> str:
    """The error a call is refused with."""
    with pytest.raises(SlackApiError) as refusal:
        await call
    return str(refusal.value.response["error"])


@dataclass
class Bot:
    """A Bolt app at work: the events, commands and actions it saw, and how it acks."""

    app: AsyncApp
    handler: AsyncSocketModeHandler
    events: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)


@asynccontextmanager
async def bolt(slack: SlackWorkspace, *, ping_interval: float = 10) -> AsyncIterator[Bot]:
    """Run a Bolt app that notes every message and mention, connected by Socket Mode."""
    app = AsyncApp(client=client_of(slack))
    bot = Bot(app, AsyncSocketModeHandler(app, slack.app_token, ping_interval=ping_interval))

    async def note(event: dict[str, Any], body: dict[str, Any]) -> None:
        bot.events.append(event)
        bot.bodies.append(body)
        slack.changed()

    app.event("message")(note)
    app.event("app_mention")(note)
    open_before = len(slack.connections)
    await bot.handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        await slack.wait_connected(open_before + 1)
        yield bot
    finally:
        await bot.handler.close_async()  # type: ignore[no-untyped-call]
        # The SDK does not wait for the tasks it cancels.
        client = bot.handler.client
        tasks = (client.message_processor, client.message_receiver, client.current_session_monitor)
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


@needs_contract
def test_every_method_exists_and_takes_no_argument_that_is_not_published() -> None:
    published = json.loads((CONTRACT / "slack-methods.json").read_text())
    for name, method in METHODS.items():
        arguments = published[name]["args"]["properties"]
        assert set(method.arguments) <= set(arguments), name
        left_out = set(arguments) - set(method.arguments) - {"token", "team_id"}
        assert left_out <= {"current_draft_last_updated_ts", "unfurled_attachments"}, name


@needs_contract
def test_every_method_has_the_published_tier_and_json_input() -> None:
    published = json.loads((CONTRACT / "slack-methods.json").read_text())
    for name, method in METHODS.items():
        assert method.tier == published[name]["rate_limits"], name
        assert method.json_input == bool(published[name].get("json_input_supported")), name


@needs_contract
def test_required_arguments_are_those_published() -> None:
    published = json.loads((CONTRACT / "slack-methods.json").read_text())
    for name, method in METHODS.items():
        required = {argument for argument, rule in method.arguments.items() if rule.endswith("!")}
        expected = set(published[name]["args"].get("required", [])) - {"token"}
        if name == "chat.appendStream":
            expected -= {"markdown_text"}  # the SDK's own chat_stream sends chunks in its place
        if name == "assistant.threads.setStatus":
            expected -= {"status"}  # required, but an empty one clears
        assert required == expected, name


@needs_contract
async def test_a_request_off_contract_is_seen_and_one_on_contract_is_not() -> None:
    async with SlackWorkspace() as slack:
        general, other = slack.add_channel("general"), slack.add_channel("other")  # one post a second in each
        await client_of(slack).chat_postMessage(channel=general.id, text="fine")
        assert off_contract(slack) == []
        assert await error_of(client_of(slack).chat_postMessage(channel=other.id, text="x" * 4001)) == "msg_too_long"
        assert "4001 characters" in off_contract(slack)[0]
