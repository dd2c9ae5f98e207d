"""The buttons under the bot's messages, the same on either platform: which there are, and what a press comes to."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emulators.discord.state import Message as DiscordMessage
from emulators.slack.model import Channel as SlackChannel
from emulators.slack.model import Message as SlackMessage
from emulators.slack.model import User as SlackUser
from tests.e2e.team import Person, Room, Said, Team

PREFIX = "parley:"


class Panel(Team):
    """A team that presses buttons and reacts."""

    def newcomer(self, name: str) -> Person:
        """Somebody who joins the channel and says nothing."""
        person = self.person(name)
        if isinstance(person, SlackUser) and isinstance(self.general, SlackChannel):
            self.general.members.add(person.id)
        return person

    def messages(self, room: Room | None = None) -> Sequence[Said]:
        """The bot's standing messages in a room, those that are files left out."""
        where = room or self.general
        if isinstance(where, SlackChannel):
            return [message for message in self.slack.bot_messages(where) if not message.files]
        return [message for message in self.discord.bot_messages(where) if not message.attachments]

    def last(self, room: Room | None = None) -> Said:
        """The newest of them."""
        return self.messages(room)[-1]

    def buttons(self, room: Room | None = None) -> list[list[str]]:
        """What the buttons under each of them ask for."""
        return [buttons_of(message) for message in self.messages(room)]

    async def press(self, person: Person, action: str, message: Said | None = None) -> None:
        """Somebody presses a button; it is acknowledged in time, and nothing is said to them."""
        told = await self._press(person, action, message or self.last())
        assert told is None

    async def hears(self, person: Person, action: str, message: Said | None = None) -> str:
        """Somebody presses a button, and is told something that nobody else sees: returns what."""
        before = len(self.slack.ephemerals)
        told = await self._press(person, action, message or self.last())
        if told is not None or not isinstance(person, SlackUser):
            return told or ""
        [whisper] = await self.slack.wait_for(lambda: self.slack.ephemerals[before:])
        assert whisper.ephemeral_to == person.id
        return self.slack.visible_text(whisper)

    async def _press(self, person: Person, action: str, target: Said) -> str | None:
        """What Discord's answer to the press says; Slack's says nothing, words come beside it."""
        if isinstance(person, SlackUser):
            assert isinstance(target, SlackMessage)
            assert (await self.slack.press(person, target, PREFIX + action)).acked
            return None
        assert isinstance(target, DiscordMessage)
        interaction = await self.discord.press(person, target, PREFIX + action)
        await self.discord.wait_for(lambda: interaction.response is not None or interaction.failed)
        assert not interaction.failed
        if interaction.response == 6:
            return None
        await self.discord.wait_for(lambda: interaction.content)
        assert interaction.ephemeral
        return interaction.content

    async def reword(self, said: Said, text: str, person: Person | None = None) -> None:
        """Who asked gives a message other words."""
        if isinstance(said, SlackMessage):
            asker = person or self.bob
            assert isinstance(asker, SlackUser)
            await self.slack.edit(asker, said, text)
        else:
            await self.discord.edit(said, text)

    async def command(self, person: Person, name: str) -> None:
        """Somebody gives one of the bot's commands, one that takes nothing more, in the channel."""
        if isinstance(person, SlackUser):
            assert isinstance(self.general, SlackChannel)
            await self.slack.slash(person, self.general, "/parley", name)
        else:
            assert not isinstance(self.general, SlackChannel)
            await self.discord.slash(person, self.general, "parley", name)

    async def react(self, person: Person, emoji: Mapping[str, str], message: Said | None = None) -> None:
        """Somebody reacts; `emoji` by platform."""
        place: Any = self.slack if isinstance(person, SlackUser) else self.discord
        await place.react(person, message or self.last(), emoji[self.platform])

    async def unreact(self, person: Person, emoji: Mapping[str, str], message: Said | None = None) -> None:
        """Somebody takes a reaction back."""
        place: Any = self.slack if isinstance(person, SlackUser) else self.discord
        await place.unreact(person, message or self.last(), emoji[self.platform])

    @property
    def place(self) -> Any:
        """The platform they are on."""
        return self.slack if self.platform == "slack" else self.discord

    def signs_of_life(self) -> Sequence[Any]:
        """What has shown that the bot is at work."""
        shown: Sequence[Any] = self.discord.typing
        return [status for status in self.slack.statuses if status.text] if self.platform == "slack" else shown

    def answers_in(self, call: int) -> list[str]:
        """The answers that the model was told of when it was asked, by the number of the call."""
        return [m["content"] for m in self.openai.calls[call].body["messages"] if m["role"] == "assistant"]

    def some_time_ago(self) -> None:
        """Let the last press be older than what counts as the same moment."""
        database = sqlite3.connect(self.stage.folder / "parley.db")
        try:
            with database:
                database.execute("UPDATE turns SET not_before = not_before - 60000000")
        finally:
            database.close()

    def ratings(self) -> list[tuple[str, int]]:
        """Who thinks what, as it is stored."""
        return self.stored("SELECT user_id, value FROM ratings ORDER BY at")

    async def until_rated(self, expected: Sequence[tuple[str, int]], timeout: float = 30) -> None:
        """Wait until exactly this is stored."""
        async with asyncio.timeout(timeout):
            while self.ratings() != list(expected):
                await asyncio.sleep(0.02)

    def stored(self, query: str) -> list[Any]:
        """What the database answers."""
        database = sqlite3.connect(self.stage.folder / "parley.db")
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    async def until(self, shown: Sequence[str], timeout: float = 30) -> None:
        """Wait until the bot's messages show exactly this."""
        place: Any = self.slack if self.platform == "slack" else self.discord
        await place.wait_for(lambda: self.shown() == list(shown), timeout=timeout)

    async def until_buttons(self, *expected: Sequence[str], timeout: float = 30) -> None:
        """Wait until these stand under the messages of the room."""
        place: Any = self.slack if self.platform == "slack" else self.discord
        await place.wait_for(lambda: self.buttons() == [list(each) for each in expected], timeout=timeout)

    def edits(self) -> int:
        """How often the bot changed a message."""
        return len([r for r in self.slack.requests if r.path.endswith("chat.update")]) + len(
            [r for r in self.discord.requests if r.method == "PATCH" and "/messages/" in r.path]
        )

    def id_of(self, person: Person) -> str:
        """A person's id, as it is stored."""
        return str(person.id)


def buttons_of(message: Said) -> list[str]:
    """What the buttons under a message ask for, in their order."""
    shown = message.blocks if isinstance(message, SlackMessage) else message.components
    return [found.removeprefix(PREFIX) for found in _ids(shown)]


def _ids(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name in ("action_id", "custom_id"):
            if name in node:
                yield str(node[name])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _ids(each)
