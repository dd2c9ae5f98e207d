"""The way to the model that all conversations share: which key, when, how often again, what the asker hears.

It is the one owner of retries. What goes over the wire is `exchange`'s, what a refusal means is `failures`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import openai
import structlog

from bot.backend import tokens
from bot.backend.breaker import Breaker
from bot.backend.clock import Clock, SystemClock
from bot.backend.completion import (
    CompletionEvent,
    CompletionRequest,
    Finished,
    ModelMessage,
    Restarted,
    Text,
    Usage,
    Waiting,
)
from bot.backend.config import BackendConfig
from bot.backend.exchange import Ending, ExchangeFailed, Windows, exchange
from bot.backend.failures import Diagnosis
from bot.backend.keys import Key, KeyRing
from bot.backend.limiter import GAP
from bot.backend.parameters import Refusals, arguments
from bot.backend.retry import backoff, not_before
from bot.errors import (
    KeyRefused,
    ModelFailure,
    ModelRateLimited,
    ModelUnavailable,
    ParameterRefused,
    QuotaExhausted,
)

__all__ = ["Backend", "BackendConfig"]

log = structlog.get_logger(__name__)

_KNOCK = CompletionRequest("", (ModelMessage("user", "Reply with OK."),), max_output_tokens=16)
"""What `check` asks: 16 tokens are the least that OpenAI's newer models allow."""

KeySetAside = Callable[[str, ModelFailure], None]
"""Called once when a key is set aside, with its label and why: an admin is to know though others still answer."""


@dataclass(slots=True)
class _Call:
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
    shown: bool = False
    stale: bool = False
    text: list[str] = field(default_factory=list)

    def deadline(self, now: float, patience: float) -> float:
        """The end of the patience, which begins with the first thing that needs some."""
        if self.patience_until is None:
            self.patience_until = now + patience
        return self.patience_until


@dataclass(frozen=True, slots=True)
class _Go:
    key: Key
    probe: bool


@dataclass(frozen=True, slots=True)
class _Hold:
    """Not now. `say` tells the asker; `probing`: look again as soon as another call's probe has ended."""

    seconds: float
    say: Waiting | None
    probing: bool = False


