"""The way to the model that all conversations share: answers streamed as events, and what can be asked beside them.

When a call leaves and what follows its failure is `retries`', which keys there are `rings`', what goes over the wire
`exchange`'s, what a refusal means `failures`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import openai
from pydantic import SecretStr

from bot.backend import catalogue, tokens
from bot.backend.clock import Clock, SystemClock
from bot.backend.completion import (
    CompletionEvent,
    CompletionRequest,
    Finished,
    ModelMessage,
    Restarted,
    Usage,
)
from bot.backend.config import BackendConfig
from bot.backend.exchange import Accepted, Ending, ExchangeFailed, exchange
from bot.backend.failures import Diagnosis
from bot.backend.forms import PICTURES, blinded
from bot.backend.keys import Key
from bot.backend.parameters import Refusals, arguments
from bot.backend.probes import Probed, Probes
from bot.backend.ratelimits import read_left
from bot.backend.readings import Readings
from bot.backend.retries import Call, Go, Hold, KeyFailed, Retries
from bot.backend.rings import Rings
from bot.backend.standing import LASTING, Standing
from bot.errors import KeyRefused, ModelFailure, QuotaExhausted

__all__ = ["Backend", "BackendConfig"]

T = TypeVar("T")

_KNOCK = CompletionRequest("", (ModelMessage("user", "Reply with OK."),), max_output_tokens=16)
"""What `check` asks: 16 tokens are the least that OpenAI's newer models allow."""


