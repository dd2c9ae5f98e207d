"""The real adapter on an emulated Discord, a sink that keeps what it is given, and the judge of what was sent."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.timing import Timing
from bot.adapter import Description, Missed
from bot.errors import StorageFailed
from bot.interactions import CommandAnswer, CommandOption, CommandSpec, FormSubmitted, HomePage
from bot.messages import (
    Address,
    Author,
    ButtonPressed,
    CommandInvoked,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    ReactionAdded,
    ReactionRemoved,
)
from emulators.discord import DiscordServer, DiscordTiming
from emulators.discord.state import Channel, Message
from tests.secrecy import Planted, leaks, overhearing

T = TypeVar("T")

CONTRACT = Path(__file__).parents[3] / "shared" / "contract" / "contract.py"
needs_contract = pytest.mark.skipif(not CONTRACT.is_file(), reason="../shared/contract is not here")

FAST = Timing(
    backoff_base=0.02,
    backoff_cap=0.1,
    again=0.1,
    identify_gap=0.0,
    reidentify=(0.0, 0.01),
    hello=2.0,
    acknowledgement=0.2,
    deferral=30.0,
    first_response=60.0,
)
"""A command that does not wait for anything is answered at once, however slow the machine."""
QUICK = DiscordTiming(identify_spacing=0, first_response=60.0)

SPECS = (
    CommandSpec("help", "What I can do"),
    CommandSpec(
        "set",
        "Change a setting here",
        (
            CommandOption("setting", "Which setting", suggests=True),
            CommandOption("value", "Its new value", required=False, suggests=True),
            CommandOption("scope", "For what", required=False, choices=("workspace", "channel", "thread")),
        ),
    ),
    CommandSpec("reset", "Take a setting back", (CommandOption("setting", "Which setting"),)),
)

Event = IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved


class Desk:
    """A sink: keeps events and descriptions, fails to store when told to, answers commands while it is `open`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.presses: list[ButtonPressed] = []
        self.press_answer = CommandAnswer("")
        self.commands: list[CommandInvoked] = []
        self.descriptions: list[Description] = []
        self.missed: list[Missed] = []
        self.store_failures = 0
        self.refused_tokens: list[tuple[str, str]] = []
        self.answer: str | CommandAnswer | Exception = "All well."
        self.forms: list[FormSubmitted] = []
        self.form_answer = CommandAnswer("Done.")
        self.open = asyncio.Event()
        self.open.set()
        self.suggestions: Sequence[str] | Exception = ()
        self.asked: list[tuple[CommandInvoked, str, str]] = []
        self._changed = asyncio.Event()

    async def receive(self, event: Event) -> None:
        """Keep the event, unless the store is to fail."""
        if self.store_failures > 0:
            self.store_failures -= 1
            raise StorageFailed("the disk is full")
        self.events.append(event)
        self._wake()

    async def command(self, command: CommandInvoked) -> CommandAnswer:
        """Keep the command and give the answer."""
        self.commands.append(command)
        self._wake()
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, CommandAnswer) else CommandAnswer(self.answer)

    async def press(self, pressed: ButtonPressed) -> CommandAnswer:
        """Keep the press and give its answer."""
        self.presses.append(pressed)
        self._wake()
        await self.open.wait()
        return self.press_answer

    async def form(self, submitted: FormSubmitted) -> CommandAnswer:
        """Keep the form and give its answer."""
        self.forms.append(submitted)
        self._wake()
        await self.open.wait()
        return self.form_answer

    async def complete(self, command: CommandInvoked, option: str, typed: str) -> Sequence[str]:
        """What of the suggestions fits."""
        self.asked.append((command, option, typed))
        await self.open.wait()
        if isinstance(self.suggestions, Exception):
            raise self.suggestions
        return [name for name in self.suggestions if typed in name]

    async def home(self, person: Author, platform: str, workspace: str) -> HomePage:
        """Nobody asks for it here."""
        return HomePage(())

    def overhears(self, address: Address) -> bool:
        """Nothing is kept."""
        return False

    async def hears_all(self, address: Address) -> bool:
        """No channel wants everything answered."""
        return False

    def connected(self, description: Description, missed: Missed) -> None:
        """Keep the description."""
        self.descriptions.append(description)
        self.missed.append(missed)
        self._wake()

    def token_refused(self, platform: str, variable: str) -> None:
        """Keep which."""
        self.refused_tokens.append((platform, variable))

    @property
    def messages(self) -> list[IncomingMessage]:
        """The new messages among the events."""
        return [event for event in self.events if isinstance(event, IncomingMessage)]

    @property
    def texts(self) -> list[str]:
        """Their texts."""
        return [message.text for message in self.messages]

    async def until(self, predicate: Callable[[], T], timeout: float = 20.0) -> T:
        """Wait until `predicate()` is truthy and return its value."""
        async with asyncio.timeout(timeout):
            while not (value := predicate()):
                await self._changed.wait()
        return value

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def running(
    server: DiscordServer,
    *,
    desk: Desk | None = None,
    specs: Sequence[CommandSpec] = (),
    timing: Timing = FAST,
    ready: bool = True,
) -> AsyncIterator[tuple[DiscordAdapter, Desk]]:
    """A started adapter, connected unless told otherwise; at the end stopped, and everything it sent judged."""
    desk = desk or Desk()
    adapter = DiscordAdapter(server.token, server.url, specs, timing)
    with overhearing() as heard:
        task = asyncio.create_task(adapter.start(desk))
        try:
            if ready:
                await desk.until(lambda: desk.descriptions)
            yield adapter, desk
        finally:
            await adapter.stop()
            await asyncio.gather(task, return_exceptions=True)
    problems = [*off_contract(server), *leaks(heard.text, Planted().add(server))]
    assert not problems, problems


def off_contract(server: DiscordServer) -> list[str]:
    """What was wrong, by Discord's own documents, with the requests and gateway frames so far."""
    if not CONTRACT.is_file():
        return []
    contract = load_contract()
    problems = [
        problem
        for r in server.requests
        if r.service == "discord"
        for problem in contract.check("discord", r.method, r.path, r.query, dict(r.headers), r.body)
    ]
    return problems + [problem for frame in server.frames for problem in contract.check_gateway_frame(frame)]


def load_contract() -> ModuleType:
    """The module that judges requests."""
    specification = importlib.util.spec_from_file_location("contract", CONTRACT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def address_of(channel: Channel) -> Address:
    """A channel or thread as the core names it."""
    guild = str(channel.guild.id) if channel.guild else ""
    if channel.parent is not None:
        return Address("discord", guild, str(channel.parent.id), str(channel.id))
    return Address("discord", guild, str(channel.id))


def contents(messages: Sequence[Message]) -> list[str]:
    """What messages say."""
    return [message.content for message in messages]


def bodies(server: DiscordServer, method: str, ending: str) -> list[dict[str, Any]]:
    """The JSON bodies of the requests to paths that end so."""
    return [json.loads(r.body) for r in server.requests if r.method == method and r.path.endswith(ending)]
