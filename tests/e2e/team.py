"""A team in one channel of either platform: a lead who runs the place, members, and what the bot did there."""

from __future__ import annotations

import asyncio

from emulators.discord.state import Channel as DiscordChannel
from emulators.discord.state import Message as DiscordMessage
from emulators.discord.state import Upload as DiscordUpload
from emulators.discord.state import User as DiscordUser
from emulators.slack.model import Channel as SlackChannel
from emulators.slack.model import Message as SlackMessage
from emulators.slack.model import Upload as SlackUpload
from emulators.slack.model import User as SlackUser
from tests.e2e.stage import Stage

Person = SlackUser | DiscordUser
Room = SlackChannel | DiscordChannel
Said = SlackMessage | DiscordMessage


class Team:
    """The same people and rooms, whichever platform they are on."""

    def __init__(self, stage: Stage, platform: str) -> None:
        self.stage = stage
        self.platform = platform
        self.slack, self.discord, self.openai = stage.slack, stage.discord, stage.openai
        self.lead = self.person("lead", admin=True)
        self.bob = self.person("bob")
        self.general, self.other = self.room("general"), self.room("other")

    @property
    def own_name(self) -> str:
        """What the bot is called."""
        return self.slack.bot.name if self.platform == "slack" else self.discord.bot.name

    def person(self, name: str, *, admin: bool = False) -> Person:
        """Somebody new."""
        if self.platform == "slack":
            return self.slack.add_user(name, admin=admin)
        return self.discord.add_user(name, admin=admin)

    def room(self, name: str) -> Room:
        """A new channel with the bot in it."""
        return self.slack.add_channel(name) if self.platform == "slack" else self.discord.add_channel(name)

    async def say(self, person: Person, text: str, room: Room | None = None, *, mention: bool = True) -> Said:
        """A message that begins something, a mention unless said otherwise."""
        where = room or self.general
        if isinstance(person, SlackUser):
            assert isinstance(where, SlackChannel)
            return await self.slack.say(person, where, text, mention=mention)
        assert isinstance(where, DiscordChannel)
        return await self.discord.say(person, where, text, mention=mention)

    async def say_with_file(self, person: Person, text: str, name: str, data: bytes) -> None:
        """A mention with a file."""
        if isinstance(person, SlackUser):
            assert isinstance(self.general, SlackChannel)
            await self.slack.say(person, self.general, text, mention=True, files=[SlackUpload(name, data, "image/png")])
        else:
            assert isinstance(self.general, DiscordChannel)
            file = DiscordUpload(name, data, "image/png")
            await self.discord.say(person, self.general, text, mention=True, attachments=[file])

    async def say_on(self, person: Person, first: Said, text: str) -> Said:
        """A message in the conversation that `first` began, without a mention."""
        if isinstance(person, SlackUser):
            assert isinstance(first, SlackMessage) and isinstance(self.general, SlackChannel)
            return await self.slack.say(person, self.general, text, thread_ts=first.ts)
        assert isinstance(self.general, DiscordChannel)
        return await self.discord.say(person, self.general, text, reply_to=self.discord.bot_messages(self.general)[-1])

    def shown(self, room: Room | None = None) -> list[str]:
        """What the bot's messages in a room show to everybody."""
        where = room or self.general
        if isinstance(where, SlackChannel):
            return [self.slack.visible_text(m) for m in self.slack.bot_messages(where) if not m.deleted]
        return [m.content for m in self.discord.bot_messages(where) if not m.deleted]

    def told(self, room: Room | None = None) -> list[str]:
        """The same, and what it showed to one person alone."""
        where = room or self.general
        if isinstance(where, DiscordChannel):
            return self.shown(where)
        alone = [m for m in self.slack.ephemerals if m.channel == where.id]
        return [*self.shown(where), *map(self.slack.visible_text, alone)]

    async def until_told(self, words: str, room: Room | None = None, timeout: float = 60) -> str:
        """Wait until the bot has said something with these words in it; returns what."""
        async with asyncio.timeout(timeout):
            while not (found := [said for said in self.told(room) if words in said]):
                await asyncio.sleep(0.02)
        return found[-1]

    async def until_asked_at_all(self, count: int, timeout: float = 60) -> None:
        """Wait until the model was asked so often, whatever it has answered."""
        async with asyncio.timeout(timeout):
            while len(self.openai.calls) < count:
                await asyncio.sleep(0.02)

    async def until_asked(self, count: int, timeout: float = 60) -> None:
        """Wait until the model was asked so often, and every answer stands."""
        async with asyncio.timeout(timeout):
            while len(self.openai.calls) < count or self.openai.open_streams:
                await asyncio.sleep(0.02)

    async def ask(self, text: str = "go", room: Room | None = None, person: Person | None = None) -> Said:
        """Ask and wait for the answer; the model says what it was told to say."""
        before = len(self.shown(room))
        said = await self.say(person or self.bob, text, room)
        async with asyncio.timeout(60):
            while len(self.shown(room)) <= before:
                await asyncio.sleep(0.02)
        return said

    def system(self) -> str:
        """What the model was told before its last question."""
        return str(self.openai.calls[-1].body["messages"][0]["content"])