class Backend:
    """Streams completions over all keys. To be closed; usable as an async context manager."""

    def __init__(
        self, config: BackendConfig, *, clock: Clock | None = None, on_key_failed: KeyFailed | None = None
    ) -> None:
        self.config = config
        self._clock = clock or SystemClock()
        self.standing = Standing()
        self.rings = Rings(config)
        self._retries = Retries(config, self.rings, self._clock, on_key_failed)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._readings = Readings()
        self._probes = Probes(self.rings, self._retries, self._slots, self._clock)
        self._refusals: dict[str, Refusals] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Streams still open break off."""
        await self.rings.close()

    @property
    def secrets(self) -> Sequence[str]:
        """The names of the rings that places may name, sorted."""
        return self.rings.names

    async def replace_keys(self, ring: str, keys: Sequence[SecretStr | str]) -> None:
        """These are a ring's keys from now on ("" is the host's own); none takes the ring away.

        Running answers go on with what they have. Keys that stay keep their state; the client of one that goes is
        closed when the last call with it has ended.
        """
        await self.rings.replace(ring, keys)

    def limits_left(self) -> Sequence[str]:
        """What each key's last answer said is left of the provider's limits, as Markdown lines; hints only."""
        now = self._clock.monotonic()
        return [f"{key.label}: {key.left.told(now)}" for ring in self.rings for key in ring.keys if key.left]

    def refused_by(self, model: str) -> Refusals:
        """What a model has refused since the process began."""
        return self._refusals.setdefault(model, Refusals())

    def limits_length(self, model: str) -> bool:
        """Whether a model can be told how long its answer may be, as far as that is known."""
        return bool(self.refused_by(model).limit)

    def sees_pictures(self, model: str) -> bool:
        """Whether a model takes pictures, as far as that is known; one that doesn't is sent a line in their place."""
        return PICTURES not in self.refused_by(model).refused

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Ask, and yield the answer as it comes; the last event is `Finished`, unless a `ModelFailure` is raised.

        Closing the generator, or cancelling the task that runs it, ends the call to the provider at once. Failures that
        may pass are retried within the patience of the config; what was shown before then is voided by `Restarted`.
        """
        call = Call(request, self.refused_by(request.model))
        while True:
            async with self._slots:
                step = self._retries.admit(call)
                if isinstance(step, Go):
                    async with aclosing(self._attempt(call, step)) as events:
                        async for event in events:
                            yield event
                            if isinstance(event, Finished):
                                return
            if isinstance(step, Hold):
                if step.say:
                    yield step.say
                await self._retries.rest(step)

    async def check(self, model: str) -> None:
        """One tiny completion with every key of the host, without retries. Raises the first `ModelFailure`, if any."""
        request = CompletionRequest(model, _KNOCK.messages, max_output_tokens=_KNOCK.max_output_tokens)
        for key in self.rings.ring("").keys:
            async with self.rings.lend(key) as client:
                await self._knock(client, request, self.refused_by(model))

    async def check_keys(self, ring: str) -> None:
        """Ask for the list of models, which costs nothing, with every key of a ring. Raises the first `ModelFailure`.

        A server that has no such list says nothing of the key.
        """
        for key in self.rings.ring(ring).keys:
            async with self.rings.lend(key) as client:
                await catalogue.listed(client, self._clock.now())

    async def probe(self, request: CompletionRequest, watched: Collection[str], seconds: float) -> Probed:
        """Whether the model takes the `watched` parameters with the values of `request`, as `probes` says."""
        return await self._probes.ask(request, watched, self.refused_by(request.model), seconds)

    async def is_unknown(self, model: str, ring: str) -> bool:
        """Whether the provider says that there is no such model for the keys of a ring."""
        return bool(await self._listed(ring, lambda client, now: catalogue.is_unknown(client, model, now)))

    async def models(self, ring: str) -> Sequence[str]:
        """The models that the provider lists for the keys of a ring; none where it does not tell."""
        return await self._listed(ring, catalogue.listed) or ()

    async def _listed(self, ring: str, ask: Callable[[openai.AsyncOpenAI, datetime], Awaitable[T]]) -> T | None:
        """What the provider's list says to the first key that it takes; None where it takes none, or has no time."""
        for key in self.rings.ring(ring).keys:
            if key.failure is None:
                try:
                    async with self.rings.lend(key) as client:
                        return await ask(client, self._clock.now())
                except (KeyRefused, QuotaExhausted) as failure:
                    self._retries.set_aside(key, Diagnosis(failure))
                except ModelFailure:
                    return None
        return None

    async def _knock(self, client: openai.AsyncOpenAI, request: CompletionRequest, refusals: Refusals) -> None:
        while True:
            body = arguments(request, refusals)
            failure = None
            try:
                async with aclosing(
                    exchange(client, body, self._retries.windows(0, refusals), self._clock.now())
                ) as chunks:
                    async for _ in chunks:
                        pass
            except ExchangeFailed as error:
                if not self._retries.learn(request, refusals, error.diagnosis):
                    failure = error.diagnosis.failure
            else:
                return
            if failure:
                raise failure

    async def _attempt(self, call: Call, go: Go) -> AsyncGenerator[CompletionEvent, None]:
        """One call to the provider. Ends with `Finished`, or with what the retries have to say before the next one."""
        call.attempts += 1
        body = arguments(call.request, call.refusals)
        windows = self._retries.windows(call.silences, call.refusals)
        call.stale = call.shown
        call.text.clear()
        diagnosis = None
        open_probe = go.probe
        try:
            async with (
                self.rings.lend(go.key) as client,
                aclosing(exchange(client, body, windows, self._clock.now(), self._readings)) as chunks,
            ):
                async for chunk in chunks:
                    if isinstance(chunk, Accepted):
                        self._accepted(go, chunk)
                        continue
                    if isinstance(chunk, Ending):
                        self._retries.answered(probe=open_probe)
                        self.standing.answered(self._clock.now().timestamp())
                        open_probe = False
                        async for event in self._finish(call, go.key, chunk):
                            yield event
                        return
                    if chunk.token and open_probe:
                        self._retries.answered(probe=True)
                        open_probe = False
                    for said in call.heard(chunk.text):
                        yield said
        except ExchangeFailed as error:
            diagnosis = error.diagnosis
            self._note(call, diagnosis.failure)
        finally:
            self._retries.over(go)
            if open_probe and diagnosis is None:
                self._retries.given_up()
        if diagnosis is not None:
            wait = self._retries.failed(call, go.key, diagnosis, probe=open_probe)
            if wait:
                yield wait

    def _accepted(self, go: Go, answer: Accepted) -> None:
        self._retries.accepted(go)
        go.key.left = read_left(answer.headers, self._clock.monotonic()) or go.key.left

    def _note(self, call: Call, failure: ModelFailure) -> None:
        """A team's own key that is refused is no sign that the worker is not well."""
        if not (call.request.keys and isinstance(failure, LASTING)):
            self.standing.failed(failure, self._clock.now().timestamp())

    async def _finish(self, call: Call, key: Key, ending: Ending) -> AsyncGenerator[CompletionEvent, None]:
        call.refusals.thinks = call.refusals.thinks or ending.thought
        if call.stale:
            yield Restarted()
        usage = ending.usage
        if usage is None:
            # Loading the ranks takes a moment, and this is rare.
            usage = await asyncio.to_thread(self._estimate, call.request, "".join(call.text))
        yield Finished(ending.reason, usage, ending.model or call.request.model, call.attempts, key.label)

    def _estimate(self, request: CompletionRequest, text: str) -> Usage:
        """The usage of a completion whose provider reported none."""
        sent = request.messages if self.sees_pictures(request.model) else blinded(request.messages)
        prompt = tokens.count_messages(sent, request.model)
        return Usage(prompt, 0, tokens.count(text, request.model), estimated=True)
