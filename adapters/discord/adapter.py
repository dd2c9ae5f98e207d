"""Discord as the core sees it: the `Adapter` Protocol with its capabilities, on top of a supervised client.

Events go through `reception.py` into the sink, in the order of their arrival; messages go out through `rest.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Any

import structlog

from adapters.discord import markdown, registration, rest, sending, threads, uploads
from adapters.discord.client import DEFAULT_API_URL, Client, Identity, redirect
from adapters.discord.failures import NOT_CONNECTED, UNAUTHORIZED
from adapters.discord.history import channel_of, find_own, find_own_file, read_chain, read_history
from adapters.discord.login import Login
from adapters.discord.members import Members
from adapters.discord.missed import read_missed, read_place
from adapters.discord.parsing import PLATFORM
from adapters.discord.places import Places
from adapters.discord.reception import Reception
from adapters.discord.supervisor import VARIABLE, supervise
from adapters.discord.timing import Timing
from adapters.discord.values import identifier, is_object
from adapters.vitals import Pulse
from bot import fencing
from bot.adapter import Action, Description, RateLimit, Sink, Vitals
from bot.capabilities import Trace, Unread
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryUncertain, TokenRefused
from bot.interactions import CommandSpec, OutgoingFile
from bot.messages import Address, Attachment, Button, IncomingMessage, PartKey, Place, Reply

log = structlog.get_logger(__name__)

LIMITS = (
    RateLimit("send", "channel", amount=5, seconds=5.25),
    RateLimit("edit", "channel", amount=5, seconds=5.25),
    RateLimit("read", "channel", amount=5, seconds=5.25),
)
"""Discord's buckets as seen in its headers: 5 in 5 s per channel, for new messages and for edits each.

