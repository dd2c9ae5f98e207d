"""The workspace's state: who and what is in it, its ids and clocks, waking those who wait, and look-ups that refuse.

What changes the state, and the events of a change, are `core`'s.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from emulators.faults import Faults
from emulators.recording import RecordedRequest
from emulators.slack import text as markup
from emulators.slack.limits import Limits, RateLimits
from emulators.slack.model import (
    Channel,
    File,
    Json,
    Message,
    Modal,
    Ping,
    SlackError,
    Status,
    Timing,
    Unfurl,
    User,
)
from emulators.slack.socket_mode import SocketMode

T = TypeVar("T")

BOT_SCOPES = frozenset(
    [
        "app_mentions:read",
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
        "reactions:write",
        "team:read",
        "users:read",
    ]
)
SUBSCRIPTIONS = frozenset(
    [
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
)
BOT_TOKEN = "xoxb-1-parley-bot"
APP_TOKEN = "xapp-1-A0PARLEY01-1-parley"


@dataclass(slots=True)
class Trigger:
    """A trigger_id: good for `Timing.trigger_life` seconds and one view."""

    issued: float
    user: str
    exchanged: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """Where a command or a press may be answered: five posts within `Timing.response_url_life` seconds."""

    user: str
    channel: str
    message_ts: str | None
    thread_ts: str | None
    issued: float = field(default_factory=time.monotonic)
    uses: int = 0


class State:
    """State of one workspace with one app installed; see `SlackWorkspace` for the arguments."""

    def __init__(
        self,
        *,
        team_id: str = "T0PARLEY01",
        team_name: str = "Parley Testers",
        bot_name: str = "Parley",
        bot_user_id: str = "U0PARLEY01",
        bot_id: str = "B0PARLEY01",
        app_id: str = "A0PARLEY01",
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        scopes: frozenset[str] | set[str] = BOT_SCOPES,
        subscriptions: frozenset[str] | set[str] = SUBSCRIPTIONS,
        timing: Timing | None = None,
        limits: Limits = "published",
        drop_unconnected: bool = False,
        home_tab: bool = True,
    ) -> None:
        self.team_id, self.team_name, self.domain = team_id, team_name, team_name.lower().replace(" ", "-")
        self.app_id, self.bot_token, self.app_token = app_id, bot_token, app_token
        self.scopes, self.subscriptions = set(scopes), set(subscriptions)
        self.timing = timing or Timing()
        self.limits = RateLimits(limits, self.timing.rate_window)
        self.faults = Faults()
        self.requests: list[RecordedRequest] = []
        self.complaints: list[str] = []
        self.auth_error: str | None = None
        self.parent_on_every_page = True
        self.home_tab = home_tab
        self.socket = SocketMode(app_id, self.timing, self.changed, self.complaints, drop_unconnected=drop_unconnected)
        self.bot = User(bot_user_id, bot_name.lower(), bot_name, bot_id=bot_id)
        self.users: dict[str, User] = {self.bot.id: self.bot}
        self.channels: dict[str, Channel] = {}
        self.store: dict[str, dict[str, Message]] = {}
        self.files: dict[str, File] = {}
        self.pings: list[Ping] = []
        self.unfurls: list[Unfurl] = []
        self.statuses: list[Status] = []
        self.sessions: dict[tuple[str, str], str] = {}
        self.ephemerals: list[Message] = []
        self.views: list[Json] = []
        self.modals: list[Modal] = []
        self.homes: dict[str, Json] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.base_url = ""
        self._wakers: set[asyncio.Event] = set()
        self._numbers = itertools.count(1)
        self._last_ts = 0

    # ---- waking and naming

    def changed(self) -> None:
        """Something observable happened: wake everyone who waits."""
        for waker in self._wakers:
            waker.set()

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 60.0) -> T:
        """Wait until `predicate()` is truthy, return its value; raises AssertionError with a summary of the state."""
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            async with asyncio.timeout(timeout):
                while not (value := predicate()):
                    await waker.wait()
                    waker.clear()
                return value
        except TimeoutError:
            raise AssertionError(f"not within {timeout} s; the workspace:\n{self.summary()}") from None
        finally:
            self._wakers.discard(waker)

    def summary(self) -> str:
        """The state in some lines, for the message of a failed wait."""
        lines = [f"connections: {len(self.socket.connections)}, complaints: {self.complaints}"]
        for channel in self.channels.values():
            for message in list(self.store[channel.id].values())[-12:]:
                who = self.users[message.user].real_name if message.user in self.users else message.user
                state = " (deleted)" if message.deleted else " (streaming)" if message.streaming else ""
                place = f"{channel.name or channel.id} {message.thread_ts or message.ts}"
                lines.append(f"{place}: {who}{state}: {self.visible_text(message)[:200]}")
        lines += [
            f"{d.kind} {d.event.get('type', '')} {d.state} {[a.fate for a in d.attempts]}"
            for d in self.socket.deliveries[-12:]
        ]
        lines += [f"{r.method} {r.path} {r.status}" for r in self.requests[-12:]]
        return "\n".join(lines)

    def new_ts(self) -> str:
        """A message timestamp in Slack's form, later than any before."""
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        """An id in Slack's form, as `C0PARLEY0A7`."""
        return f"{prefix}0{next(self._numbers):08X}"

    def complain(self, complaint: str) -> None:
        """Note something the real platform might swallow but a well-behaved app does not do."""
        self.complaints.append(complaint)
        self.changed()

    def visible_text(self, message: Message) -> str:
        """The whole text a reader sees in the message."""
        return markup.seen(message.text, message.blocks, message.attachments)

    # ---- lookups that answer in Slack's errors

    def channel(self, channel_id: Any, *, by_name: bool = False) -> Channel:
        """The conversation as the app may see it; raises channel_not_found."""
        wanted = str(channel_id)
        found = self.channels.get(wanted)
        if found is None and by_name:
            found = next((c for c in self.channels.values() if c.name and c.name == wanted.removeprefix("#")), None)
        if found is None and by_name and wanted in self.users and wanted != self.bot.id:
            found = self.dm(self.users[wanted])
        if found is None or (found.kind != "channel" and self.bot.id not in found.members):
            raise SlackError("channel_not_found")
        return found

    def writable(self, channel_id: Any) -> Channel:
        """The conversation the app may post to; raises channel_not_found, is_archived, not_in_channel."""
        channel = self.channel(channel_id, by_name=True)
        if channel.archived:
            raise SlackError("is_archived")
        if self.bot.id not in channel.members and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        return channel

    def message(self, channel: Channel, ts: Any) -> Message:
        """The standing message; raises message_not_found."""
        found = self.store[channel.id].get(str(ts))
        if found is None or found.deleted:
            raise SlackError("message_not_found")
        return found

    def require(self, scope: str) -> None:
        """Raises missing_scope, with `needed` and `provided`."""
        if scope not in self.scopes:
            raise SlackError("missing_scope", extra={"needed": scope, "provided": ",".join(sorted(self.scopes))})

    def dm(self, user: User) -> Channel:
        """The direct conversation of the app and the person; made at the first asking."""
        members = {user.id, self.bot.id}
        for channel in self.channels.values():
            if channel.kind == "im" and channel.members == members:
                return channel
        return self.add_conversation(Channel(self.new_id("D"), "", "im", members))

    def add_conversation(self, channel: Channel) -> Channel:
        """Keep a new conversation."""
        self.channels[channel.id] = channel
        self.store[channel.id] = {}
        self.changed()
        return channel

    def new_trigger(self, user: str) -> str:
        """A fresh trigger_id."""
        trigger = f"{next(self._numbers):011}.{next(self._numbers):09}.{uuid.uuid4().hex}"
        self.triggers[trigger] = Trigger(time.monotonic(), user)
        return trigger

    def new_response_url(self, response: ResponseUrl) -> str:
        """A fresh response_url, absolute."""
        key = uuid.uuid4().hex
        self.response_urls[key] = response
        return f"{self.base_url}/commands/{self.team_id}/{key}"
