"""A stage for whole conversations: the three emulators, and the worker in this process or in one of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot import app
from bot.serving import App
from bot.settings import Settings
from emulators.discord import DiscordServer, DiscordTiming
from emulators.openai import OpenAIService
from emulators.slack import SlackWorkspace, Timing
from tests import unmeasured
from tests.contract import off_contract
from tests.nursery import Forked, Nursery, nursery
from tests.secrecy import Planted, leaks, leaks_in_folder, overhearing

ROOT = Path(__file__).resolve().parents[2]
LOG = "worker.log"
SLACK = Timing(redelivery=(0, 0.5, 1.0), ack_deadline=3)


@dataclass
class Stage:
    """Slack, Discord and the model, and a database that outlives the workers which serve them."""

    slack: SlackWorkspace
    discord: DiscordServer
    openai: OpenAIService
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that turn the bot to this stage."""
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.url,
            "DISCORD_BOT_TOKEN": self.discord.token,
            "DISCORD_API_URL": self.discord.url,
            "OPENAI_API_KEY": "sk-emulated-key",
            "OPENAI_BASE_URL": self.openai.url,
            "DATABASE_URL": f"sqlite:///{self.folder / 'parley.db'}",
            "PARLEY_LEASE_SECONDS": "1.5",
            "PARLEY_LOG_FORMAT": "json",
        } | self.extra

    @property
    def served(self) -> bool:
        """Whether every platform whose token is set has the bot connected."""
        tokens = self.environment
        return bool(
            (self.slack.connections or not tokens["SLACK_BOT_TOKEN"])
            and (self.discord.connected or not tokens["DISCORD_BOT_TOKEN"])
        )

    def settings(self) -> Settings:
        """The same as typed settings, for a worker in this process."""
        return Settings(**{name.lower(): value for name, value in self.environment.items()}, _env_file=None)  # type: ignore[arg-type, call-arg]

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[App]:
        """The worker as a task of this process, connected to both platforms; stopped in order at the end."""
        async with app.build(self.settings()) as worker:
            serving = asyncio.create_task(worker.serve())
            try:
                await self._connected(worker, serving)
                yield worker
            finally:
                worker.stop()
                await serving

    async def _connected(self, worker: App, serving: asyncio.Task[None]) -> None:
        async with asyncio.timeout(60):
            while not self.served or worker.desk.connected_adapters.keys() < worker.desk.offered.keys():
                if serving.done():
                    serving.result()
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def process(self, *, cold: bool = False) -> AsyncIterator[Worker]:
        """The worker as `python -m bot run`, connected; ended at the end if it still runs.

        Forked from a process that has the libraries loaded, unless it is to be a `cold` start.
        """
        async with AsyncExitStack() as stack:
            worker = await (
                Worker.start(self) if cold else Worker.fork(self, await stack.enter_async_context(nursery()))
            )
            stack.push_async_callback(worker.end)
            await worker.connected()
            yield worker

    def planted(self) -> Planted:
        """All that must not be logged of what was given to the bot and said here."""
        given = self.environment
        keys = {key.strip() for name, value in given.items() if "API_KEY" in name for key in value.split(",")}
        tokens = {value for name, value in given.items() if name.endswith("_TOKEN")}
        return Planted(keys | tokens).add(self.slack, self.discord, self.openai)

    def complaints(self) -> list[str]:
        """Whatever was off protocol or off contract in all that the bot sent."""
        requests = [*self.slack.requests, *self.discord.requests, *self.openai.requests]
        return [*self.slack.complaints, *self.discord.complaints, *off_contract(requests)]


@dataclass
class Worker:
    """One process of the bot."""

    stage: Stage
    process: asyncio.subprocess.Process | Forked
    log: Path

    @classmethod
    async def fork(cls, stage: Stage, forking: Nursery) -> Worker:
        log = stage.folder / LOG
        return cls(stage, await forking.start({**unmeasured.environment(), **stage.environment}, log), log)

    @classmethod
    async def start(cls, stage: Stage) -> Worker:
        log = stage.folder / LOG
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", cwd=ROOT, stdout=sink, stderr=sink,
                env={**unmeasured.environment(), **stage.environment},
            )  # fmt: skip
        return cls(stage, process, log)

    async def connected(self) -> None:
        """Wait until both platforms are served; fail with the log if the process ended instead."""
        async with asyncio.timeout(90):
            while not self.stage.served:
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """SIGKILL: nothing gets to run at its end."""
        self.process.kill()
        await self.process.wait()
        await self.stage.slack.wait_for(lambda: not self.stage.slack.connections)

    async def terminate(self, timeout: float = 60) -> int:
        """SIGTERM, as a host does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    async def end(self) -> None:
        """Make sure it is gone."""
        if self.process.returncode is None:
            await self.terminate()


@asynccontextmanager
async def stage(
    folder: Path, windows: Mapping[str, int] | None = None, slack: Timing = SLACK, **extra: str
) -> AsyncIterator[Stage]:
    """Raise the curtain, and when it falls see that nothing which is secret or was said has been logged.

    `windows` replace the models' context windows; `extra` are further variables for the bot.
    """
    async with AsyncExitStack() as stack:
        heard = stack.enter_context(overhearing())
        scene = Stage(
            await stack.enter_async_context(SlackWorkspace(timing=slack, limits="none")),
            await stack.enter_async_context(DiscordServer(limits="none", timing=DiscordTiming(identify_spacing=0))),
            await stack.enter_async_context(OpenAIService(limits="none", windows=windows)),
            folder,
            extra,
        )
        yield scene
        planted = scene.planted()
        assert [*leaks(heard.text, planted), *leaks_in_folder(folder, planted)] == []


def user_texts(body: Mapping[str, Any]) -> Iterator[str]:
    """What people said, as one request to the model carries it."""
    return (m["content"] for m in body["messages"] if m["role"] == "user")
