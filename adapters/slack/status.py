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

AFTER_TIMEOUT = 10.0
"""Seconds until a status is tried again after a call that took too long: each holds an answer's first words up."""

CLEARING_TRIES = 3
CLEARING_WAIT = 1.0
"""How often a status is taken away, and the seconds between two tries: one that stays says what is not so."""

LATE_SECONDS = 3.0
"""How long what takes a status away waits for a call that took too long: Slack may carry it out after that."""

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
        # The calls that took too long, and are still on their way.
        self._late: dict[Address, asyncio.Task[None]] = {}

    async def show(self, address: Address, text: str) -> bool | None:
        """Show `text` in the thread; the empty text clears it.

        Whether it is known to be so; None where nothing was tried.
        """
        if address.thread is None or not self._works or (text and not self._may_show()):
            return None
        if late := self._late.get(address):
            await asyncio.wait([late], timeout=LATE_SECONDS)
        wait = await self._set(address, text)
        for _ in range(0 if text else CLEARING_TRIES - 1):
            if wait is None or not self._works:
                break
            await asyncio.sleep(min(wait, CLEARING_WAIT))
            wait = await self._set(address, text)
        return wait is None

    def _may_show(self) -> bool:
        """Whether a status may be tried now; what clears one must have room beside it."""
        if asyncio.get_running_loop().time() < self._not_before:
            return False
        return self._budgets is None or self._budgets.spares(_METHOD)

    async def _set(self, address: Address, text: str) -> float | None:
        """None where it is set, else the seconds after which it may be tried again."""
        call = asyncio.create_task(self._call(address, text), name="status")
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.shield(call)
        except asyncio.CancelledError:
            call.cancel()
            raise
        except TimeoutError:
            self._late[address] = call
            call.add_done_callback(lambda done: self._came(address, done))
            code, wait, pauses = "timeout", AFTER_TIMEOUT, True
        except SlackFault as fault:
            code, wait, pauses = fault.code, fault.retry_after or AFTER_TIMEOUT, fault.limited
            if not fault.limited and (
                fault.code in _NO_STATUS_HERE or 400 <= fault.status < 500 or fault.code == "unreadable"
            ):
                self._works = False
        else:
            return None
        if pauses:
            self._not_before = asyncio.get_running_loop().time() + wait
        log.info("slack_status_failed", code=code, again=self._works)
        return wait

    async def _call(self, address: Address, text: str) -> None:
        await ask(
            self._web.assistant_threads_setStatus(
                channel_id=address.channel, thread_ts=address.thread or "", status=text
            )
        )

    def _came(self, address: Address, call: asyncio.Task[None]) -> None:
        """What came of a late call is nobody's business any more, but that it came."""
        if not call.cancelled():
            call.exception()
        if self._late.get(address) is call:
            del self._late[address]

    async def close(self) -> None:
        """Wait for no call any more."""
        late = list(self._late.values())
        for call in late:
            call.cancel()
        await asyncio.gather(*late, return_exceptions=True)
