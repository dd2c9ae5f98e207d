"""A worker in a storm: it serves both platforms while frames and answers of any kind reach it over its real sockets.

The loop runs in a thread of its own, so that it lives on while the next batch is drawn. Between two batches the arena
asks a sound question on each platform and looks whether anything was left behind.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.logs import QUIET
from bot.serving import App
from emulators.faults import Fault
from emulators.openai import ChatRequest
from tests.e2e.stage import SLACK, Stage, stage
from tests.fuzz import discord_frames, slack_frames
from tests.fuzz.raw_model import SOUND, RawModel, raw_model
from tests.fuzz.spoiling import MARKED

T = TypeVar("T")

WITHIN = 120.0
"""Seconds within which all must be calm again: many times what it takes, as others use the machine."""

ARRIVES_WITHIN = 2.0
"""Seconds that a question in the storm has to arrive before what was ordered for its answer is given up."""

NETS = {"event_dropped", "command_dropped", "slack_event_not_stored", "slack_command_failed", "turn_failed"}
"""Log lines of the last nets under the parsers and the turns: to come to one of them is a fault of its own."""


@dataclass
class Log(logging.Handler):
    """What the worker and its libraries log, as it would be written."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.INFO)

    __hash__ = object.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the standard library's logging, its stack included."""
        stack = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.lines.append((f"stack of {record.name}" if stack else record.levelname, f"{record.getMessage()} {stack}"))

    def take(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        """Take a line of structlog's, as its last processor."""
        level = "stack" if "exception" in event else str(event.get("event"))
        self.lines.append((level, repr(dict(event))))
        raise structlog.DropEvent

    def faults(self) -> list[str]:
        """Lines that must not be: a stack, a fall into a last net, a word of what was said."""
        return [
            text[:3000]
            for kind, text in self.lines
            if kind.startswith("stack") or kind in NETS or kind in {"ERROR", "CRITICAL"} or MARKED in text
        ]


@contextmanager
def logged() -> Iterator[Log]:
    """Read the log as long as the block lasts."""
    log, root, before = Log(), logging.getLogger(), structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in QUIET}
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            log.take,
        ],
        cache_logger_on_first_use=False,
    )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.INFO)
    try:
        yield log
    finally:
        root.removeHandler(log)
        root.setLevel(level)
        for name, was in levels.items():
            logging.getLogger(name).setLevel(was)
        structlog.configure(**before)


def echo(request: ChatRequest) -> str:
    """An answer that names its question, whatever that was."""
    return f"answer to {request.last[-40:]}"


