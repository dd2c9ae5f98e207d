"""The Web API client as Parley uses it: one aiohttp session, no retries of the SDK's, no SDK logging, proxies by rule.

What an answer or a failure means is not decided here.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.fencing import fence
from adapters.slack.budgets import Budgets, PlannedClient

# The SDK and Bolt print payloads, tokens' tickets and message texts; this logger, handed to both, prints nothing.
quiet = logging.getLogger("adapters.slack.sdk")
quiet.setLevel(logging.CRITICAL + 1)
quiet.propagate = False


def word(value: object) -> str:
    """What may be logged of a field that anybody could have filled: a name such as Slack's own, never a text."""
    return value if isinstance(value, str) and len(value) <= 40 and value.isidentifier() and value.islower() else "?"


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for `url`, NO_PROXY honoured (which the SDK does not)."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    secure = parts.scheme in ("https", "wss")
    return proxies.get("https" if secure else "http") or proxies.get("all") or None


def open_session(seconds: float) -> aiohttp.ClientSession:
    """The one session; a call may take `seconds` in all."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[fence(aiohttp.TraceConfig())],
    )


def web_client(token: str | None, api_url: str, seconds: float, budgets: Budgets | None = None) -> AsyncWebClient:
    """A client without a session: set `.session` as soon as there is one. Its calls wait for room in `budgets`."""
    client = PlannedClient(
        token=token, base_url=api_url, timeout=max(1, round(seconds)), logger=quiet, retry_handlers=[]
    )
    client.budgets = budgets
    client.proxy = proxy_for(client.base_url)  # the constructor would take None for "look at the environment"
    return client


def webhook_client(url: str, session: aiohttp.ClientSession) -> AsyncWebhookClient:
    """A client for one `response_url`."""
    client = AsyncWebhookClient(url, session=session, logger=quiet, retry_handlers=[])
    client.proxy = proxy_for(url)
    return client
