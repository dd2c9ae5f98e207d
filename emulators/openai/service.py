"""The emulated OpenAI: an HTTP server on loopback, and the control that tests and the demo have over it.

It routes, authorises and keeps the books. Validation, counting, the wire format and the pace of streams are in the
modules beside this one.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from aiohttp import web

from emulators.faults import Fault, Faults
from emulators.openai import calls, errors, rules, streaming, tokens, validation, wire
from emulators.openai.assistant import answer
from emulators.openai.calls import Call
from emulators.openai.errors import Refused
from emulators.openai.exchange import CHAT, MODELS, Exchange, error_code
from emulators.openai.models import catalogue
from emulators.openai.ratelimits import RateLimits, Rates
from emulators.openai.reply import ChatRequest, Reply, Responder, Speed, as_request
from emulators.openai.streaming import Sending
from emulators.openai.tokens import PromptCache, Usage
from emulators.recording import RecordedRequest, record

MAX_BODY = 32 * 1024 * 1024  # bytes
T = TypeVar("T")


class OpenAIService:
    """OpenAI's API at `.url` while the `async with` block runs.

    `keys`: the keys that are accepted. `models`: only these ids (all published chat models where None); `windows`:
    context windows in tokens that replace the published ones. `responder`: writes the answers. `speed`: their pace,
    a number being words per second. `limits`: "published" refuses what goes over `rates`, "none" refuses nothing.
    `cache_seconds`: how long a prompt's prefix stays cached. `keep`: whether `.requests` and `.calls` are kept.

    Faults are ordered for "/chat/completions" and "/models" (which stands for its models too) in `.faults`.
    """

    def __init__(
        self,
        *,
        keys: Iterable[str] = ("sk-emulated-key",),
        models: Iterable[str] | None = None,
        windows: Mapping[str, int] | None = None,
        responder: Responder = answer,
        speed: Speed | float = 0.0,
        limits: Literal["published", "none"] = "published",
        rates: Rates | None = None,
        cache_seconds: float = tokens.CACHE_SECONDS,
        keep: bool = True,
        port: int = 0,
    ) -> None:
        self.keys = set(keys)
        self.models = catalogue(models, windows)
        self.responder = responder
        self.speed = speed if isinstance(speed, Speed) else Speed(words_per_second=speed)
        self.faults = Faults()
        self.requests: list[RecordedRequest] = []
        self.calls: list[Call] = []
        self._keep = keep
        self._port = port
        self._limits = RateLimits(rates or Rates(), enforced=limits == "published")
        self._cache = PromptCache(cache_seconds)
        self._refused: dict[str, Fault] = {}
        self._script: deque[Reply | str] = deque()
        self._changed = asyncio.Event()
        self._handling: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._runner: web.AppRunner | None = None

    # ---- start and stop

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(tokens.encoding, "gpt-4o")  # so that the first request does not wait for it
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        for task in self._handling:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base URL, for `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}/v1"

    # ---- control

    def script(self, *replies: Reply | str) -> None:
        """Answer the next valid requests with these, in order, before the responder is asked again."""
        self._script.extend(replies)

    def refuse_key(self, key: str, fault: Fault) -> None:
        """Answer every request with `key` by `fault`, until `accept_key`."""
        self._refused[key] = fault

    def accept_key(self, key: str) -> None:
        """Make `key` good, whatever it was."""
        self._refused.pop(key, None)
        self.keys.add(key)

    def revoke(self, key: str) -> None:
        """Make `key` an unknown one: 401 `invalid_api_key` from now on."""
        self.keys.discard(key)

    # ---- inspection

    @property
    def open_streams(self) -> list[Call]:
        """The calls whose answer is on its way."""
        return [call for call in self.calls if call.open]

    @property
    def scripted(self) -> int:
        """How many scripted replies have not been used yet."""
        return len(self._script)

    @property
    def tokens_by_key(self) -> dict[str, Usage]:
        """Tokens billed by key."""
        return calls.totals(self.calls, lambda call: call.key)

    @property
    def tokens_by_model(self) -> dict[str, Usage]:
        """Tokens billed by the model asked for."""
        return calls.totals(self.calls, lambda call: call.model)

    @property
    def tokens_reported(self) -> dict[str, Usage]:
        """Tokens by the model asked for, of those calls alone whose client was told its usage."""
        return calls.totals(self.calls, lambda call: call.model, reported=True)

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 60.0) -> T:
        """Wait until `predicate()` is truthy and return its value; AssertionError after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not (value := predicate()):
                    self._changed.clear()
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise AssertionError(f"not true after {timeout} s; {self.summary()}") from None

    def summary(self) -> str:
        """The state in a few lines, for failed tests."""
        lines = [
            f"  {call.model} {'stream' if call.stream else 'whole'} status={call.status} code={call.error_code} "
            f"finish={call.finish_reason} chars={len(call.text)} open={call.open} left={call.disconnected is not None}"
            for call in self.calls[-10:]
        ]
        head = f"{len(self.calls)} calls, {self.faults.pending} faults and {self.scripted} scripted replies pending"
        return "\n".join([head, *lines])

    def _notify(self) -> None:
        self._changed.set()

    # ---- requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)
        seen: list[RecordedRequest] = self.requests if self._keep else []
        exchange = Exchange.of(request, await record("openai", request, seen))
        call = exchange.call
        if call is not None and self._keep:
            self.calls.append(call)
        self._notify()
        try:
            response = await self._answered(exchange)
        except asyncio.CancelledError:
            self._left(call)
            raise
        except ConnectionError:
            self._left(call)
            return exchange.abort()
        else:
            exchange.recorded.status = 0 if exchange.gone else response.status
            return response
        finally:
            if call is not None:
                call.finished = time.monotonic()
            self._notify()

    def _left(self, call: Call | None) -> None:
        """The client went before its answer was complete."""
        if call is not None and not self._closing:
            call.disconnected, call.usage_reported = time.monotonic(), False

    async def _answered(self, exchange: Exchange) -> web.StreamResponse:
        """The answer to one request, ordered faults and earned refusals included."""
        try:
            fault = self.faults.take(exchange.route)
            lost = fault is not None and fault.kind == "lost_reply"
            if fault is not None and fault.kind == "answer":
                return _refused(exchange, fault)
            if fault is not None and fault.kind == "reset":
                return exchange.abort()
            if fault is not None and fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            key = self._authorise(exchange)
            if exchange.call is not None:
                return await self._chat(exchange, exchange.call, key, lost=lost)
            body = self._other(exchange)
            return exchange.abort() if lost else streaming.fault_response(body, 200, exchange.headers())
        except Refused as refused:
            return _refused(exchange, refused.fault)

    def _authorise(self, exchange: Exchange) -> str:
        key = exchange.key
        if key is None:
            raise Refused(errors.missing_api_key())
        if key in self._refused:
            raise Refused(self._refused[key])
        if key not in self.keys:
            raise Refused(errors.invalid_api_key(key))
        return key

    def _other(self, exchange: Exchange) -> dict[str, Any]:
        """Everything but completions: the models, or OpenAI's 404 and 405."""
        method, path = exchange.request.method, exchange.path
        if path not in (CHAT, MODELS) and not path.startswith(f"{MODELS}/"):
            raise Refused(errors.not_found(f"Invalid URL ({method} {exchange.request.path})"))
        if path == CHAT or method != "GET":
            raise Refused(errors.method_not_supported(method, exchange.request.path))
        name = path.removeprefix(MODELS).removeprefix("/")
        if not name:
            return {"object": "list", "data": [model.described() for model in self.models.values()]}
        if name not in self.models:
            message = f"The model '{name}' does not exist"
            raise Refused(errors.not_found(message, param="model", code="model_not_found"))
        return self.models[name].described()

    async def _chat(self, exchange: Exchange, call: Call, key: str, *, lost: bool) -> web.StreamResponse:
        body = validation.parse(exchange.recorded.body, exchange.request.content_type)
        validation.check_body(body)
        model = self.models.get(body["model"])
        if model is None:
            raise Refused(errors.model_not_found(body["model"]))
        rules.check_model(body, model)
        prompt = tokens.prompt_tokens(body, model.id)
        most = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        rules.check_window(model, len(prompt), most)
        self._limits.take(key, model.id, max(len(prompt), most))
        cached = self._cache.admit(f"{key} {model.id}", prompt)
        reply = await self._reply(as_request(body, key, len(prompt)))
        completion = wire.complete(reply, body, model, len(prompt), cached)
        if lost:
            call.usage = completion.usage
            return exchange.abort()
        limits = self._limits.headers(key, model.id)
        sending = Sending(exchange, call, completion, reply, self.speed, limits)
        if body.get("stream"):
            return await streaming.send_stream(sending, self._notify)
        return await streaming.send_whole(sending)

    async def _reply(self, asked: ChatRequest) -> Reply:
        said = self._script.popleft() if self._script else self.responder(asked)
        if inspect.isawaitable(said):
            said = await said
        return Reply(text=said) if isinstance(said, str) else said


def _refused(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    if exchange.call is not None:
        exchange.call.status, exchange.call.error_code = fault.status, error_code(fault)
    return streaming.fault_response(fault.body, fault.status, exchange.headers(fault.headers))
