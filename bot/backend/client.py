"""The way to the model that all conversations share: one SDK client per key, and answers streamed as events.

When a call leaves and what follows its failure is `retries`', what goes over the wire `exchange`'s, what a refusal
means `failures`'.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

import httpx2
import openai

from bot.backend import tokens
from bot.backend.clock import Clock, SystemClock
from bot.backend.completion import (
    CompletionEvent,
    CompletionRequest,
    Finished,
    ModelMessage,
    Restarted,
    Text,
    Usage,
)
from bot.backend.config import BackendConfig
from bot.backend.exchange import Ending, ExchangeFailed, exchange
from bot.backend.keys import Key
from bot.backend.parameters import Refusals, arguments
from bot.backend.retries import Call, Go, Hold, KeyFailed, Retries
from bot.backend.standing import Standing

__all__ = ["Backend", "BackendConfig"]

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
        self._retries = Retries(config, self._clock, on_key_failed)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._refusals: dict[str, Refusals] = {}
        self._clients = [
            openai.AsyncOpenAI(
                api_key=key,
                base_url=config.base_url,
                max_retries=0,
                # The exchange keeps its own time for the rest.
                timeout=openai.Timeout(None, connect=config.connect_timeout),
                http_client=openai.DefaultAioHttpClient(verify=_trusted(), event_hooks={"response": [_as_utf8]}),
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
        call = Call(request, self._refusals.setdefault(request.model, Refusals()))
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
                async with aclosing(
                    exchange(client, body, self._retries.windows(0, refusals), self._clock.now())
                ) as chunks:
                    async for _ in chunks:
                        pass
            except ExchangeFailed as error:
                if not self._retries.learn(request.model, refusals, error.diagnosis):
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
            client = self._clients[go.key.index]
            async with aclosing(exchange(client, body, windows, self._clock.now())) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Ending):
                        self._retries.answered(probe=open_probe)
                        self.standing.answered(self._clock.now().timestamp())
                        open_probe = False
                        async for event in self._finish(call, go.key, chunk):
                            yield event
                        return
                    self._retries.accepted(go)
                    if chunk.token and open_probe:
                        self._retries.answered(probe=True)
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
            self.standing.failed(diagnosis.failure, self._clock.now().timestamp())
        finally:
            if open_probe and diagnosis is None:
                self._retries.given_up()
        if diagnosis is not None:
            said = self._retries.failed(call, go.key, diagnosis, probe=open_probe)
            if said:
                yield said

    async def _finish(self, call: Call, key: Key, ending: Ending) -> AsyncGenerator[CompletionEvent, None]:
        call.refusals.thinks = call.refusals.thinks or ending.thought
        if call.stale:
            yield Restarted()
        usage = ending.usage
        if usage is None:
            # Loading the ranks takes a moment, and this is rare.
            usage = await asyncio.to_thread(_estimate, call.request, "".join(call.text))
        yield Finished(ending.reason, usage, ending.model or call.request.model, call.attempts, key.label)


async def _as_utf8(response: httpx2.Response) -> None:
    """Read an answer as the JSON it should be: by another charset that a page may name, decoding could raise."""
    response.encoding = "utf-8"


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The certificates trusted for TLS, read once for all keys: that takes about 50 ms."""
    return httpx2.create_ssl_context()


def _estimate(request: CompletionRequest, text: str) -> Usage:
    """The usage of a completion whose provider reported none."""
    prompt = tokens.count_messages(request.messages, request.model)
    return Usage(prompt, 0, tokens.count(text, request.model), estimated=True)
