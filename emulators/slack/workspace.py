"""`SlackWorkspace`: the emulated workspace as a server on loopback with its control API, for tests and the demo.

The state is `core`'s, the acts are `people`'s and `surfaces`'; this room starts and stops the server and offers views
of the state.
"""

from __future__ import annotations

from typing import Self

from aiohttp import web

from emulators.slack import web_api
from emulators.slack.model import Ack, Channel, Delivery, Message, Ping, User
from emulators.slack.socket_mode import Connection, DisconnectReason, Manner
from emulators.slack.surfaces import Surfaces


class SlackWorkspace(Surfaces):
    """A workspace with one app installed, speaking Slack's Web API and Socket Mode on 127.0.0.1.

    Arguments (all by name, all with defaults): `team_id`, `team_name`, `bot_name`, `bot_user_id`, `bot_id`, `app_id`,
    `bot_token`, `app_token`, `scopes`, `subscriptions` (event names as in a manifest), `timing`, `limits` ("published"
    or "none"), `drop_unconnected` (events sent while no socket is open are lost instead of retried), `home_tab`
    (whether the app has one).
    """

    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(
            web_api.application(self), access_log=None, handler_cancellation=False, shutdown_timeout=1.0
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runner = runner
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.socket.close()
        finally:
            if self._runner is not None:
                await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base URL for the app, as `SLACK_API_URL`."""
        return f"{self.base_url}/api/"

    # ---- views of the state

    def messages(self, channel: Channel | str, thread_ts: str | None = None) -> list[Message]:
        """The standing messages of a conversation, or of one thread with its parent first."""
        channel_id = channel if isinstance(channel, str) else channel.id
        if thread_ts is not None:
            return self.thread(channel_id, thread_ts)
        return [message for message in self.store[channel_id].values() if not message.deleted]

    def bot_messages(self, channel: Channel | str | None = None, thread_ts: str | None = None) -> list[Message]:
        """The app's standing messages: everywhere, in a conversation, or in one thread."""
        chosen = [channel] if channel is not None else list(self.channels.values())
        return [m for one in chosen for m in self.messages(one, thread_ts) if m.user == self.bot.id]

    def whispers(self, user: User, channel: Channel | str, thread_ts: str | None = None) -> list[Message]:
        """What the person alone sees in a conversation or a thread: the app's ephemeral messages to them."""
        channel_id = channel if isinstance(channel, str) else channel.id
        return [
            message
            for message in self.ephemerals
            if (message.ephemeral_to, message.channel, message.thread_ts) == (user.id, channel_id, thread_ts)
            and not message.deleted
        ]

    @property
    def crowd_pings(self) -> list[Ping]:
        """The pings that notify more than one person."""
        return [ping for ping in self.pings if ping.crowd]

    @property
    def deliveries(self) -> list[Delivery]:
        """Every envelope sent, with its attempts and fate."""
        return self.socket.deliveries

    @property
    def acks(self) -> list[Ack]:
        """Every acknowledgement received."""
        return self.socket.acks

    @property
    def connections(self) -> list[Connection]:
        """The open websockets."""
        return self.socket.connections

    @property
    def undelivered(self) -> list[Delivery]:
        """The envelopes not acknowledged so far."""
        return [delivery for delivery in self.deliveries if not delivery.acked]

    # ---- the wire's accidents

    async def disconnect(self, reason: DisconnectReason = "refresh_requested", *, close: bool = True) -> None:
        """Tell every socket it is about to end, and end it: see `SocketMode.disconnect`."""
        await self.socket.disconnect(reason, close=close)

    def drop_connections(self) -> int:
        """Cut every socket without a word; returns how many."""
        return self.socket.drop()

    def go_silent(self, silent: bool = True) -> None:
        """Every open socket stays open but says and hears nothing (or, with False, comes back)."""
        self.socket.behave("silent" if silent else "well")

    def go_mute(self) -> None:
        """Every open socket answers pings and takes acks, but no envelope and no ping comes on it any more."""
        self.socket.behave("mute")

    def go_deaf(self) -> None:
        """Every open socket goes on sending, but nothing that is sent to it is read any more."""
        self.socket.behave("deaf")

    def next_sockets(self, *manners: Manner) -> None:
        """How the next sockets behave from their opening on, one each: `silent` ones never even say hello."""
        self.socket.next_behave(*manners)

    def accept_connections(self, accepting: bool) -> None:
        """Whether new websockets are let in; refused ones get 503 and keep their ticket."""
        self.socket.accepting = accepting

    async def wait_connected(self, count: int = 1, timeout: float = 60.0) -> None:
        """Wait until `count` sockets are open and have had their hello."""
        await self.wait_for(lambda: len(self.connections) >= count, timeout)
