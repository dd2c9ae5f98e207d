"""What people see on both platforms in the end, and what every message of the bot was before: plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from emulators.discord import DiscordServer
from emulators.discord.state import Message as DiscordMessage
from emulators.slack import SlackWorkspace
from emulators.slack.model import Message as SlackMessage


@dataclass(frozen=True, slots=True)
class Shown:
    """A standing message of the bot, as its words. `place` is a channel or thread; `reply_to` what it hangs on, on
    Discord; `file` the name of what is attached, which comes without words."""

    platform: str
    place: str
    id: str
    words: tuple[str, ...]
    reply_to: str | None = None
    file: str = ""


class Eyes:
    """Reads both platforms again and again; what did not change since is not read anew."""

    def __init__(self, slack: SlackWorkspace, discord: DiscordServer) -> None:
        self._slack = slack
        self._discord = discord
        self._known: dict[str, tuple[int, Shown]] = {}

    def look(self) -> Iterator[Shown]:
        """The bot's standing messages everywhere, each place's in order."""
        for said in self._slack.bot_messages():
            yield self._shown(f"{said.channel} {said.ts}", len(said.states), partial(self._on_slack, said))
        for channel in list(self._discord.world.channels.values()):
            for message in self._discord.bot_messages(channel, ephemeral=True):
                yield self._shown(str(message.id), len(message.versions), partial(self._on_discord, message))

    def _shown(self, key: str, states: int, read: Callable[[], Shown]) -> Shown:
        known = self._known.get(key)
        if known is None or known[0] != states:
            self._known[key] = known = states, read()
        return known[1]

    def _on_slack(self, message: SlackMessage) -> Shown:
        place = slack_place(message.channel, message.thread_ts)
        words = tuple(self._slack.visible_text(message).split())
        return Shown("slack", place, message.ts, words, file="".join(file.name for file in message.files))

    @staticmethod
    def _on_discord(message: DiscordMessage) -> Shown:
        target = str(message.referenced.id) if message.referenced else None
        words, file = tuple(message.content.split()), "".join(each.filename for each in message.attachments)
        return Shown("discord", str(message.channel.id), str(message.id), words, target, file)


def slack_place(channel: str, thread_ts: str | None) -> str:
    """A channel's thread, or the channel itself, as one word."""
    return f"{channel} {thread_ts}" if thread_ts else channel


def lives(slack: SlackWorkspace, discord: DiscordServer, platform: str, place: str, about: frozenset[str]) -> list[str]:
    """Whatever stood in a place that names one of these questions, the deleted too, with all its states.

    What the bot said that names no question at all is there as well.
    """
    if platform == "slack":
        channel, _, thread = place.partition(" ")
        of_place = [m for m in slack.store[channel].values() if not thread or thread in (m.ts, m.thread_ts)]
        lives_of_all = [_slack_life(slack, message) for message in of_place]
    else:
        lives_of_all = [_discord_life(discord, message) for message in discord.world.channels[int(place)].messages]
    named = [(life, frozenset(re.findall(r"q\d{4}", " ".join(life)))) for life in lives_of_all]
    return [line for life, tokens in named if tokens & about or not tokens for line in life]


def _slack_life(slack: SlackWorkspace, message: SlackMessage) -> list[str]:
    if message.user != slack.bot.id:
        return [f"{message.ts} person: {_brief(message.text)}"]
    head = f"{message.ts} bot{' DELETED' if message.deleted else ''} {message.metadata}"
    return [head, *(f"    {s.at:.3f} {s.via}: {_brief(s.text or str(s.blocks))}" for s in message.states)]


def _discord_life(discord: DiscordServer, message: DiscordMessage) -> list[str]:
    target = f" to {message.referenced.id}" if message.referenced else ""
    if message.author is not discord.bot:
        return [f"{message.id} person{target}: {_brief(message.content)}"]
    head = f"{message.id} bot{' DELETED' if message.deleted else ''}{target} nonce={message.nonce}"
    return [head, *(f"    {v.at:.3f}: {_brief(v.content)}" for v in message.versions)]


def _brief(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 160 else f"{one_line[:80]} … {one_line[-60:]} ({len(text)} characters)"
