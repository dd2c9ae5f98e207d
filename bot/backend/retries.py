"""The one owner of retries: when a call may leave and with which key, what follows a failure, and when patience ends.

It decides and keeps the state that all conversations share (key ring, paces, breaker); it sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot.backend.breaker import Breaker
from bot.backend.clock import Clock
from bot.backend.completion import CompletionRequest, Restarted, Text, Waiting
from bot.backend.config import BackendConfig
from bot.backend.exchange import Windows
from bot.backend.failures import Diagnosis
from bot.backend.keys import Key, KeyRing
from bot.backend.limiter import GAP, LONGEST_PAUSE
from bot.backend.parameters import Refusals
from bot.backend.rings import Rings
from bot.backend.waits import backoff, not_before
from bot.errors import (
    KeyRefused,
    KeysMissing,
    ModelFailure,
    ModelRateLimited,
    ModelUnavailable,
    ParameterRefused,
    QuotaExhausted,
)

log = structlog.get_logger(__name__)

PROVEN_WITHIN = 5.0
"""Seconds that a call waits at most to learn from others whether a key that nobody knows yet is good."""

KeyFailed = Callable[[str, ModelFailure], None]
"""Called whenever a key is refused or empty, with its label and why: an admin is to know though others still answer."""


@dataclass(slots=True)
class Call:
    """One question's way: what it has tried, and how much patience is left. Times are the clock's."""

    request: CompletionRequest
    refusals: Refusals
    attempts: int = 0
    failures: int = 0
    silences: int = 0
    restarts: int = 0
    spent: list[Key] = field(default_factory=list)
    last: ModelFailure | None = None
    not_before: float = 0.0
    patience_until: float | None = None
    waited_out: float = 0.0
    told_until: float = 0.0
    told_breaker: bool = False
    unproven_until: float | None = None
    shown: bool = False
    stale: bool = False
    text: list[str] = field(default_factory=list)

    def deadline(self, now: float, patience: float) -> float:
        """The end of the patience, which begins with the first thing that needs some."""
        if self.patience_until is None:
            self.patience_until = now + patience
        return self.patience_until

    def heard(self, text: str) -> list[Restarted | Text]:
        """What to tell the asker of a piece of the answer; nothing where it is empty."""
        if not text:
            return []
        void = [Restarted()] if self.stale else []
        self.stale, self.shown = False, True
        self.text.append(text)
        return [*void, Text(text)]


@dataclass(frozen=True, slots=True)
class Go:
    """Leave now, which is `at` by the clock."""

    ring: KeyRing
    key: Key
    probe: bool
    at: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now. `say` tells the asker; once `until` is set, another call has shown something: look again at once."""

    seconds: float
    say: Waiting | None
    until: asyncio.Event | None = None