class Arena:
    """One stage and one worker in a thread's loop; `with Arena() as arena: arena.run(…)`."""

    def __init__(self, **extra: str) -> None:
        self._extra = extra
        self._stack = AsyncExitStack()
        self._folder = tempfile.TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="arena")
        self._numbers = itertools.count(1)
        self._logged = logged()
        self.log: Log
        self.stage: Stage
        self.worker: App
        self.model: RawModel
        self.slack: slack_frames.Scene
        self.discord: discord_frames.Scene

    def __enter__(self) -> Arena:
        self.log = self._logged.__enter__()
        self._thread.start()
        try:
            self.run(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._end()
        self._no_faults()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()
        gc.collect()  # tasks whose failure nobody looked at say so now
        self._logged.__exit__(None, None, None)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in the worker's loop and return what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=4 * WITHIN)

    async def _open(self) -> None:
        self.model = await self._stack.enter_async_context(raw_model())
        # On a machine that others use, a lease of the stage's second and a half runs out under a worker that lives.
        extra = {"PARLEY_PLATFORM_LIMITS": "none", "PARLEY_LEASE_SECONDS": "60", **self._extra}
        if extra.pop("model", "") == "raw":
            extra["OPENAI_BASE_URL"] = self.model.url
        self.stage = await self._stack.enter_async_context(stage(Path(self._folder.name), None, SLACK, **extra))
        self.stage.openai.responder = echo
        self.slack = slack_frames.Scene.of(self.stage.slack)
        self.discord = discord_frames.Scene.of(self.stage.discord)
        self._calm_slack = self.stage.slack.add_channel("calm")
        self._calm_discord = self.stage.discord.add_channel("calm")
        self.worker = await self._stack.enter_async_context(self.stage.worker())

    def _no_faults(self) -> None:
        if faults := self.log.faults():
            raise AssertionError("\n".join(["in the log:", *faults]))

    # ---- what is thrown

    async def to_slack(self, frames: list[str | bytes]) -> None:
        """Send frames as they are, each to a connection that is open then."""
        for frame in frames:
            await self._until(lambda: self.stage.slack.connections, "Slack is connected")
            try:
                if isinstance(frame, bytes):
                    await self.stage.slack.connections[-1].websocket.send_bytes(frame)
                else:
                    await self.stage.slack.socket.send_raw(frame)
            except ConnectionError:
                pass  # an earlier frame ended it

    async def to_discord(self, frames: list[str | bytes | tuple[str, Any]]) -> None:
        """Send frames as they are, and events in their order, each to a session that is connected then."""
        for frame in frames:
            await self._until(lambda: self.stage.discord.connected, "Discord is connected")
            match frame:
                case (name, data):
                    await self.stage.discord.dispatch_raw(name, data)
                case _:
                    await self.stage.discord.send_raw(frame)

    def order(self, platform: str, name: str, fault: Fault) -> None:
        """Let the next request to a method or route fail so."""
        (self.stage.slack if platform == "slack" else self.stage.discord).faults.add(name, fault)

    # ---- what must hold then

    async def calm(self) -> None:
        """Sound questions are answered whole, and nothing is left behind. Raises AssertionError."""
        for ask in (self._ask_slack, self._ask_discord):
            end = self._loop.time() + WITHIN
            # While the model's breaker is open, the sentence that says so is the right answer.
            while not await ask():
                assert self.model.asked and self._loop.time() < end, f"no whole answer\n{self._summary()}"
                await asyncio.sleep(1.0)
        await self._until_none_is_open()
        await self._until(lambda: not self._statuses(), "every status is gone")
        gc.collect()
        await asyncio.sleep(0)
        self._no_faults()
        self.log.lines.clear()

    async def ask_in_the_storm(self, platform: str, text: str) -> None:
        """A question below what others said before, so that this is read; its answer may fall to what was ordered."""
        await self._until(lambda: self.stage.served, "both platforms are served")
        if platform == "slack":
            slack, ada, storm = self.stage.slack, self.slack.ada, self.slack.storm
            before = await slack.say(ada, storm, "what others said")
            await slack.say(ada, storm, text, mention=True, thread_ts=before.ts)
            return
        discord, scene = self.stage.discord, self.discord
        opening = await discord.say(scene.ada, scene.storm, "what others said")
        await discord.say(scene.ada, scene.storm, text, mention=True, reply_to=opening)
        thread = await discord.start_thread(scene.ada, scene.storm, "elsewhere")
        await discord.say(scene.ada, scene.storm, "what others said", thread=thread)
        await discord.say(scene.ada, scene.storm, text, mention=True, thread=thread)

    async def settle(self) -> None:
        """Wait until every question in the storm is answered, or given up for good."""
        # A question is asked before it is stored; one whose event was lost never is.
        end = self._loop.time() + ARRIVES_WITHIN
        while not await self.worker.store.turns.open_count() and self._loop.time() < end:
            await asyncio.sleep(0.02)
        await self._until_none_is_open()
        self.forget_faults()

    def sweep_statuses(self) -> None:
        """Take away the status of every thread in the storm, as a post would have that Slack only said it took."""
        slack = self.stage.slack
        for channel, thread in {(status.channel, status.thread_ts) for status in slack.statuses}:
            if channel == self.slack.storm.id:
                slack.clear_status(channel, thread)

    def forget_faults(self) -> None:
        """Whatever was ordered and did not happen does not happen any more."""
        self.stage.slack.faults.clear()
        self.stage.discord.faults.clear()
        self.model.ordered.clear()

    async def _ask_slack(self) -> bool:
        """Ask and wait for the one message that answers; whether it does so whole."""
        slack, text = self.stage.slack, f"number {next(self._numbers)} {MARKED}"
        # What the platform gave up on, or sent to nobody, is lost: it is what comes afterwards that is asked about.
        await self._until(lambda: slack.connections, "Slack is connected")
        question = await slack.say(self.slack.ada, self._calm_slack, text, mention=True)

        def answers() -> list[str]:
            return [slack.visible_text(said) for said in slack.bot_messages(self._calm_slack, question.ts)]

        await self._until(answers, "Slack's question is answered")
        await self._until_none_is_open()
        (said,) = answers()
        return self._is_whole(said, text)

    async def _ask_discord(self) -> bool:
        discord, text = self.stage.discord, f"number {next(self._numbers)} {MARKED}"
        await self._until(lambda: discord.connected, "Discord is connected")
        question = await discord.say(self.discord.ada, self._calm_discord, text, mention=True)

        def answers() -> list[str]:
            return [m.content for m in discord.bot_messages(self._calm_discord) if m.referenced is question]

        await self._until(answers, "Discord's question is answered")
        await self._until_none_is_open()
        (said,) = answers()
        return self._is_whole(said, text)

    def _is_whole(self, said: str, text: str) -> bool:
        return said == SOUND if self.model.asked else said.startswith("answer to ") and said.endswith(text)

    async def _until_none_is_open(self) -> None:
        end = self._loop.time() + WITHIN
        while await self.worker.store.turns.open_count():
            assert self._loop.time() < end, f"a turn is open\n{self._summary()}"
            await asyncio.sleep(0.05)

    def _statuses(self) -> list[str]:
        slack = self.stage.slack
        places = {(status.channel, status.thread_ts) for status in slack.statuses}
        return [text for place in places if (text := slack.status(*place))]

    async def _until(self, holds: Callable[[], Any], what: str) -> None:
        end = self._loop.time() + WITHIN
        while not holds():
            assert self._loop.time() < end, f"not so: {what}\n{self._summary()}"
            await asyncio.sleep(0.02)

    def _summary(self) -> str:
        lines = [text[:400] for _, text in self.log.lines[-40:]]
        return "\n".join([self.stage.slack.summary(), self.stage.discord.summary(), *lines])
