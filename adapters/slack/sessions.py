"""Slack's own stop button: there while the session of an agent in a thread is `processing`, gone once it is `active`.

A luxury of an app that is declared as an agent: nothing waits for it, nothing fails by it. What must come is its end.
https://docs.slack.dev/ai/agent-sessions
"""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.budgets import Budgets
from adapters.slack.failures import SlackFault, ask
from bot.leisure import at_leisure
from bot.messages import Address

log = structlog.get_logger(__name__)

Status = Literal["processing", "active", "unsure"]

BEGIN_SECONDS = 0.5
"""An answer that stands sooner needs no button, and saves two calls."""

END_TRIES = 3
END_WAIT = 2.0
"""How often an end is tried, and at least so many seconds between two tries: a session that goes on says what is not
so."""

_METHOD = "agents.sessions.setStatus"

# These are said of a place, or pass. Whatever else refuses a session refuses all: an app that is no agent, a scope.
_NOT_FOR_ALL = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "not_authorized",
        "is_archived",
        "thread_not_found",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
    }
)


class Sessions:
    """The sessions of one workspace's threads. Owns a task for each whose status is to change, until `close`."""

    def __init__(self, web: AsyncWebClient, budgets: Budgets | None) -> None:
        self._web = web
        self._budgets = budgets
        self._works = True
        self._wanted: dict[tuple[str, str], Status] = {}
        self._shown: dict[tuple[str, str], Status] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def begun(self, address: Address, *, again: bool) -> None:
        """An answer is being written in a thread; `again`: another process may have said so before."""
        if address.thread is not None:
            key = (address.channel, address.thread)
            if again:
                self._shown[key] = "unsure"
            self._want(key, "processing")

    def ended(self, address: Address) -> None:
        """Nothing is written there any more."""
        if address.thread is not None:
            self._want((address.channel, address.thread), "active")

    def pressed(self, channel: str, thread: str) -> None:
        """Its button was pressed: where nothing is written, a process that is gone has left it."""
        key = (channel, thread)
        if self._wanted.get(key) != "processing":
            self._shown[key] = "unsure"
            self._want(key, "active")

    async def close(self, within: float) -> None:
        """Give what is under way `within` seconds to end, then end it."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=within)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _want(self, key: tuple[str, str], status: Status) -> None:
        self._wanted[key] = status
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._follow(key), name="session")

    async def _follow(self, key: tuple[str, str]) -> None:
        """Set the status of one session until it is as wanted, or can't be had."""
        try:
            while self._works and (wanted := self._wanted[key]) != self._shown.get(key, "active"):
                if not await (self._begin(key) if wanted == "processing" else self._end(key)):
                    break
        finally:
            del self._tasks[key]
            if self._wanted[key] == "active":
                del self._wanted[key]
                self._shown.pop(key, None)

    async def _begin(self, key: tuple[str, str]) -> bool:
        """Whether there is more to do for the session: it is shown by now, or wanted no more."""
        await at_leisure(BEGIN_SECONDS)
        if self._wanted[key] != "processing":
            return True
        if self._budgets is not None and not self._budgets.spares(_METHOD):
            return False
        return await self._set(key, "processing") is None or self._wanted[key] != "processing"

    async def _end(self, key: tuple[str, str]) -> bool:
        for _ in range(END_TRIES):
            wait = await self._set(key, "active")
            if wait is None or not self._works or self._wanted[key] != "active":
                return self._works
            await asyncio.sleep(max(wait, END_WAIT))
        return False

    async def _set(self, key: tuple[str, str], status: Literal["processing", "active"]) -> float | None:
        """None where it is set, else the seconds after which it may be tried again."""
        self._shown[key] = "unsure"
        channel, thread = key
        try:
            await ask(self._web.agents_sessions_setStatus(channel_id=channel, thread_ts=thread, status=status))
        except SlackFault as fault:
            if fault.refused and not fault.limited and fault.code not in _NOT_FOR_ALL:
                self._works = False
            log.info("slack_session_not_set", wanted=status, code=fault.code, again=self._works)
            return fault.retry_after or 0.0
        self._shown[key] = status
        return None
