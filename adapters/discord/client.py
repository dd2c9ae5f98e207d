"""One client of Discord: logs in, keeps a gateway session alive through every interruption, hands raw events on.

discord.py gives the HTTP client with its rate-limit buckets, the websocket and the cache of guilds and channels.
Its own `connect` loses itself when the first connection fails or a parser raises; the one here resumes or identifies
anew, for ever, until Discord says that it is no use. What the events mean lives in `parsing.py`, what follows a
refusal in `supervisor.py`.

One shard serves up to 2,500 servers, far beyond one team; so this is the plain `Client`, and it asks for the
gateway's address itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route
from discord.user import ClientUser

from adapters.discord import rest
from adapters.discord.buckets import Buckets
from adapters.discord.gateway import GatewaySocket, Session, Watch, complete_user
from adapters.discord.people import display_name
from adapters.discord.timing import Backoff, Timing
from adapters.discord.values import identifier, is_object, string
from adapters.fencing import fence
from adapters.vitals import Pulse
from bot.adapter import Reason
from bot.errors import DeliveryFailure, DeliveryUncertain

log = structlog.get_logger(__name__)

DEFAULT_API_URL = "https://discord.com/api/v10"

CONTENT_FLAGS = 1 << 18 | 1 << 19
"""Application flags GATEWAY_MESSAGE_CONTENT and GATEWAY_MESSAGE_CONTENT_LIMITED: one is set where the intent is on."""

INTENT_NOT_ALLOWED = 4014
"""Close code: a privileged intent was asked for that the application's page does not allow."""

RESUME_TRIES = 3
"""Failed resumes in a row after which the session is given up."""

DAY = 86_400.0

GUILDS_FOLLOW = 0.25
"""Seconds after a READY that named no guilds in which the first are told of, if there are any."""

APPLICATION_DEADLINE = 5.0
"""Seconds to learn what the application is called and may do; the bot starts without."""

REACTIONS = ("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE")
EVENTS = ("READY", "RESUMED", "MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", *REACTIONS)
INTERACTION = "INTERACTION_CREATE"

CACHED = frozenset({
    *("READY", "RESUMED", "USER_UPDATE"),
    *("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"),
    "GUILD_MEMBER_UPDATE",
    *("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"),
    *("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC"),
})  # fmt: skip
"""Events that feed discord.py's cache of guilds and channels; the library's other parsers are not run.

Without the intent for members Discord tells of changes of the bot's own membership alone, such as its nickname."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is; `reads_content` is None where Discord did not say whether the intent is on."""

    user_id: str
    name: str
    application_id: str
    reads_content: bool | None


def redirect(api_url: str) -> None:
    """Point discord.py at an API, for the whole process: the library knows no other way.

    Also quiets the library's loggers, which name addresses with tokens in them and, at DEBUG, whole messages.
    """
    Route.BASE = api_url.rstrip("/")
    logging.getLogger("discord").setLevel(logging.ERROR)


def _naming_json() -> aiohttp.TraceConfig:
    """Name JSON as the type of requests about commands also where they have no body, as a GET.

    What checks requests by Discord's documents reads a list of commands by that type; discord.py names none.
    """

    async def name_it(_session: object, _context: object, request: aiohttp.TraceRequestStartParams) -> None:
        if request.url.path.endswith("/commands"):
            request.headers.setdefault("Content-Type", "application/json")

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(name_it)
    return trace


@dataclass(frozen=True, slots=True)
class Ended:
    """How one connection ended: what can be resumed, and why another is needed."""

    session: Session | None
    reason: Reason
    detail: str = ""