They are planned with until the headers of this channel's own answers have been seen.
"""

ROUTES: Mapping[Action, str] = {
    "send": "POST /channels/{channel_id}/messages",
    "edit": "PATCH /channels/{channel_id}/messages/{message_id}",
}
"""What is done with messages, as discord.py names the routes of its buckets."""

MARGIN_SECONDS = 0.05
"""What is added to a window that Discord has told."""

PREVIEW_SECONDS = 1.25
"""Four edits in five seconds: the fifth is left for the final text."""

TYPING_SECONDS = 8.0
"""Typing shows for 10 s; renewed a little before."""

TYPING_DEADLINE = 0.8
"""Seconds for one call that shows it: the first words of an answer wait for a call under way."""

REPEAT_SECONDS = 100.0
"""Discord knows a nonce for "a few minutes"; a request may take most of one by itself."""

SETTLE_SECONDS = 2.0
"""How long events that have arrived may take to be stored when the adapter stops."""

READS_ALL = "reads all messages"
MENTIONS_ONLY = "mentions only: the message content intent is off, so follow-ups need a mention, a reply or a DM"


class DiscordAdapter:
    """One bot on Discord.

    `commands` are the subcommands of `/parley` to register; with none, Discord's own registration is left alone.
    `planned`: requests are kept within Discord's limit on all of them; else it is only obeyed when it refuses.
    """

    status_seconds = TYPING_SECONDS
    repeat_seconds = REPEAT_SECONDS

    def __init__(
        self,
        token: str,
        api_url: str = DEFAULT_API_URL,
        commands: Sequence[CommandSpec] = (),
        timing: Timing | None = None,
        *,
        planned: bool = True,
    ) -> None:
        self._token = token.strip()
        self._api_url = api_url
        self._commands = tuple(commands)
        self._planned = planned
        self._timing = timing or Timing()
        self._pulse = Pulse(overdue=self._timing.silence)
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._login: Login | None = None
        self._synced = False
        self._sink: Sink | None = None

    async def start(self, sink: Sink) -> None:
        """Serve until `stop`. Raises `TokenRefused`."""
        redirect(self._api_url)
        self._sink = sink
        self._ended.clear()
        refused: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                reception = Reception(tasks, sink, self._now, self._commands, self._timing)
                serving = tasks.create_task(self._serve(sink, tasks, reception))
                tasks.create_task(self._end_when_stopped(serving, reception))
        except* _Stopped:
            log.info("stopped")
        except* TokenRefused as group:
            refused = group.exceptions[0]
        finally:
            self._ended.set()
        if refused is not None:
            raise refused

    async def stop(self) -> None:
        """End `start` in order and close every connection."""
        self._stop.set()
        await self._ended.wait()

    def describe(self) -> Description:
        """Who the bot is here; only after `connected`."""
        if self._login is None:
            raise RuntimeError("Discord is not connected yet")
        return Description(
            platform=PLATFORM,
            bot_id=self._login.identity.user_id,
            bot_name=self._login.identity.name,
            fits=_fits,
            limits=LIMITS,
            preview_seconds=PREVIEW_SECONDS,
            mode=READS_ALL if self._login.client.reads_all else MENTIONS_ONLY,
            threads=False,
        )

    async def send(self, address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None) -> str:
        """Post one message and return its id; with a `key` that was sent minutes ago, the id of that message."""
        with self._telling_of_refusals():
            return await sending.send(self._now().client.http, channel_of(address), reply, key, reply_to)

    async def send_once(
        self, stored: asyncio.Future[None], address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None
    ) -> str:
        """As `send`, once that is `stored`; prepared before. Raises a `DeliveryFailure`, and what `stored` does."""
        with fencing.calls_only_once(stored):
            return await self.send(address, reply, key, reply_to=reply_to)

    async def edit(self, address: Address, message_id: str, reply: Reply) -> None:
        """Give one of the bot's messages a new text; raises a `DeliveryFailure`."""
        with self._telling_of_refusals():
            await sending.edit(self._now().client.http, channel_of(address), message_id, reply)

    def learned(self, action: Action, address: Address) -> RateLimit | None:
        """The limit on an action in a channel, as far as Discord's headers have told."""
        if self._login is None or action not in ROUTES:
            return None
        found = self._login.client.learned(ROUTES[action], channel_of(address))
        return RateLimit(action, "channel", found[0], found[1] + MARGIN_SECONDS) if found is not None else None

    async def set_buttons(self, address: Address, message_id: str, buttons: Sequence[Button]) -> None:
        """Give one of the bot's messages other buttons and leave its text. Raises a `DeliveryFailure`."""
        with self._telling_of_refusals():
            await sending.set_buttons(self._now().client.http, channel_of(address), message_id, buttons)

    async def delete(self, address: Address, message_id: str) -> None:
        """Take a message back; one that is gone already is no error. Raises a `DeliveryFailure`."""
        with self._telling_of_refusals():
            await sending.delete(self._now().client.http, channel_of(address), message_id)

    async def fetch_history(
        self, address: Address, *, before: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[IncomingMessage]:
        """The newest `limit` messages between two ids (exclusive), oldest first. Raises a `DeliveryFailure`."""
        login = self._now()
        http, places = login.client.http, login.places
        with self._telling_of_refusals():
            return await read_history(http, places, address, before=before, after=after, limit=limit)

    async def find_replies(self, address: Address, trace: Trace) -> Sequence[str]:
        """The ids of the bot's own messages that may be the one of `trace`. Raises a `DeliveryFailure`."""
        login = self._now()
        with self._telling_of_refusals():
            return await find_own(login.client.http, address, trace, login.identity.user_id)

    async def missed(
        self, known: Sequence[Unread], since: datetime, horizon: datetime, most: int
    ) -> AsyncGenerator[tuple[Address, Sequence[IncomingMessage]], None]:
        """What was said in each place, oldest first; see `ReadsMissed`.

        A thread is a channel of its own here, with its own newest message: `horizon` adds nothing.
        """
        login = self._now()
        async with aclosing(read_missed(login.client, login.places, known, since, most)) as places:
            async for place, messages in places:
                yield place, messages

    async def missed_in(self, place: Unread, most: int) -> Sequence[IncomingMessage]:
        """What was said in one place, oldest first; see `ReadsMissed`."""
        login = self._now()
        return await read_place(login.client, login.places, Members(login.client.http), place, most)

    async def fetch_chain(self, address: Address, message_id: str, limit: int) -> Sequence[IncomingMessage]:
        """The message and those it replies to, oldest first; as many of them as can be read."""
        try:
            login = self._now()
        except DeliveryDelayed:
            return []
        return await read_chain(login.client.http, login.places, address, message_id, limit)

    async def show_status(self, address: Address, text: str) -> bool:
        """Show that the bot is typing; the empty text does nothing, as any message clears it. Never raises."""
        if not text:
            return True
        try:
            http = self._now().client.http
            await rest.call(http, http.send_typing(channel_of(address)), TYPING_DEADLINE)
        except DeliveryFailure as failure:
            log.debug("typing_not_shown", code=failure.code)
            return False
        return True

    def is_person(self, user_id: str) -> bool:
        """Whether an id has the form of Discord's, which are snowflakes."""
        return user_id.isascii() and user_id.isdecimal()

    async def direct(self, user_id: str) -> Address:
        """The direct message channel with a person. Raises a `DeliveryFailure`."""
        http = self._now().client.http
        with self._telling_of_refusals():
            opened = await rest.call(http, http.start_private_message(user_id))
        channel = identifier(opened.get("id")) if is_object(opened) else ""
        if not channel:
            raise DeliveryUncertain("no_channel")
        return Address(PLATFORM, "", channel)

    async def upload(self, address: Address, file: OutgoingFile, text: str = "", *, key: PartKey | None = None) -> str:
        """Post a file with a text beside it, once for a key, and return its message's id; pings nobody.

        Raises a `DeliveryFailure`.
        """
        with self._telling_of_refusals():
            return await uploads.upload(self._now().client.http, channel_of(address), file, text, key)

    async def take_file_back(self, address: Address, file_id: str, after: str | None) -> None:
        """Delete the message that carries a file, which is what its id is; `after` is not needed for that."""
        await self.delete(address, file_id)

    async def find_file(self, address: Address, name: str, after: str | None) -> str | None:
        """The id of our message in the channel with a file of that name. Raises a `DeliveryFailure`."""
        login = self._now()
        with self._telling_of_refusals():
            return await find_own_file(login.client.http, address, name, after, login.identity.user_id)

    async def read_file(self, file: Attachment, most_bytes: int) -> bytes:
        """The bytes of a file that came with a message. Raises a `DeliveryFailure`."""
        return await uploads.download(file, self._api_url, most_bytes)

    async def files_now(self, address: Address, message_id: str) -> Sequence[Attachment]:
        """What is attached to a message, with addresses that are good now. Raises a `DeliveryFailure`."""
        # The message that a thread hangs on stands in the channel.
        channel = address.channel if message_id == address.thread else channel_of(address)
        with self._telling_of_refusals():
            return await uploads.attached(self._now().client.http, channel, message_id)

    async def open_thread(self, address: Address, message_id: str, name: str) -> None:
        """Begin a thread at a message: its address is then the channel's with the message's id as thread."""
        with self._telling_of_refusals():
            await threads.open_thread(self._now().client.http, channel_of(address), message_id, name)

    async def place(self, address: Address) -> Place:
        """The names of a channel and its guild. Never raises: empty where they can't be had."""
        return await self._login.places.place(address) if self._login is not None else Place()

    def vitals(self) -> Vitals:
        """How the gateway's connection is. Discord acknowledges a heartbeat every 41 s: it is heard that often."""
        return self._pulse.read()

    async def _serve(self, sink: Sink, tasks: asyncio.TaskGroup, reception: Reception) -> None:
        """Run the supervised client until cancelled. Raises `TokenRefused`."""

        def on_event(event: str, data: Any) -> None:
            if event in {"READY", "RESUMED"}:
                sink.connected(self.describe(), "gap" if event == "READY" else "nothing")
                self._sync_once(tasks)
            else:
                reception.take(event, data)

        def make() -> Client:
            return Client(on_event, self._timing, self._pulse, planned=self._planned)

        await supervise(self._token, make, self._logged_in, self._timing, self._pulse)

    async def _end_when_stopped(self, serving: asyncio.Task[None], reception: Reception) -> None:
        """Once told to stop: no more events, a moment for those at hand, then an end to every task of the group."""
        await self._stop.wait()
        serving.cancel()
        await asyncio.wait({serving})
        await reception.settle(SETTLE_SECONDS)
        raise _Stopped

    def _logged_in(self, client: Client, identity: Identity) -> None:
        self._login = Login(client, identity, Places(client, identity.user_id, identity.name))
        log.info("logged_in", bot=identity.name, application=identity.application_id)

    def _sync_once(self, tasks: asyncio.TaskGroup) -> None:
        if not self._synced:
            self._synced = True
            login = self._now()
            tasks.create_task(registration.sync(login.client.http, login.identity.application_id, self._commands))

    @contextmanager
    def _telling_of_refusals(self) -> Iterator[None]:
        """Let the core hear of a token that is refused while running."""
        try:
            yield
        except DeliveryDelayed as delayed:
            if delayed.code == UNAUTHORIZED and self._sink is not None:
                self._sink.token_refused(PLATFORM, VARIABLE)
            raise

    def _now(self) -> Login:
        """The present login. Raises `DeliveryDelayed` before the first; a closed one's requests fail likewise."""
        if self._login is None:
            raise DeliveryDelayed(NOT_CONNECTED)
        return self._login


class _Stopped(Exception):
    """Ends the adapter's task group, as nothing else can from inside."""


def _fits(reply: Reply) -> bool:
    return markdown.fits(reply.text, reply.mentions)
