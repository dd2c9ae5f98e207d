"""One place where people ask, the same on either platform, and everything that can be seen there afterwards."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.testing import capture_logs

from bot.serving import App
from emulators.discord import DiscordServer
from emulators.slack import SlackWorkspace
from tests.e2e.stage import Stage

REFERENCE = re.compile(r"\(ref ([0-9a-f]{8})\)")


class Corner:
    """A channel with somebody who asks, and an admin who is elsewhere."""

    def __init__(self, stage: Stage, platform: str) -> None:
        self.stage = stage
        self.platform = platform
        self.slack, self.discord, self.openai = stage.slack, stage.discord, stage.openai
        self.ada, self.general = self.slack.add_user("ada"), self.slack.add_channel("general")
        self.bob, self.studio = self.discord.add_user("bob"), self.discord.add_channel("studio")
        self._boss = self.discord.add_user("boss")
        self._admins = {"slack": self.slack.add_user("chief").id, "discord": str(self._boss.id)}
        self.questions: list[str] = []

    @property
    def place(self) -> SlackWorkspace | DiscordServer:
        """The platform's emulator."""
        return self.slack if self.platform == "slack" else self.discord

    def admin(self, platform: str = "") -> str:
        """The admin's id there."""
        return self._admins[platform or self.platform]

    async def ask(self, text: str = "go") -> None:
        """Put a question that starts a conversation of its own."""
        if self.platform == "slack":
            self.questions.append((await self.slack.say(self.ada, self.general, text, mention=True)).ts)
        else:
            self.questions.append(str((await self.discord.say(self.bob, self.studio, text, mention=True)).id))

    def answers(self) -> list[str]:
        """What the bot's messages in the channel say now, those that one person alone sees last."""
        if self.platform == "slack":
            shown = [m for m in self.slack.bot_messages(self.general) if not m.deleted]
            return [self.slack.visible_text(m) for m in (*shown, *self.slack.ephemerals)]
        return [m.content for m in self.discord.bot_messages(self.studio) if not m.deleted]

    async def answered(self, worker: App, count: int = 1, timeout: float = 60) -> list[str]:
        """The bot's messages once every question's turn has ended and there are `count` of them."""
        await self.place.wait_for(lambda: len(self.answers()) >= count, timeout=timeout)
        async with asyncio.timeout(timeout):
            while await worker.store.turns.open_count():
                await asyncio.sleep(0.02)
        return self.answers()

    def told(self, platform: str = "") -> list[str]:
        """What the admin was told in direct messages."""
        if (platform or self.platform) == "slack":
            chief = self.slack.open_dm(self.slack.users[self.admin("slack")])
            return [self.slack.visible_text(m) for m in self.slack.bot_messages(chief)]
        return [m.content for m in self.discord.bot_messages(self.discord.open_dm(self._boss))]

    async def until_told(self, count: int, platform: str = "", timeout: float = 60) -> list[str]:
        """Wait for so many direct messages to the admin."""
        where = self.slack if (platform or self.platform) == "slack" else self.discord
        await where.wait_for(lambda: len(self.told(platform)) >= count, timeout=timeout)
        return self.told(platform)

    def statuses(self) -> list[str]:
        """What is still shown as being under way; typing on Discord ends by itself."""
        if self.platform == "discord":
            return []
        return [status for ts in self.questions if (status := self.slack.status(self.general, ts))]

    def sent(self) -> str:
        """Every body of every request the bot made to the platforms: all it ever posted, in each version."""
        bodies = [r.body for r in (*self.slack.requests, *self.discord.requests)]
        return b"\n".join(bodies).decode()


@contextmanager
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log's lines, with what is bound to the task that wrote them."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as entries:
        yield entries
