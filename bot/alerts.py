"""Tells the admins of what they have to see to: in the log, and by a direct message where they can be reached.

Each subject once until it is well again or a day has passed, for all workers together and over their restarts. Nobody
waits for it: troubles are put into a short queue, and one task works it off.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bot.adapter import Adapter
from bot.errors import DeliveryFailure, DeliveryRefused, StorageFailed
from bot.private import Reaching, write_to
from bot.troubles import Trouble
from storage.marks import Marks

log = structlog.get_logger(__name__)

EVERY_SECONDS = 86_400.0
MOST_WAITING = 64
# How long one admin is tried while a platform is down or busy.
REACH_FOR_SECONDS = 60.0
_MARK = "alert "


@dataclass(slots=True)
class _Open:
    """A subject that is not well. `last` and `quiet_until` are monotonic seconds."""

    since: datetime
    last: float = -math.inf
    quiet_until: float = -math.inf


@dataclass(frozen=True, slots=True)
class _Noticed:
    trouble: Trouble
    since: datetime
    ref: str | None


@dataclass(frozen=True, slots=True)
class _Over:
    subject: str
    since: datetime


@dataclass(slots=True)
class Alerts:
    """What is not well, and whom to tell. `run` owns the telling; `adapters` are those connected by now."""

    marks: Marks
    admins: Collection[str]
    adapters: Mapping[str, Adapter]
    _open: dict[str, _Open] = field(default_factory=dict)
    _queue: asyncio.Queue[_Noticed | _Over] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    async def recall(self) -> None:
        """Learn what earlier processes and other workers told of, so that its end is noticed."""
        try:
            told = await self.marks.named(_MARK)
        except StorageFailed as failure:
            log.warning("alerts_not_recalled", reason=str(failure))
            return
        for name, at in told.items():
            since = datetime.fromtimestamp(at / 1_000_000, UTC)
            self._open.setdefault(name.removeprefix(_MARK), _Open(since))

    def tell(self, trouble: Trouble) -> None:
        """Something needs an admin. Never waits and never fails; the turn it is said in names the log's lines."""
        now = time.monotonic()
        known = self._open.setdefault(trouble.subject, _Open(datetime.now(UTC)))
        known.last = now
        if now < known.quiet_until:
            return
        ref = structlog.contextvars.get_contextvars().get("ref")
        if self._put(_Noticed(trouble, known.since, ref)):
            known.quiet_until = now + EVERY_SECONDS

    def well(self, subjects: Iterable[str], began: float) -> None:
        """These are well, as far as something shows that began at `began` (monotonic seconds): not before the last
        failure. Costs next to nothing where all was well."""
        for subject in subjects:
            known = self._open.get(subject)
            if known is not None and known.last < began and self._put(_Over(subject, known.since)):
                del self._open[subject]

    async def run(self) -> None:
        """Work the queue off until cancelled."""
        while True:
            entry = await self._queue.get()
            try:
                if isinstance(entry, _Over):
                    await self._close(entry)
                else:
                    await self._tell(entry)
            except Exception:  # whatever telling an admin dies of must not end the answers
                log.exception("alert_failed")
            finally:
                self._queue.task_done()

    async def settle(self, seconds: float) -> None:
        """Give what waits a moment to be told, before the platforms are left."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.join()
        except TimeoutError:
            log.warning("alerts_untold", waiting=self._queue.qsize())

    def _put(self, entry: _Noticed | _Over) -> bool:
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            log.info("alert_put_off")  # the next failure or success says it again
            return False
        return True

    async def _close(self, over: _Over) -> None:
        try:
            await self.marks.clear(_MARK + over.subject)
        except StorageFailed as failure:
            log.warning("alert_not_closed", subject=over.subject, reason=str(failure))
            self._open.setdefault(over.subject, _Open(over.since))  # for the next success
        else:
            log.info("trouble_over", subject=over.subject, since=_minute(over.since))

    async def _tell(self, noticed: _Noticed) -> None:
        trouble = noticed.trouble
        try:
            if not await self.marks.due(_MARK + trouble.subject, EVERY_SECONDS):
                return
        except StorageFailed as failure:
            # Said once by this process, then: better than not at all.
            log.warning("alert_not_noted", subject=trouble.subject, reason=str(failure))
        log.error(
            "admin_needed",
            subject=trouble.subject,
            kind=trouble.kind,
            since=_minute(noticed.since),
            tells_admin=True,
            **({"ref": noticed.ref} if noticed.ref else {}),
        )
        fates = await asyncio.gather(
            *(
                self._reach(adapter, admin, _message(noticed))
                for admin in sorted(self.admins)
                for adapter in self.adapters.values()
                if isinstance(adapter, Reaching) and adapter.is_person(admin)
            )
        )
        if "later" in fates and "told" not in fates:
            await self._try_again(trouble)

    async def _try_again(self, trouble: Trouble) -> None:
        """Nobody could be reached just now: the next failure is a new reason to try."""
        known = self._open.get(trouble.subject)
        if known is not None:
            known.quiet_until = -math.inf
        try:
            await self.marks.clear(_MARK + trouble.subject)
        except StorageFailed as failure:
            log.warning("alert_not_noted", subject=trouble.subject, reason=str(failure))

    async def _reach(self, adapter: Reaching, admin: str, text: str) -> str:
        """Write to one person: "told", "never" where the platform refuses for good, "later" where it might not."""
        try:
            await write_to(adapter, admin, text, f"alert-{secrets.token_hex(8)}", seconds=REACH_FOR_SECONDS)
        except DeliveryRefused as refused:
            log.warning("admin_not_reached", admin=admin, code=refused.code, again=False)
            return "never"
        except DeliveryFailure as failure:
            log.warning("admin_not_reached", admin=admin, code=failure.code, again=True)
            return "later"
        log.info("admin_told", admin=admin)
        return "told"


def _message(noticed: _Noticed) -> str:
    ref = f" (ref {noticed.ref})" if noticed.ref else ""
    return (
        f"**Parley needs you.** {noticed.trouble.text}\n\n"
        f"_Since {_minute(noticed.since)}.{ref} I say this once, and again only after a day or when it came back._"
    )


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