class Client(discord.Client):
    """A logged-in application and its gateway session; `on_event` gets each event's name and raw data, in order."""

    def __init__(
        self,
        on_event: Callable[[str, Any], None],
        timing: Timing,
        pulse: Pulse | None = None,
        *,
        planned: bool = True,
    ) -> None:
        self._wanted = discord.Intents(
            guilds=True,
            guild_messages=True,
            dm_messages=True,
            message_content=True,
            guild_reactions=True,
            dm_reactions=True,
        )
        super().__init__(
            intents=self._wanted,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0.1,
            heartbeat_timeout=2 * timing.silence,  # the library's own patience; `GatewaySocket` has half of it
            max_ratelimit_timeout=rest.LONGEST_WAIT,
            http_trace=fence(_naming_json()),
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self._buckets = Buckets(rest.LONGEST_WAIT, planned=planned)
        self.http._buckets = self._buckets
        self._on_event = on_event
        self._timing = timing
        self._pulse = pulse or Pulse(overdue=timing.silence)
        self._gateway_address: yarl.URL | None = None
        self._identified_at: float | None = None
        self._alive = False
        self.has_served = False
        """Whether events have come by a session of its own."""
        self._guilds_told = asyncio.Event()
        parsers = self._connection.parsers
        known = {name: parse for name, parse in parsers.items() if name in CACHED}
        parsers.clear()  # discord.py's websockets hold this very dictionary
        for name in sorted(CACHED.union(EVENTS, [INTERACTION])):
            parsers[name] = self._guarded(name, known.get(name), announce=name in EVENTS or name == INTERACTION)

    @property
    def reads_all(self) -> bool:
        """Whether the session asks for the content of messages that do not mention the bot."""
        return self._wanted.message_content

    def learned(self, route: str, channel: str) -> tuple[int, float] | None:
        """How many requests of a route Discord takes in a channel in how many seconds, where it has told."""
        known = self.http._bucket_hashes.get(route)
        return self._buckets.learned(f"{known}:{channel}") if known is not None else None

    async def guilds_told(self, seconds: float) -> None:
        """Wait until Discord has described every guild of the session, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if not self.guilds:
                    await asyncio.sleep(GUILDS_FOLLOW)
                await self._guilds_told.wait()

    async def authenticate(self, token: str) -> Identity:
        """Log in over REST and learn who we are. Raises `discord.LoginFailure` or what the request failed with."""
        user = rest.decoded(await self.http.static_login(token))
        if not is_object(user) or not identifier(user.get("id")):
            raise DeliveryUncertain("no_identity")
        self._connection.user = ClientUser(state=self._connection, data=complete_user(user))  # type: ignore[arg-type]
        application = await self._about_application()
        flags = application.get("flags")
        reads_content = bool(flags & CONTENT_FLAGS) if isinstance(flags, int) else None
        if reads_content is False:
            self._wanted.message_content = False
        return Identity(
            user_id=identifier(user.get("id")),
            name=display_name(user),
            application_id=identifier(application.get("id")) or identifier(user.get("id")),
            reads_content=reads_content,
        )

    async def connect(self, *, reconnect: bool = True) -> None:
        """Keep a session alive. Ends only by `discord.ConnectionClosed`: Discord refuses for good."""
        backoff = Backoff(self._timing)
        session: Session | None = None
        failed_resumes = 0
        while True:
            began, resuming, self._alive = time.monotonic(), session is not None, False
            try:
                ended = await self._run_session(session)
            except discord.ConnectionClosed as closed:
                if closed.code != INTENT_NOT_ALLOWED or not self.reads_all:
                    raise
                log.warning("message_content_refused", code=closed.code)
                self._wanted.message_content = False
                session = None
                continue
            finally:
                self._pulse.down(self)
            session = ended.session
            failed_resumes = failed_resumes + 1 if resuming and not self._alive else 0
            if failed_resumes >= RESUME_TRIES:
                session, failed_resumes = None, 0
            # Of a session that Discord has forgotten it has asked for a wait, which is over.
            forgotten = resuming and not self._alive and ended.session is None
            lasted = self._alive and time.monotonic() - began >= self._timing.served
            # One that ends soon and for good takes a new identify each time, and there are 1,000 a day.
            if lasted or forgotten or (self._alive and ended.session is not None):
                backoff.reset()
                delay = 0.0 if lasted or forgotten else random.uniform(0, self._timing.again)
            else:
                delay = backoff.next()
            tell = log.info if ended.reason == "asked_to" else log.warning
            tell(
                "gateway_reconnecting",
                reason=ended.reason,
                detail=ended.detail,
                count=self._pulse.lost(ended.reason),
                resume=session is not None,
                seconds=round(delay, 1),
            )
            await asyncio.sleep(delay)

    async def before_identify_hook(self, _shard_id: int | None, *, initial: bool = False) -> None:
        """Note when a session is opened: a connection that fails before does not count as an identify."""
        self._identified_at = time.monotonic()

    async def close(self) -> None:
        """Close every connection, also where the one who wants it closed is cancelled meanwhile."""
        closing = asyncio.create_task(self._close(), name="closing")
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            # The library would leave its session open behind it.
            await closing
            raise

    async def _close(self) -> None:
        # The library's own waiting task has to be ended first.
        waiting = self._connection._ready_task
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])
        await super().close()

    async def _run_session(self, session: Session | None) -> Ended:
        """One connection from hello to its end."""
        try:
            socket = await (self._identify() if session is None else self._resume(session))
        except ReconnectWebSocket as wanted:
            return Ended(session if wanted.resume else None, "closed", "before_hello")
        except TimeoutError:
            return Ended(session, "silent", "no_hello")
        except (OSError, aiohttp.ClientError, DeliveryFailure) as error:
            log.info("gateway_unreachable", error=type(error).__name__, reason=str(error)[:100])
            return Ended(session, "refused", type(error).__name__)
        self.ws = socket
        try:
            while True:
                await socket.poll_event()
        except ReconnectWebSocket as wanted:
            if not wanted.resume:
                await asyncio.sleep(random.uniform(*self._timing.reidentify))
        except (OSError, aiohttp.ClientError) as error:
            socket.watch.detail = type(error).__name__
        detail = socket.watch.detail or str(socket.socket.close_code or "")
        return Ended(socket.session(), socket.watch.reason, detail)

    async def _identify(self) -> GatewaySocket:
        """A connection with a new session, at Discord's distance from the last one."""
        gateway = await self._gateway()
        if self._identified_at is not None:
            await asyncio.sleep(max(0.0, self._identified_at + self._timing.identify_gap - time.monotonic()))
        return await self._open(gateway, None, self._timing.hello)

    async def _resume(self, session: Session) -> GatewaySocket:
        """A connection for a session: at the session's own address, and where nobody answers there, at the main one."""
        main = self._gateway_address or session.gateway
        if session.gateway != main:
            try:
                return await self._open(session.gateway, session, self._timing.resume_hello)
            except (OSError, aiohttp.ClientError) as error:
                log.info("resume_address_unreachable", error=type(error).__name__)
        return await self._open(main, session, self._timing.hello)

    async def _open(self, gateway: yarl.URL, session: Session | None, seconds: float) -> GatewaySocket:
        async with asyncio.timeout(seconds):
            socket = await GatewaySocket.from_client(
                self,
                initial=True,
                gateway=gateway,
                session=session.id if session else None,
                sequence=session.sequence if session else None,
                resume=session is not None,
                compress=False,
            )
        due = socket.loop.time() + self._timing.ready
        socket.watch = Watch(self._timing, self._pulse, due, socket.watch.unacknowledged)
        return socket

    async def _gateway(self) -> yarl.URL:
        """Where to connect, as Discord says now; as it said last where it does not. Raises a `DeliveryFailure`."""
        try:
            said = await rest.call(self.http, self.http.request(Route("GET", "/gateway/bot")))
        except DeliveryFailure as failure:
            if failure.code == "401":
                raise discord.LoginFailure("401: Unauthorized") from failure
            if self._gateway_address is None:
                raise
            return self._gateway_address
        if not is_object(said) or not (address := string(said.get("url"))):
            raise DeliveryUncertain("no_gateway")
        limit = said.get("session_start_limit")
        if is_object(limit) and limit.get("remaining") == 0 and isinstance(limit.get("reset_after"), int):
            # One identify more and Discord would reset the token.
            seconds = min(limit["reset_after"] / 1000, DAY)
            log.error("session_starts_used_up", seconds=seconds)
            await asyncio.sleep(seconds)
        self._gateway_address = DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(address)
        return self._gateway_address

    async def _about_application(self) -> Mapping[str, Any]:
        """The application's own record, from either place that has it; empty where neither answers."""
        for path in ("/applications/@me", "/oauth2/applications/@me"):
            try:
                said = await rest.call(self.http, self.http.request(Route("GET", path)), APPLICATION_DEADLINE)
            except DeliveryFailure as failure:
                log.info("application_unknown", path=path, code=failure.code)
                continue
            if is_object(said):
                return said
        return {}

    def _guarded(self, name: str, parse: Callable[[Any], None] | None, *, announce: bool) -> Callable[[Any], None]:
        """An event's handler that never raises: in discord.py that would end the client."""

        def handle(data: Any) -> None:
            try:
                if parse is not None:
                    parse(data)
            except Exception as error:  # noqa: BLE001 - the library's parsers fail in any way they like
                log.warning("event_not_cached", event_name=name, error=type(error).__name__)
            if name in {"READY", "RESUMED"}:
                self._alive = self.has_served = True
                self._pulse.up(self)
            if name in {"READY", "GUILD_CREATE"}:
                if any(guild.unavailable for guild in self.guilds):
                    self._guilds_told.clear()
                else:
                    self._guilds_told.set()
            try:
                if announce:
                    self._on_event(name, data)
            except Exception as error:  # noqa: BLE001 - whatever it is, the connection must outlive it
                log.error("event_dropped", event_name=name, error=type(error).__name__)

        return handle