class Backend:
    """Streams completions over all keys. To be closed; usable as an async context manager."""

    def __init__(
        self, config: BackendConfig, *, clock: Clock | None = None, on_key_set_aside: KeySetAside | None = None
    ) -> None:
        self.config = config
        self._clock = clock or SystemClock()
        self._on_key_set_aside = on_key_set_aside
        self._ring = KeyRing(len(config.keys))
        self._breaker = Breaker(config.breaker_threshold, config.breaker_open_for, config.breaker_open_cap)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._refusals: dict[str, Refusals] = {}
        self._clients = [
            openai.AsyncOpenAI(
                api_key=key,
                base_url=config.base_url,
                max_retries=0,
                # The exchange keeps its own time for the rest.
                timeout=openai.Timeout(None, connect=config.connect_timeout),
                http_client=openai.DefaultAioHttpClient(),
            )
            for key in config.revealed()
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Streams still open break off."""
        for client in self._clients:
            await client.close()

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Ask, and yield the answer as it comes; the last event is `Finished`, unless a `ModelFailure` is raised.

        Closing the generator, or cancelling the task that runs it, ends the call to the provider at once. Failures that
        may pass are retried within the patience of the config; what was shown before then is voided by `Restarted`.
        """
        call = _Call(request, self._refusals.setdefault(request.model, Refusals()))
        while True:
            async with self._slots:
                step = self._admit(call)
                if isinstance(step, _Go):
                    async with aclosing(self._attempt(call, step)) as events:
                        async for event in events:
                            yield event
                            if isinstance(event, Finished):
                                return
            if isinstance(step, _Hold):
                if step.say:
                    yield step.say
                await self._rest(step)

    async def check(self, model: str) -> None:
        """One tiny completion with every key, without retries. Raises the first key's `ModelFailure`, if any."""
        request = CompletionRequest(model, _KNOCK.messages, max_output_tokens=_KNOCK.max_output_tokens)
        refusals = self._refusals.setdefault(model, Refusals())
        for client in self._clients:
            await self._knock(client, request, refusals)

    async def _knock(self, client: openai.AsyncOpenAI, request: CompletionRequest, refusals: Refusals) -> None:
        while True:
            body = arguments(request, refusals)
            failure = None
            try:
                async with aclosing(exchange(client, body, self._windows(0, refusals), self._clock.now())) as chunks:
                    async for _ in chunks:
                        pass
            except ExchangeFailed as error:
                if not self._learn(request.model, refusals, error.diagnosis):
                    failure = error.diagnosis.failure
            else:
                return
            if failure:
                raise failure

    # ---- before an attempt

    def _admit(self, call: _Call) -> _Go | _Hold:
        """Whether the call may leave now, and with which key. Raises its failure when waiting cannot help."""
        now = self._clock.monotonic()
        key = self._ring.choose(now, call.spent)
        if key is None:
            raise call.last or KeyRefused()
        own, pace = call.not_before - now, key.pace.wait(now)
        if own > 0 and own >= pace:
            return _Hold(own, None)
        if pace > 0:
            return self._hold_for_pace(call, now, pace)
        if not self._breaker.closed:
            hold = self._hold_for_breaker(call, now)
            if hold:
                return hold
        self._ring.take(key, now)
        return _Go(key, self._breaker.probe())

    def _hold_for_pace(self, call: _Call, now: float, pace: float) -> _Hold:
        if call.waited_out + pace > self.config.wait_out + 1.0:
            raise self._paused(call, pace)
        call.waited_out += pace
        say = None
        if pace > GAP and now + pace > call.told_until + 0.5:  # keeping a distance is no news
            call.told_until = now + pace
            say = Waiting(pace, self._paused(call, pace))
        return _Hold(pace, say)

    def _paused(self, call: _Call, pace: float) -> ModelRateLimited:
        """The refusal that this call met itself, or one in the name of that which another call met."""
        return call.last if isinstance(call.last, ModelRateLimited) else ModelRateLimited("paused", retry_after=pace)

    def _hold_for_breaker(self, call: _Call, now: float) -> _Hold | None:
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
        return _Hold(seconds, say, probing=self._breaker.probing)

    async def _rest(self, hold: _Hold) -> None:
        if not hold.probing:
            await self._clock.sleep(hold.seconds)
            return
        try:
            async with asyncio.timeout(hold.seconds):
                await self._breaker.changed.wait()
        except TimeoutError:
            return  # it looks again either way

    # ---- an attempt

    async def _attempt(self, call: _Call, go: _Go) -> AsyncGenerator[CompletionEvent, None]:
        """One call to the provider. Ends with `Finished`, or with what `_failed` decided."""
        call.attempts += 1
        body = arguments(call.request, call.refusals)
        windows = self._windows(call.silences, call.refusals)
        call.stale = call.shown
        call.text.clear()
        diagnosis = None
        open_probe = go.probe
        try:
            client = self._clients[go.key.index]
            async with aclosing(exchange(client, body, windows, self._clock.now())) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Ending):
                        self._answered(probe=open_probe)
                        open_probe = False
                        async for event in self._finish(call, go.key, chunk):
                            yield event
                        return
                    if go.key.failure:
                        self._ring.accepted(go.key)
                    if chunk.token and open_probe:
                        self._answered(probe=True)
                        open_probe = False
                    if chunk.text:
                        if call.stale:
                            call.stale = False
                            yield Restarted()
                        call.shown = True
                        call.text.append(chunk.text)
                        yield Text(chunk.text)
        except ExchangeFailed as error:
            diagnosis = error.diagnosis
        finally:
            if open_probe and diagnosis is None:
                self._breaker.released()
        if diagnosis is not None:
            said = self._failed(call, go.key, diagnosis, probe=open_probe)
            if said:
                yield said

    async def _finish(self, call: _Call, key: Key, ending: Ending) -> AsyncGenerator[CompletionEvent, None]:
        call.refusals.thinks = call.refusals.thinks or ending.thought
        if call.stale:
            yield Restarted()
        usage = ending.usage
        if usage is None:
            # Loading the ranks takes a moment, and this is rare.
            usage = await asyncio.to_thread(_estimate, call.request, "".join(call.text))
        yield Finished(ending.reason, usage, ending.model or call.request.model, call.attempts, key.label)

    def _windows(self, silences: int, refusals: Refusals) -> Windows:
        """Silence may be a model that thinks: after one timeout the next attempt is given more time."""
        first = self.config.first_token_timeout * (silences + 1)
        opened = first if silences or refusals.thinks else self.config.idle_timeout
        return Windows(first, opened, self.config.idle_timeout)

    # ---- after an attempt

    def _answered(self, *, probe: bool) -> None:
        if self._breaker.passed(probe=probe):
            self._ring.go_gently(self._clock.monotonic())
            log.info("model_breaker_closed")

    def _failed(self, call: _Call, key: Key, diagnosis: Diagnosis, *, probe: bool) -> Waiting | None:
        """Decide what follows a failure: raise it, or prepare the next attempt and return what to say before it."""
        now = self._clock.monotonic()
        failure = call.last = diagnosis.failure
        if isinstance(failure, ModelUnavailable):
            opened = self._breaker.failed(now, probe=probe)
            if opened:
                log.warning("model_breaker_opened", seconds=opened, kind=type(failure).__name__)
        else:
            self._answered(probe=probe)
        if self._learn(call.request.model, call.refusals, diagnosis):
            return None
        if isinstance(failure, KeyRefused | QuotaExhausted):
            call.spent.append(key)
            self._set_aside(key, failure, now, diagnosis)
            return None
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
            key.pace.pause(now + wait)  # said, and waited for, by whoever needs this key next
            return None
        call.not_before = now + wait
        return Waiting(wait, failure)

    def _wait(self, call: _Call, now: float, diagnosis: Diagnosis) -> float:
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

    def _learn(self, model: str, refusals: Refusals, diagnosis: Diagnosis) -> bool:
        """Whether the request can go again at once without a parameter that was refused."""
        failure = diagnosis.failure
        if (
            not isinstance(failure, ParameterRefused)
            or not diagnosis.droppable
            or not refusals.learn(failure.parameter)
        ):
            return False
        log.info("model_parameter_dropped", model=model, parameter=failure.parameter, request_id=diagnosis.request_id)
        return True

    def _set_aside(self, key: Key, failure: ModelFailure, now: float, diagnosis: Diagnosis) -> None:
        if not self._ring.set_aside(key, failure, now):
            return
        log.warning(
            "model_key_set_aside",
            key_label=key.label,
            kind=type(failure).__name__,
            detail=failure.detail,
            request_id=diagnosis.request_id,
        )
        if self._on_key_set_aside:
            self._on_key_set_aside(key.label, failure)


def _estimate(request: CompletionRequest, text: str) -> Usage:
    """The usage of a completion whose provider reported none."""
    prompt = tokens.count_messages(request.messages, request.model)
    return Usage(prompt, 0, tokens.count(text, request.model), estimated=True)
