"""Slack's limits on all methods, kept whoever calls: the last door before the network.

Which message goes first is the core's business; here a call waits until Slack takes it. What is shown, read, looked up
and told elsewhere is counted with the rest.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.sliding import Window, begin_when_free

MINUTE = 60.5
"""A minute with a little to spare: Slack may count in whole seconds."""

TIERS: Mapping[str, int] = {
    "agents.sessions.setStatus": 50,
    "assistant.threads.setStatus": 60,
    "chat.appendStream": 100,
    "chat.delete": 50,
    "chat.postEphemeral": 100,
    "chat.postMessage": 200,
    "chat.startStream": 20,
    "chat.stopStream": 20,
    "chat.update": 50,
    "conversations.history": 50,
    "conversations.info": 50,
    "conversations.open": 50,
    "conversations.replies": 50,
    "files.completeUploadExternal": 100,
    "files.delete": 50,
    "files.getUploadURLExternal": 100,
    "files.info": 100,
    "reactions.add": 50,
    "reactions.get": 50,
    "reactions.remove": 20,
    "users.conversations": 50,
    "users.info": 100,
    "views.open": 100,
    "views.publish": 100,
    "views.update": 100,
}
"""Calls a minute in a workspace, by the tiers of https://docs.slack.dev/apis/web-api/rate-limits. chat.postMessage is
said to take "several hundred"; setStatus, of which sources differ, is taken at the least of them."""

POST_SECONDS = 1.05
"""One chat.postMessage a second in a channel; bursts are borne "with no guarantee"."""

LUXURIES = 0.75
"""The share of a method's calls that luxuries may take."""


class Budgets:
    """The windows of one workspace's methods."""

    def __init__(self) -> None:
        self._methods: dict[str, Window] = {}
        self._channels: dict[str, Window] = {}
        self._doors: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def room(self, method: str, channel: str) -> AsyncIterator[None]:
        """Wait for room for a call, in order; the context is the call."""
        windows = self._of(method, channel)
        loop = asyncio.get_running_loop()
        key = (method, channel if len(windows) > 1 else "")
        if key in self._doors or any(window.free_in(loop.time()) for window in windows):
            async with self._doors[key]:
                began = await begin_when_free(windows)
            if not self._doors[key].locked():
                del self._doors[key]
        else:
            began = await begin_when_free(windows)
        try:
            yield
        finally:
            for window in windows:
                window.end(began, loop.time())

    def spares(self, method: str) -> bool:
        """Whether there is room for a luxury of this kind."""
        now = asyncio.get_running_loop().time()
        return all(window.used(now) < window.amount * LUXURIES for window in self._of(method, ""))

    def _of(self, method: str, channel: str) -> list[Window]:
        if method not in TIERS:
            return []
        window = self._methods.get(method)
        if window is None:
            window = self._methods[method] = Window(TIERS[method], MINUTE)
        if method != "chat.postMessage" or not channel:
            return [window]
        posts = self._channels.get(channel)
        if posts is None:
            now = asyncio.get_running_loop().time()
            self._channels = {name: known for name, known in self._channels.items() if known.used(now)}
            posts = self._channels[channel] = Window(1, POST_SECONDS)
        return [window, posts]


class PlannedClient(AsyncWebClient):
    """The SDK's client, each call of which waits until there is room for it; `budgets` None: none does."""

    budgets: Budgets | None = None

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """Call a method; see the SDK."""
        if self.budgets is None:
            return await super().api_call(api_method, **arguments)
        async with self.budgets.room(api_method, _channel_in(arguments)):
            return await super().api_call(api_method, **arguments)


def _channel_in(arguments: Mapping[str, Any]) -> str:
    for place in ("json", "params", "data"):
        given = arguments.get(place)
        if isinstance(given, dict) and isinstance(channel := given.get("channel"), str):
            return channel
    return ""
