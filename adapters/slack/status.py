"""The line under the bot's name that says it is at work. A luxury: it never raises, and gives up where none is."""

from __future__ import annotations

import asyncio

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.budgets import Budgets
from adapters.slack.failures import SlackFault, ask
from bot.messages import Address

log = structlog.get_logger(__name__)

STATUS_SECONDS = 100.0
"""https://docs.slack.dev/reference/methods/assistant.threads.setStatus: the status fades after two minutes."""

_METHOD = "assistant.threads.setStatus"

# After these, or a page that is no answer of the method's at all, the status line is not tried again.
_NO_STATUS_HERE = frozenset(
    {
        "unknown_method",
        "missing_scope",
        "not_allowed",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "method_deprecated",
        "deprecated_endpoint",
        "feature_not_enabled",
    }
)


class StatusLine:
    """Shows statuses, and remembers whether they can be had. `seconds`: how long a call may take."""

    def __init__(self, web: AsyncWebClient, seconds: float, budgets: Budgets | None) -> None:
        self._web = web
        self._seconds = seconds
        self._budgets = budgets
        self._works = True
        self._not_before = 0.0

    async def show(self, address: Address, text: str) -> None:
        """Show `text` in the thread; the empty text clears it."""
        loop = asyncio.get_running_loop()
        if address.thread is None or not self._works or loop.time() < self._not_before:
            return
        if text and self._budgets is not None and not self._budgets.spares(_METHOD):
            return  # clearing must have room
        try:
            async with asyncio.timeout(self._seconds):
                await ask(
                    self._web.assistant_threads_setStatus(
                        channel_id=address.channel, thread_ts=address.thread, status=text
                    )
                )
        except TimeoutError:
            self._not_before = loop.time() + STATUS_SECONDS
            log.info("slack_status_failed", code="timeout")
        except SlackFault as fault:
            if fault.limited:
                self._not_before = loop.time() + (fault.retry_after or STATUS_SECONDS)
            elif fault.code in _NO_STATUS_HERE or 400 <= fault.status < 500 or fault.code == "unreadable":
                self._works = False
            log.info("slack_status_failed", code=fault.code, again=self._works)
