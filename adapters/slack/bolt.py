"""The Bolt app: from an envelope to the right hands, and the rule that an event is stored before it is acknowledged.

Bolt runs `take` as the first of its middleware, so an event is durable before there is an answer to acknowledge with.
Nothing is left to tasks of Bolt's own: listeners run before the answer (`process_before_response`), and those there are
only hand on what people do; a form's answer is waited for, as it goes out with the acknowledgement, and so is what a
button under an answer does, which is durable before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.parsing import Identity
from adapters.slack.web import quiet, word

log = structlog.get_logger(__name__)

NOT_STORED = 503
_STORED = 200

Take = Callable[[dict[str, Any]], Awaitable[bool]]
_HOME_OPENED = "app_home_opened"
_SESSION_STOPPED = "agent_session_stopped"


class Hands(Protocol):
    """Who takes what people do with the bot's controls; `command`, `visit` and `stop` return at once."""

    def command(self, body: dict[str, Any]) -> None:
        """A slash command."""
        ...

    async def press(self, body: dict[str, Any]) -> None:
        """A button; returns once it may be acknowledged."""
        ...

    def visit(self, body: dict[str, Any]) -> None:
        """The bot's own page."""
        ...

    def stop(self, body: dict[str, Any]) -> None:
        """Slack's own stop button."""
        ...

    async def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """A form; returns what to acknowledge it with."""
        ...


def build_app(web: AsyncWebClient, me: Identity, take: Take, hands: Hands) -> AsyncApp:
    """`take` stores an event's payload and says whether it could; `hands` take the payloads of all else."""

    async def store(body: dict[str, Any], next_: Callable[[], Awaitable[None]]) -> BoltResponse | None:
        event = body.get("event")
        if "event" not in body or (isinstance(event, dict) and event.get("type") in (_HOME_OPENED, _SESSION_STOPPED)):
            await next_()
            return None
        return BoltResponse(status=_STORED if await take(body) else NOT_STORED, body="")

    async def authorize() -> AuthorizeResult:
        # Bolt would otherwise ask `auth.test` again, and leave a command unanswered when that fails.
        return AuthorizeResult(
            enterprise_id=None, team_id=me.team_id, bot_user_id=me.user_id, bot_id=me.bot_id, bot_token=web.token
        )

    app = AsyncApp(
        name="slack_bolt.parley",  # a logger of this name is muted
        logger=quiet,
        client=web,
        authorize=authorize,
        before_authorize=store,
        process_before_response=True,
        # Signatures, SSL checks and URL verification are HTTP's; the bot's own messages are told apart by the parser.
        request_verification_enabled=False,
        ssl_check_enabled=False,
        url_verification_enabled=False,
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )

    @app.command(re.compile(".*"))
    async def command(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        hands.command(body)

    @app.block_action(re.compile(".*"))
    async def press(ack: AsyncAck, body: dict[str, Any]) -> None:
        await hands.press(body)
        await ack()

    @app.view_submission(re.compile(".*"))
    async def submit(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack(await hands.submit(body) or "")

    @app.event(_HOME_OPENED)
    async def visit(body: dict[str, Any]) -> None:
        hands.visit(body)

    @app.event(_SESSION_STOPPED)
    async def stop(body: dict[str, Any]) -> None:
        hands.stop(body)

    return app


async def dispatch(app: AsyncApp, take: Take, envelope: dict[str, Any]) -> dict[str, Any] | None:
    """What to acknowledge the envelope with; None for what could not be stored, so that Slack sends it again."""
    kind, payload = word(envelope.get("type")), envelope.get("payload")
    if not isinstance(payload, dict):
        log.warning("slack_envelope_malformed", kind=kind)
        return {}
    try:
        request = AsyncBoltRequest(mode="socket_mode", body=payload)
    except (AttributeError, TypeError, ValueError, LookupError):
        # Some field that Bolt looks at is of no type it expects; the message itself may be sound.
        log.warning("slack_payload_odd", kind=kind)
        return {} if await take(payload) else None
    response = await app.async_dispatch(request)
    if response.status not in (_STORED, NOT_STORED):
        log.info("slack_envelope_ignored", kind=kind, status=response.status)
    if response.status == NOT_STORED:
        return None
    answer = json.loads(response.body) if response.status == _STORED and response.body else {}
    return answer if isinstance(answer, dict) else {}
