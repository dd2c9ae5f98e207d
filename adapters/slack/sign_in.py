"""Signing in: whether the tokens can be tokens, who the bot is, and an address for each socket."""

from __future__ import annotations

import asyncio

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.connection import Timing
from adapters.slack.failures import SlackFault, ask
from adapters.slack.names import Lookups
from adapters.slack.parsing import Identity
from adapters.slack.people import Person
from adapters.slack.tokens import APP_TOKEN, BOT_TOKEN, refusal, unusable
from adapters.slack.values import clean

log = structlog.get_logger(__name__)

# A refusal of the token while running may be Slack's hiccup: so many in a row are waited out.
_REFUSALS_BORNE = 4


class SignIn:
    """The two tokens of an app, and what Slack gives for them. `served`: it gave a socket that worked before."""

    def __init__(self, web: AsyncWebClient, bot_token: str, app_token: str, timing: Timing) -> None:
        self._web = web
        self._bot_token = bot_token
        self._app_token = app_token
        self._timing = timing
        self._refusals = 0
        self.served = False

    async def introduce(self, people: Lookups[Person]) -> Identity:
        """Ask Slack who the bot is, for as long as it takes. Raises `TokenRefused`."""
        for refused in (unusable(BOT_TOKEN, self._bot_token), unusable(APP_TOKEN, self._app_token)):
            if refused is not None:
                raise refused
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await ask(self._web.auth_test())
                user_id = clean(answer.get("user_id"))
                if not user_id:
                    raise SlackFault("unreadable", status=200)  # noqa: TRY301 - the same as no answer
            except SlackFault as fault:
                if token_refused := refusal(BOT_TOKEN, fault):
                    raise token_refused from None
                log.warning("slack_unreachable", attempt=attempt, code=fault.code, status=fault.status)
                await asyncio.sleep(self._timing.pause(attempt, fault.retry_after))
                continue
            known = await people.find([user_id], within=self._timing.lookup)
            return Identity(
                user_id=user_id,
                bot_id=clean(answer.get("bot_id")),
                name=known[user_id].name if user_id in known else clean(answer.get("user")) or "Parley",
                team_id=clean(answer.get("team_id")),
                team_name=clean(answer.get("team")),
            )

    async def socket_url(self) -> str:
        """A fresh URL for one socket; raises `TokenRefused`, or `SlackFault` for what passes."""
        try:
            answer = await ask(self._web.apps_connections_open(app_token=self._app_token))
        except SlackFault as fault:
            if refused := refusal(APP_TOKEN, fault):
                self._refusals += 1
                if not self.served or self._refusals > _REFUSALS_BORNE:
                    raise refused from None
            raise
        self._refusals = 0
        url = answer.get("url")
        if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
            raise SlackFault("unreadable", status=200)
        return url
