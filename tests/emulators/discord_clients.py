"""Real discord.py clients, redirected to an emulated Discord and closed with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from emulators.discord import DiscordServer


class Recording(discord.Client):
    """A client that keeps what it is told; messages may be awaited one by one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inbox: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.events: list[str] = []
        self._moved = asyncio.Event()
        self.became_ready = asyncio.Event()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No five seconds of waiting in tests."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Keep the event's name."""
        self.events.append(event)
        super().dispatch(event, *args, **kwargs)
        self._moved.set()
        self._moved = asyncio.Event()

    async def heard_of(self, event: str) -> None:
        """Wait for an event by discord.py's name for it, within 5 s."""
        async with asyncio.timeout(5):
            while event not in self.events:
                await self._moved.wait()

    async def on_ready(self) -> None:
        """Note that the client is up."""
        self.became_ready.set()

    async def on_message(self, message: discord.Message) -> None:
        """Keep the message."""
        self.inbox.put_nowait(message)

    async def next_message(self) -> discord.Message:
        """The next message, within 5 s."""
        async with asyncio.timeout(5):
            return await self.inbox.get()


class RecordingShards(Recording, discord.AutoShardedClient):
    """The same, asking GET /gateway/bot for its shards."""


def options(**more: Any) -> dict[str, Any]:
    """Client options for tests: content intent, ready at once."""
    intents = discord.Intents.default()
    intents.message_content = True
    return {"intents": intents, "guild_ready_timeout": 0.05, **more}


def redirect(server: DiscordServer) -> None:
    """Point discord.py at the server."""
    Route.BASE = server.url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)


@contextlib.asynccontextmanager
async def connected(
    server: DiscordServer, *, kind: type[Recording] = Recording, ready: bool = True, **more: Any
) -> AsyncIterator[Any]:
    """A running client, ready unless told otherwise, closed at the end."""
    redirect(server)
    client = kind(**options(**more))
    running = asyncio.create_task(client.start(server.token))
    try:
        if ready:
            waiting = asyncio.create_task(client.became_ready.wait())
            await asyncio.wait({waiting, running}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.done():
                running.result()
            assert client.became_ready.is_set(), server.summary()
        yield client
    finally:
        # In this order: a login under way would open a session behind the back of a client that is closed.
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()


def no_content() -> discord.Intents:
    """The default intents, without the message content."""
    return discord.Intents.default()
