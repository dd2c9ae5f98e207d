"""One conversation in one channel, the same on either platform: what people do there, and what the bot has shown."""

from __future__ import annotations

import asyncio

from bot.serving import App
from emulators.discord import DiscordServer
from emulators.discord.state import Message as DiscordMessage
from emulators.discord.state import Permission
from emulators.faults import Fault
from emulators.slack import SlackWorkspace
from emulators.slack.model import Message as SlackMessage
from tests.e2e.stage import Stage

POST = {"slack": "chat.postMessage", "discord": "POST /channels/{channel_id}/messages"}
EDIT = {"slack": "chat.update", "discord": "PATCH /channels/{channel_id}/messages/{message_id}"}
READ = {"slack": "conversations.replies", "discord": "GET /channels/{channel_id}/messages"}

Said = SlackMessage | DiscordMessage


class Talk:
    """A channel with one person and the bot."""

    def __init__(self, stage: Stage, platform: str) -> None:
        self.stage = stage
        self.platform = platform
        self.slack, self.discord, self.openai = stage.slack, stage.discord, stage.openai
        self.ada, self.general = self.slack.add_user("ada"), self.slack.add_channel("general")
        self.bob, self.studio = self.discord.add_user("bob"), self.discord.add_channel("studio")

    @property
    def place(self) -> SlackWorkspace | DiscordServer:
        """The platform it is on."""
        return self.slack if self.platform == "slack" else self.discord

    async def ask(self, text: str = "go") -> Said:
        """A mention in the channel."""
        if self.platform == "slack":
            return await self.slack.say(self.ada, self.general, text, mention=True)
        return await self.discord.say(self.bob, self.studio, text, mention=True)

    async def ask_on(self, first: Said, text: str) -> Said:
        """A follow-up in the conversation that `first` began."""
        if isinstance(first, SlackMessage):
            return await self.slack.say(self.ada, self.general, text, thread_ts=first.ts)
        return await self.discord.say(self.bob, self.studio, text, reply_to=self.discord.bot_messages(self.studio)[-1])

    def answers(self) -> list[str]:
        """What the bot's standing messages show, in order."""
        if self.platform == "slack":
            return [self.slack.visible_text(m) for m in self.slack.bot_messages(self.general) if not m.deleted]
        return [m.content for m in self.discord.bot_messages(self.studio) if not m.deleted]

    async def until(self, *expected: str, timeout: float = 60) -> None:
        """Wait until the bot's standing messages show exactly this."""
        await self.place.wait_for(lambda: self.answers() == list(expected), timeout=timeout)

    async def delete_answer(self, index: int = 0) -> None:
        """Somebody deletes one of the bot's messages."""
        if self.platform == "slack":
            await self.slack.delete(self.slack.bot_messages(self.general)[index])
        else:
            await self.discord.delete(self.discord.bot_messages(self.studio)[index])

    def close_channel(self, *, also_to_see: bool = False) -> None:
        """From now on the bot may not write there: it is archived, or a permission is taken away."""
        if self.platform == "slack":
            self.general.archived = True
        else:
            denied = [Permission.SEND_MESSAGES, *([Permission.VIEW_CHANNEL] if also_to_see else [])]
            self.discord.deny(self.studio, *denied)

    def told_alone(self) -> list[str]:
        """What the bot wrote to the person alone."""
        if self.platform == "slack":
            return [self.slack.visible_text(m) for m in self.slack.bot_messages(self.slack.open_dm(self.ada))]
        return [m.content for m in self.discord.bot_messages(self.discord.open_dm(self.bob))]

    def fail(self, name: dict[str, str], *faults: Fault) -> None:
        """Order faults for the next requests of a kind."""
        self.place.faults.add(name[self.platform], *faults)

    def status(self, question: Said) -> str:
        """The status line that stands under a question; Discord's fades by itself."""
        return self.slack.status(self.general, question.ts) if isinstance(question, SlackMessage) else ""


async def idle(worker: App) -> None:
    """Wait until no turn is open."""
    async with asyncio.timeout(60):
        while await worker.store.turns.open_count():
            await asyncio.sleep(0.02)
