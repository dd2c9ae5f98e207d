"""The demo's stage: the emulated Slack, Discord and OpenAI in this process, the real bot in one of its own.

Starts, kills and ends that one process, by its pid; what is played on the stage is `script.py`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import bot
from emulators.discord import DiscordServer, DiscordTiming
from emulators.openai import OpenAIService, Speed
from emulators.slack import SlackWorkspace, Timing
from storage import Store

KEY = "sk-emulated-key"
# Words as fast as one can read along, after the moment a model takes to begin.
SPEED = Speed(words_per_second=35, first_token=0.6)
START_SECONDS = 90.0
STOP_SECONDS = 10.0
LOG_LINES = 12
_OURS = ("SLACK_", "DISCORD_", "PARLEY_", "DATABASE_URL")
_MODEL = ("OPENAI_",)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY", "NO_PROXY")
_LOOPBACK = "127.0.0.1,localhost"


class BotEnded(Exception):
    """The bot's process did not start or did not stay; `log` has its last lines."""

    def __init__(self, what: str, log: str) -> None:
        super().__init__(what)
        self.log = log


@dataclass(slots=True)
class Stage:
    """What is played on. `openai` is None where a real model answers; `model` then names it."""

    slack: SlackWorkspace
    discord: DiscordServer
    openai: OpenAIService | None
    model: str
    folder: Path
    environment: dict[str, str]
    _books: Store | None = None
    _process: asyncio.subprocess.Process | None = None
    pids: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The bot's process, the newest one."""
        return self.pids[-1]

    async def begin(self) -> None:
        """Start the bot and wait until both platforms are served. Raises `BotEnded`."""
        with self._log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run",
                cwd=self.folder, env=self.environment, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True,  # a Ctrl-C at the terminal is for the demo, which then ends the bot in order
            )  # fmt: skip
        self.pids.append(self._process.pid)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not (self.slack.connections and self.discord.connected):
                    self.look()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise self._ended(f"The bot did not connect within {START_SECONDS:g} seconds.") from None
        if self._books is None:
            self._books = await Store.open(self.environment["DATABASE_URL"])

    def look(self) -> None:
        """Raises `BotEnded` where the process is no longer there."""
        if self._process is not None and self._process.returncode is not None:
            raise self._ended(f"The bot ended with exit code {self._process.returncode}.")

    async def waiting(self) -> int:
        """How many questions the bot has not finished with, by its own database."""
        return await self._books.turns.open_count() if self._books is not None else 0

    async def kill(self) -> None:
        """SIGKILL: the bot gets to do nothing about it."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None
        await self.slack.wait_for(lambda: not self.slack.connections, STOP_SECONDS)
        await self.discord.wait_for(lambda: not self.discord.connected, STOP_SECONDS)

    async def end(self) -> None:
        """Close the books and end the bot's process: SIGTERM, and SIGKILL where that is not heard."""
        if self._books is not None:
            await self._books.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _log(self) -> Path:
        return self.folder / "bot.log"

    def _ended(self, what: str) -> BotEnded:
        lines = self._log.read_text(errors="replace").splitlines()
        return BotEnded(what, "\n".join(lines[-LOG_LINES:]))


@asynccontextmanager
async def raised(environ: Mapping[str, str]) -> AsyncIterator[Stage]:
    """The stage without its bot yet; at the end the bot is ended and nothing is left behind.

    With `OPENAI_API_KEY` in `environ` the bot asks the real model, or the one that `OPENAI_BASE_URL` names.
    """
    key = next((value for name, value in environ.items() if name.upper() == "OPENAI_API_KEY" and value.strip()), "")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-demo-")))
        slack = await stack.enter_async_context(SlackWorkspace(team_name="Atlas", timing=Timing()))
        discord = await stack.enter_async_context(
            # A real gateway wants five seconds between two starts; the viewer need not wait for it.
            DiscordServer(guild_name="Atlas Studio", timing=DiscordTiming(identify_spacing=0))
        )
        openai = None if key else await stack.enter_async_context(OpenAIService(speed=SPEED))
        environment = bot_environment(environ, real_model=openai is None) | {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_URL": slack.url,
            "DISCORD_BOT_TOKEN": discord.token,
            "DISCORD_API_URL": discord.url,
            "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
            "PARLEY_LEASE_SECONDS": "1.5",
            "PARLEY_SHUTDOWN_GRACE": "1",
            "PARLEY_LOG_FORMAT": "console",
        }
        if openai is not None:
            environment |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.url}
        stage = Stage(slack, discord, openai, _name_of_model(environment), folder, environment)
        try:
            yield stage
        finally:
            await stage.end()


def bot_environment(environ: Mapping[str, str], *, real_model: bool) -> dict[str, str]:
    """`environ` without what would lead the bot to real workspaces, and able to import this very copy of it."""
    left_out = _OURS + (() if real_model else _MODEL + _PROXIES)
    kept = {name: value for name, value in environ.items() if not name.upper().startswith(left_out)}
    if real_model:
        # The model may be behind a proxy; the emulators never are.
        given = [value for name, value in environ.items() if name.upper() == "NO_PROXY" and value]
        kept["NO_PROXY"] = kept["no_proxy"] = ",".join([*given[:1], _LOOPBACK])
    root = str(Path(bot.__file__).parents[1])
    path = kept.get("PYTHONPATH")
    return kept | {"PYTHONPATH": f"{root}:{path}" if path else root}


def _name_of_model(environment: Mapping[str, str]) -> str:
    """What answers, for the header: the model where it is named, and where it is."""
    named = {name.upper(): value for name, value in environment.items()}
    where = named.get("OPENAI_BASE_URL") or "api.openai.com"
    return f"{named.get('OPENAI_MODEL') or 'the default model'} at {where}"
