"""`SlackAdapter`: the platform as the core sees it. It starts, stops, sends, edits, reads back and describes itself.

The parts are next door: signing in in `sign_in.py`, the websocket in `connection.py`, Bolt in `bolt.py`, what arrives
in `reception.py` and `interactive.py`, who and what it names in `directory.py`, rendering in `rendering.py`. Here they
are put together, and here it is decided what a failing call means.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Any

import structlog

from adapters.slack.bodies import QUIET, shown
from adapters.slack.bolt import build_app, dispatch
from adapters.slack.budgets import MINUTE, POST_SECONDS, TIERS, Budgets
from adapters.slack.buttons import set_buttons
from adapters.slack.connection import Timing, stay_connected
from adapters.slack.directory import Directory
from adapters.slack.edits import change
from adapters.slack.failures import SlackFault, as_delivery_failure, ask
from adapters.slack.history import find_own, find_own_file, find_sharing, metadata_of, read_rows
from adapters.slack.interactive import Interactive
from adapters.slack.missed import read_missed, read_place
from adapters.slack.parsing import PLATFORM, Identity, channels_in, parse_row, people_in
from adapters.slack.reception import Reception
from adapters.slack.rendering import fits
from adapters.slack.sessions import Sessions
from adapters.slack.sign_in import SignIn
from adapters.slack.status import STATUS_SECONDS, StatusLine
from adapters.slack.streams import StreamedMessages
from adapters.slack.tokens import BOT_TOKEN
from adapters.slack.twins import Twins
from adapters.slack.uploads import download, remove, told, upload
from adapters.slack.values import clean
from adapters.slack.web import open_session, web_client
from adapters.slack.whispers import open_direct, whisper
from adapters.vitals import Pulse
from bot import fencing
from bot.adapter import Description, Missed, RateLimit, Sink, Vitals
from bot.capabilities import Trace, Unread
from bot.errors import DeliveryDelayed, DeliveryUncertain
from bot.interactions import OutgoingFile
from bot.messages import Address, Attachment, Button, IncomingMessage, PartKey, Place, Reply

log = structlog.get_logger(__name__)

# What the core plans with: a little less than `budgets.py` lets through, for what is not planned by it.
LIMITS = (
    RateLimit("send", "channel", amount=1, seconds=POST_SECONDS),
    RateLimit("send", "workspace", amount=TIERS["chat.postMessage"] - 10, seconds=MINUTE),
    RateLimit("edit", "workspace", amount=TIERS["chat.update"] - 2, seconds=MINUTE),
    RateLimit("start", "workspace", amount=TIERS["chat.startStream"] - 1, seconds=MINUTE),
    RateLimit("append", "workspace", amount=TIERS["chat.appendStream"] - 4, seconds=MINUTE),
    RateLimit("stop", "workspace", amount=TIERS["chat.stopStream"] - 1, seconds=MINUTE),
    # conversations.history is tier 3 too, and catching up needs it.
    RateLimit("read", "workspace", amount=TIERS["conversations.history"] - 10, seconds=MINUTE),
)
PREVIEW_SECONDS = 1.0

# Of the channels that a history names without their names, so many are asked for.
_MOST_CHANNELS = 10
# An address that says there is nothing may be a proxy's for a moment: so often a message is looked for there.
_LOOKS = 3
_LOOK_AGAIN_SECONDS = 1.0
# The last stop buttons are taken away within so many seconds of the end.
_SESSIONS_END_SECONDS = 2.0


class SlackAdapter:
    """One Slack workspace through Socket Mode. Serves once: `start`, then `stop`.

    `planned`: calls wait until the published limits have room for them. `streams`: messages may grow by Slack's own.
    Implements `Adapter`, `ShowsStatus`, `ShowsButtons`, `Streams`, `Deletes`, `FindsReplies`, `ReadsMissed`,
    `HearsBeginnings`, `KnowsPlaces`, `ReachesPeople`, `Whispers`, `Uploads`, `FindsFiles`, `TakesFilesBack`,
    `ReadsFiles` and `ReportsVitals`.
    """

    status_seconds = STATUS_SECONDS

    def __init__(
        self,
        bot_token: str,
        app_token: str,
        api_url: str = "https://slack.com/api/",
        *,
        timing: Timing | None = None,
        planned: bool = True,
        streams: bool = True,
    ) -> None:
        self._timing = timing or Timing()
        self._pulse = Pulse(overdue=self._timing.ping * self._timing.silent)
        budgets = Budgets() if planned else None
        self._web = web_client(bot_token.strip(), api_url, self._timing.call, budgets)
        self._sign_in = SignIn(self._web, bot_token.strip(), app_token.strip(), self._timing)
        self._streamed = StreamedMessages(self._web, wanted=streams)
        self._me: Identity | None = None
        self._directory = Directory(self._web, rights=self._timing.rights)
        self._sink: Sink | None = None
        self._status = StatusLine(self._web, self._timing.status, budgets)
        self._sessions = Sessions(self._web, budgets)
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, sink: Sink) -> None:
        """Serve until `stop`. Raises `TokenRefused` where Slack refuses a token: nothing else ends it."""
        if self._stopping.is_set():
            return
        self._sink = sink
        self._idle.clear()
        serving = asyncio.create_task(self._serve(sink))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            serving.cancel()
            stopping.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)
            self._idle.set()

    async def stop(self) -> None:
        """End `start` in order and close every connection. Safe to call twice."""
        self._stopping.set()
        await self._idle.wait()

    async def send(self, address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None) -> str:
        """Post one message into the thread and return its `ts`; raises a `DeliveryFailure`."""
        where: dict[str, Any] = {"channel": address.channel, "thread_ts": address.thread, "metadata": metadata_of(key)}
        with self._delivery():
            try:
                answer = await self._post(where, reply)
            except SlackFault as fault:
                if not fault.about_metadata:
                    raise
                # It would only be missed if the reply to this call were lost.
                answer = await self._post(where | {"metadata": None}, reply)
        ts = answer.get("ts")
        if not isinstance(ts, str) or not ts:
            raise DeliveryUncertain("no_ts")
        return ts

    async def send_once(
        self, stored: asyncio.Future[None], address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None
    ) -> str:
        """As `send`, once that is `stored`; prepared before. Raises a `DeliveryFailure`, and what `stored` does."""
        with fencing.calls_only_once(stored):
            return await self.send(address, reply, key, reply_to=reply_to)

    async def _post(self, where: Mapping[str, Any], reply: Reply) -> Mapping[str, Any]:
        return await shown(reply, lambda body: ask(self._web.chat_postMessage(**where, **QUIET, **body)))

    async def edit(self, address: Address, message_id: str, reply: Reply) -> None:
        """Give one of the bot's messages a new text; its metadata stays. Raises a `DeliveryFailure`."""
        with self._delivery(editing=True):
            await shown(reply, lambda body: change(self._web, address.channel, message_id, body))

    def can_stream(self, address: Address) -> bool:
        """Whether messages there may begin as streams."""
        return self._streamed.can_begin(address)

    async def begin_stream(self, address: Address, reply: Reply, key: PartKey, *, recipient: str) -> str | None:
        """Begin a message that grows by a stream; see `Streams`. It carries no metadata before its stream has ended."""
        with self._delivery():
            return await self._streamed.begin(address, reply, recipient)

    async def append_stream(self, address: Address, message_id: str, shown: Reply, reply: Reply) -> bool:
        """Let it go on; see `Streams`."""
        with self._delivery(editing=True):
            return await self._streamed.append(address, message_id, shown, reply)

    async def end_stream(self, address: Address, message_id: str, shown: Reply, reply: Reply, key: PartKey) -> bool:
        """Let it go on to its end; see `Streams`."""
        with self._delivery(editing=True):
            return await self._streamed.end(address, message_id, shown, reply, key)

    async def set_buttons(self, address: Address, message_id: str, buttons: Sequence[Button]) -> None:
        """Give one of the bot's messages other buttons and leave its text. Raises a `DeliveryFailure`."""
        with self._delivery(editing=True):
            await set_buttons(self._web, address, message_id, buttons)

    async def delete(self, address: Address, message_id: str) -> None:
        """Remove one of the bot's messages; one that is gone already is no error. Raises a `DeliveryFailure`."""
        with self._delivery(editing=True):
            try:
                await ask(self._web.chat_delete(channel=address.channel, ts=message_id))
            except SlackFault as fault:
                if fault.code != "message_not_found":
                    raise

    async def find_replies(self, address: Address, trace: Trace) -> Sequence[str]:
        """The `ts` of the message sent with the key, by the metadata it carries, else of what was left streaming.

        Raises a `DeliveryFailure`.
        """
        with self._delivery(reading=True):
            for _ in range(_LOOKS - 1):
                try:
                    return await find_own(self._web, address, trace, self._identity)
                except SlackFault as fault:
                    if not fault.unserved:
                        raise
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            return await find_own(self._web, address, trace, self._identity)

    async def missed(
        self, known: Sequence[Unread], since: datetime, horizon: datetime, most: int
    ) -> AsyncGenerator[tuple[Address, Sequence[IncomingMessage]], None]:
        """What was said in each place, oldest first; see `ReadsMissed`."""
        me = self._identity
        try:
            async with aclosing(
                read_missed(self._web, me.team_id, known, since=since, horizon=horizon, most=most)
            ) as places:
                async for address, rows in places:
                    yield address, await self._parsed(rows, address, me, with_rights=True)
        except SlackFault as fault:
            raise DeliveryUncertain(fault.code) from None

    async def missed_in(self, place: Unread, most: int) -> Sequence[IncomingMessage]:
        """What was said in one place, oldest first; see `ReadsMissed`."""
        try:
            rows = await read_place(self._web, place, most)
        except SlackFault as fault:
            raise DeliveryUncertain(fault.code) from None
        return await self._parsed(rows, place.address, self._identity, with_rights=True)

    async def fetch_history(
        self, address: Address, *, before: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[IncomingMessage]:
        """The newest `limit` messages of a thread, or of a channel's first posts; raises a `DeliveryFailure`."""
        me = self._identity
        with self._delivery(reading=True):
            rows = await read_rows(self._web, address, before=before, after=after, limit=limit)
        return await self._parsed(rows, address, me, with_rights=False)

    async def _parsed(
        self, rows: Sequence[Mapping[str, Any]], address: Address, me: Identity, *, with_rights: bool
    ) -> Sequence[IncomingMessage]:
        """The messages of rows; only where they are acted upon does it matter what their authors may do."""
        ids = dict.fromkeys(i for row in rows for i in people_in(row, me))
        authors = {clean(row.get("user")) for row in rows} if with_rights else set()
        people = await self._directory.people.find(ids, within=self._timing.lookup, fresh=authors)
        named = dict.fromkeys(i for row in rows for i in channels_in(row))
        channels = await self._directory.channel_names.find(list(named)[:_MOST_CHANNELS], within=self._timing.lookup)
        parsed = (parse_row(row, address, me, people, channels) for row in rows)
        return [message for message in parsed if message is not None]

    def describe(self) -> Description:
        """Who the bot is in this workspace, and what Slack can take; only after `connected`."""
        me = self._identity
        return Description(PLATFORM, me.user_id, me.name, _fits, LIMITS, PREVIEW_SECONDS)

    async def show_status(self, address: Address, text: str) -> bool | None:
        """Show `text` under the bot's name in the thread, or clear it. Never raises, gives up where it can't be had."""
        return await self._status.show(address, text)

    def begun(self, address: Address, *, again: bool) -> None:
        """Let Slack's own stop button stand in the thread, where it can be had. Never raises."""
        self._sessions.begun(address, again=again)

    def ended(self, address: Address) -> None:
        """Take Slack's own stop button away. Never raises."""
        self._sessions.ended(address)

    async def whisper(self, address: Address, user_id: str, reply: Reply) -> None:
        """Show one message to one person alone; it goes when they reload. Raises a `DeliveryFailure`."""
        with self._delivery():
            await whisper(self._web, address, user_id, reply)

    async def upload(self, address: Address, file: OutgoingFile, text: str = "", *, key: PartKey | None = None) -> str:
        """Post a file into the thread and return its id; needs the scope files:write. Raises a `DeliveryFailure`.

        Slack takes no key with a file: `find_file` tells whether one is there.
        """
        with self._delivery():
            return await upload(self._web, address, file, text)

    async def find_file(self, address: Address, name: str, after: str | None) -> str | None:
        """The id of our file of that name in the thread; raises a `DeliveryFailure`."""
        with self._delivery():
            return await find_own_file(self._web, address, name, after, self._identity)

    async def take_file_back(self, address: Address, file_id: str, after: str | None) -> None:
        """Delete a file of ours, and the message in the thread that shares it. Raises a `DeliveryFailure`.

        Without the file Slack may leave that message, or remove it: what is there was seen before.
        """
        with self._delivery():
            sharing = await find_sharing(self._web, address, file_id, after, self._identity)
            await remove(self._web, file_id)
        if sharing is not None:
            await self.delete(address, sharing)

    async def read_file(self, file: Attachment, most_bytes: int) -> bytes:
        """The bytes of a file that came with a message; needs the scope files:read. Raises a `DeliveryFailure`."""
        return await download(self._web, file, most_bytes)

    async def file_told(self, file: Attachment) -> Attachment:
        """A file of a channel shared with others, asked for by its id; needs files:read. Raises a `DeliveryFailure`."""
        with self._delivery():
            return await told(self._web, file)

    def is_person(self, user_id: str) -> bool:
        """Whether an id has the form of Slack's: https://docs.slack.dev/reference/objects/user-object"""
        return user_id[:1] in ("U", "W") and user_id.isalnum() and user_id.isascii() and user_id.isupper()

    async def direct(self, user_id: str) -> Address:
        """The direct conversation with a person; raises a `DeliveryFailure`, a refusal without the scope im:write."""
        me = self._identity
        with self._delivery():
            return await open_direct(self._web, me.team_id, user_id)

    async def place(self, address: Address) -> Place:
        """What the channel and the workspace are called. Never raises: empty where it can't be had."""
        workspace = self._me.team_name if self._me else ""
        if address.channel.startswith("D"):  # direct messages have no name, and asking would take another scope
            return Place(workspace_name=workspace)
        found = await self._directory.places.find([address.channel], within=self._timing.status)
        known = found.get(address.channel, Place())
        return Place(known.channel_name, workspace, known.topic)

    def vitals(self) -> Vitals:
        """How the socket is. Slack pings it and answers its pings, so it is heard every few seconds."""
        return self._pulse.read()

    # Serving

    @property
    def _identity(self) -> Identity:
        if self._me is None:
            raise DeliveryDelayed("not_connected")
        return self._me

    async def _serve(self, sink: Sink) -> None:
        async with open_session(self._timing.call) as session:
            self._web.session = session
            try:
                people = self._directory.people
                me = self._me = await self._sign_in.introduce(people)
                self._directory.team_id = me.team_id
                reception = Reception(me, people, self._directory.channel_names, sink, self._timing)
                interactive = Interactive(
                    me, self._web, session, people, sink=sink, timing=self._timing, sessions=self._sessions
                )
                app = build_app(self._web, me, reception.take, interactive)
                twins = Twins(me.user_id)

                async def handle(envelope: dict[str, Any]) -> dict[str, Any] | None:
                    return await twins.once(envelope, lambda each: dispatch(app, reception.take, each))

                def connected(missed: Missed) -> None:
                    self._sign_in.served = True
                    log.info("slack_connected", bot=me.user_id, workspace=me.team_id)
                    sink.connected(self.describe(), missed)

                try:
                    await stay_connected(
                        self._sign_in.socket_url, session, handle, connected, self._timing, pulse=self._pulse
                    )
                finally:
                    await interactive.close()
                    await self._sessions.close(_SESSIONS_END_SECONDS)
                    await self._status.close()
            finally:
                await self._directory.close()

    # Calls

    @contextmanager
    def _delivery(self, *, editing: bool = False, reading: bool = False) -> Iterator[None]:
        """Turn a fault into a `DeliveryFailure`; the core hears of a token that is refused while running."""
        try:
            yield
        except SlackFault as fault:
            failure = as_delivery_failure(fault, editing=editing, reading=reading)
            log.info("slack_delivery_failed", failure=type(failure).__name__, code=fault.code, status=fault.status)
            if fault.token_refused and self._sink is not None:
                self._sink.token_refused(PLATFORM, BOT_TOKEN)
            raise failure from None


def _fits(reply: Reply) -> bool:
    return fits(reply.text, reply.mentions)
