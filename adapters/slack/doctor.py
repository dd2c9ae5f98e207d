"""What `parley doctor` can find out about a Slack app from its two tokens, without posting anything.

Slack tells no app what events it is subscribed to; the scopes those events need are as far as one can look.
"""

from __future__ import annotations

import asyncio

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.connection import Timing
from adapters.slack.failures import SlackFault, ask, ask_with_headers
from adapters.slack.manifest import EVENT_SCOPES, NEEDED_SCOPES, OPTIONAL_SCOPES
from adapters.slack.tokens import APP_TOKEN, BOT_TOKEN, CURES, refusal, unusable
from adapters.slack.values import clean
from adapters.slack.web import open_session, proxy_for, web_client
from bot.checks import Check

_REACH = "Check the network, the proxy settings and SLACK_API_URL, and https://slack-status.com."
_URL = "Unset SLACK_API_URL, or set it to a URL such as https://slack.com/api/."
_REINSTALL = (
    "Open https://api.slack.com/apps, choose the app, App Manifest, paste what `parley manifest` prints, save, "
    "and install the app to the workspace again."
)


async def check(bot_token: str, app_token: str, api_url: str, *, timing: Timing | None = None) -> list[Check]:
    """Look at both tokens, the scopes and Socket Mode. Never raises; no token is in what it says."""
    timing = timing or Timing()
    async with open_session(timing.call) as session:
        try:
            web = web_client(bot_token.strip(), api_url, timing.call)
        except ValueError:  # such as a bracket that is never closed
            return [Check("Slack API URL", False, "SLACK_API_URL is not a URL", _URL)]
        web.session = session
        found = await _bot(web, bot_token.strip())
        return [*found, *await _app(web, session, app_token.strip(), timing)]


async def _bot(web: AsyncWebClient, token: str) -> list[Check]:
    name = "Slack bot token"
    if refused := unusable(BOT_TOKEN, token):
        return [Check(name, False, refused.problems[0].wrong, refused.problems[0].cure)]
    try:
        answer, headers = await ask_with_headers(web.auth_test())
    except SlackFault as fault:
        return [_failed(name, BOT_TOKEN, fault)]
    user, team = clean(answer.get("user")) or "?", clean(answer.get("team")) or "?"
    identity = Check(name, True, f"{BOT_TOKEN} is @{user} in {team}")
    if "x-oauth-scopes" not in headers:
        return [identity, Check("Slack scopes", True, "Slack did not say which scopes the token has")]
    granted = {scope.strip() for scope in headers["x-oauth-scopes"].split(",")}
    missing = [scope for scope in NEEDED_SCOPES if scope not in granted]
    if not missing:
        lacks = [f"without {scope} {cost}" for scope, cost in OPTIONAL_SCOPES.items() if scope not in granted]
        detail = "; ".join([f"all {len(NEEDED_SCOPES)} that are needed", *lacks])
        return [identity, Check("Slack scopes", True, detail, _REINSTALL if lacks else "")]
    deaf = [event for event, scope in sorted(EVENT_SCOPES.items()) if scope in missing]
    detail = f"missing: {', '.join(missing)}" + (f"; so no {', '.join(deaf)} events" if deaf else "")
    return [identity, Check("Slack scopes", False, detail, _REINSTALL)]


async def _app(web: AsyncWebClient, session: aiohttp.ClientSession, token: str, timing: Timing) -> list[Check]:
    name = "Slack app token"
    if refused := unusable(APP_TOKEN, token):
        return [Check(name, False, refused.problems[0].wrong, refused.problems[0].cure)]
    try:
        answer = await ask(web.apps_connections_open(app_token=token))
    except SlackFault as fault:
        return [_failed(name, APP_TOKEN, fault)]
    opened = Check(name, True, f"{APP_TOKEN} may open Socket Mode connections")
    return [opened, await _socket(session, clean(answer.get("url")), timing)]


async def _socket(session: aiohttp.ClientSession, url: str, timing: Timing) -> Check:
    """Connect, wait for the hello, and leave at once: an event sent meanwhile goes unacknowledged and comes again."""
    name = "Slack Socket Mode"
    try:
        async with (
            asyncio.timeout(timing.hello),
            session.ws_connect(
                url, proxy=proxy_for(url), timeout=aiohttp.ClientWSTimeout(ws_close=timing.settle)
            ) as socket,
        ):
            hello = await socket.receive_json()
    except (aiohttp.ClientError, OSError, ValueError, TypeError) as error:
        return Check(name, False, f"the websocket did not open ({type(error).__name__})", _REACH)
    if not isinstance(hello, dict) or hello.get("type") != "hello":
        return Check(name, False, "the websocket opened without a hello", _REACH)
    return Check(name, True, "connected and greeted")


def _failed(name: str, variable: str, fault: SlackFault) -> Check:
    if refused := refusal(variable, fault):
        return Check(name, False, f"{variable}: {refused.problems[0].wrong}", CURES[variable])
    return Check(name, False, f"no answer from Slack ({fault.code})", _REACH)