class Retries:
    """The state all conversations share, and the decisions over it."""

    def __init__(self, config: BackendConfig, rings: Rings, clock: Clock, on_key_failed: KeyFailed | None) -> None:
        self.config = config
        self._rings = rings
        self._clock = clock
        self._on_key_failed = on_key_failed
        self._breaker = Breaker(config.breaker_threshold, config.breaker_open_for, config.breaker_open_cap)

    @property
    def calm(self) -> bool:
        """Whether the provider is not known to be failing."""
        return self._breaker.closed

    # ---- before an attempt

    def admit(self, call: Call) -> Go | Hold:
        """Whether the call may leave now, and with which key. Raises its failure when waiting cannot help."""
        now = self._clock.monotonic()
        ring = self._rings.ring(call.request.keys)
        key = ring.choose(call.request.model, now, call.spent)
        if key is None:
            raise call.last or KeysMissing(ring.name)
        own, pace = call.not_before - now, key.pace(call.request.model).wait(now)
        if own > 0 and own >= pace:
            return Hold(own, None)
        if pace > 0:
            return self._hold_for_pace(call, now, pace)
        if not self._breaker.closed:
            hold = self._hold_for_breaker(call, now)
            if hold:
                return hold
        if ring.crowded(key, now):
            if call.unproven_until is None:
                call.unproven_until = now + PROVEN_WITHIN
            if now < call.unproven_until:
                return Hold(call.unproven_until - now, None, ring.changed)
        ring.take(key, call.request.model, now)
        return Go(ring, key, self._breaker.probe(), now)

    def _hold_for_pace(self, call: Call, now: float, pace: float) -> Hold:
        if call.waited_out + pace > self.config.wait_out + 1.0:
            raise self._paused(call, pace)
        call.waited_out += pace
        say = None
        if pace > GAP and now + pace > call.told_until + 0.5:  # keeping a distance is no news
            call.told_until = now + pace
            say = Waiting(pace, self._paused(call, pace))
        return Hold(pace, say)

    def _paused(self, call: Call, pace: float) -> ModelRateLimited:
        """The refusal that this call met itself, or one in the name of that which another call met."""
        return call.last if isinstance(call.last, ModelRateLimited) else ModelRateLimited("paused", retry_after=pace)

    def _hold_for_breaker(self, call: Call, now: float) -> Hold | None:
        deadline = call.deadline(now, self.config.retry_for)
        seconds = self._breaker.wait(now, last_chance=now >= deadline)
        if seconds <= 0:
            return None
        failure = call.last or ModelUnavailable("the breaker is open")
        if now >= deadline:
            raise failure
        seconds = min(seconds, deadline - now)
        say = None if call.told_breaker else Waiting(seconds, failure)
        call.told_breaker = True
        return Hold(seconds, say, self._breaker.changed if self._breaker.probing else None)

    async def rest(self, hold: Hold) -> None:
        """Wait as `hold` says."""
        if hold.until is None:
            await self._clock.sleep(hold.seconds)
            return
        try:
            async with asyncio.timeout(hold.seconds):
                await hold.until.wait()
        except TimeoutError:
            return  # it looks again either way

    def windows(self, silences: int, refusals: Refusals) -> Windows:
        """Silence may be a model that thinks: after one timeout the next attempt is given more time."""
        first = self.config.first_token_timeout * (silences + 1)
        opened = first if silences or refusals.thinks else self.config.idle_timeout
        return Windows(first, opened, self.config.idle_timeout)

    # ---- after an attempt

    def given_up(self) -> None:
        """The probe ended before it could tell."""
        self._breaker.released()

    def accepted(self, go: Go) -> None:
        """The provider took the key that the call left with."""
        news = not go.key.proven
        go.key.accepted(go.at)
        if news:
            go.ring.stir()

    def over(self, go: Go) -> None:
        """The call has ended, in whatever way."""
        go.ring.give_back(go.key)

    def answered(self, *, probe: bool) -> None:
        """The provider is alive: it answered, or refused for a reason of its own."""
        if self._breaker.passed(probe=probe):
            for ring in self._rings:
                ring.go_gently(self._clock.monotonic())
            log.info("model_breaker_closed")

    def failed(self, call: Call, key: Key, diagnosis: Diagnosis, *, probe: bool) -> Waiting | None:
        """Decide what follows a failure: raise it, or prepare the next attempt and return what to say before it."""
        now = self._clock.monotonic()
        failure = call.last = diagnosis.failure
        if isinstance(failure, ModelUnavailable):
            opened = self._breaker.failed(now, probe=probe)
            if opened:
                log.warning("model_breaker_opened", seconds=opened, kind=type(failure).__name__)
        else:
            self.answered(probe=probe)
        if self.learn(call.request, call.refusals, diagnosis):
            return None
        if isinstance(failure, KeyRefused | QuotaExhausted):
            call.spent.append(key)
            self.set_aside(key, diagnosis)
            return None
        if not isinstance(failure, ModelUnavailable):
            key.proven = True  # who is refused for another reason has been let in
        if not isinstance(failure, ModelUnavailable | ModelRateLimited):
            raise failure
        if call.text:
            call.restarts += 1
            if call.restarts > self.config.restarts:
                raise failure
            # It was under way: what comes now is a new trouble, with patience of its own.
            call.patience_until, call.failures, call.silences = None, 0, 0
        elif diagnosis.silent:
            call.silences += 1
        call.failures += 1
        wait = self._wait(call, now, diagnosis)
        log.info(
            "model_retry",
            attempt=call.attempts,
            wait=round(wait, 3),
            kind=type(failure).__name__,
            detail=failure.detail,
            request_id=diagnosis.request_id,
            model=call.request.model,
            key_label=key.label,
        )
        if isinstance(failure, ModelRateLimited):
            # Said, and waited for, by whoever needs this key next for this model.
            key.pace(call.request.model).pause(now + min(wait, LONGEST_PAUSE))
            return None
        call.not_before = now + wait
        return Waiting(wait, failure)

    def _wait(self, call: Call, now: float, diagnosis: Diagnosis) -> float:
        """Seconds until the next attempt. Raises the failure when the patience is at its end."""
        failure, named, config = diagnosis.failure, diagnosis.retry_after, self.config
        wait = backoff(call.failures, config.retry_base, config.retry_cap)
        if named is None:
            deadline = call.deadline(now, config.retry_for)
            if now >= deadline:
                raise failure
            return min(wait, deadline - now)
        # A provider that names next to nothing, again and again, is still backed off from.
        wait = max(not_before(named), wait if named < config.retry_base else 0.0)
        if isinstance(failure, ModelUnavailable):
            if call.waited_out + named > config.wait_out:
                raise failure
            call.waited_out += wait
        return wait

    def learn(self, request: CompletionRequest, refusals: Refusals, diagnosis: Diagnosis) -> bool:
        """Whether the request can go again at once without a parameter that was refused."""
        failure = diagnosis.failure
        if not isinstance(failure, ParameterRefused) or not diagnosis.droppable:
            return False
        refused = failure.parameter
        if refused == "reasoning_effort" and diagnosis.code == "unsupported_value":
            refused = f"{refused}={request.reasoning_effort}"  # it reasons, and takes other efforts
        refusals.refused.add(refused)
        log.info("model_parameter_dropped", model=request.model, parameter=refused, request_id=diagnosis.request_id)
        return True

    def set_aside(self, key: Key, diagnosis: Diagnosis) -> None:
        """`key` was refused or is empty: others go first from now on, and an admin is to know."""
        failure = diagnosis.failure
        if key not in self._rings.keys:
            return  # it has been replaced meanwhile: nobody need see to it
        if key.set_aside(failure, self._clock.monotonic()):
            log.warning(
                "model_key_set_aside",
                key_label=key.label,
                kind=type(failure).__name__,
                detail=failure.detail,
                request_id=diagnosis.request_id,
            )
        if self._on_key_failed:
            self._on_key_failed(key.label, failure)
