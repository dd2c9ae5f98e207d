"""The stage for tests of the Slack adapter: a sink that records, an adapter that runs against an emulated workspace."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.slack.adapter import SlackAdapter
from adapters.slack.connection import Timing
from bot.adapter import Description, Missed
from bot.errors import StorageFailed
from bot.interactions import CommandAnswer, FormSubmitted, HomePage
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
from emulators.slack import Channel, Message, SlackWorkspace

CONTRACT = Path(__file__).parents[3] / "shared" / "contract" / "contract.py"

FAST = Timing(ping=10.0, hello=2.0, settle=0.5, pause_first=0.02, pause_most=0.1, steady=0.5, call=2.0, lookup=0.5)

Event = IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved


class RecordingSink:
    """Keeps what it is given; `failures` of the next events raise, and `gate` holds every event while it is unset."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.presses: list[ButtonPressed] = []
        self.press_answer: CommandAnswer | Exception = CommandAnswer("")
        self.commands: list[CommandInvoked] = []
        self.descriptions: list[Description] = []
        self.missed: list[Missed] = []
        self.failures: list[Exception] = []
        self.refused = 0
        self.refused_tokens: list[tuple[str, str]] = []
        self.answer: str | CommandAnswer | Exception = "Done."
        self.forms: list[FormSubmitted] = []
        self.form_answer: CommandAnswer | Exception = CommandAnswer("Saved.")
        self.form_gate = asyncio.Event()
        self.form_gate.set()
        self.suggestions: tuple[str, ...] = ()
        self.visitors: list[tuple[Author, str]] = []
        self.page: HomePage | Exception = HomePage(())
        self.all_heard: set[str] = set()
        self.followed: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Condition()

    async def receive(self, event: Event) -> None:
        await self.gate.wait()
        if self.failures:
            self.refused += 1
            await self._notify()
            raise self.failures.pop(0)
        self.events.append(event)
        await self._notify()

    async def command(self, command: CommandInvoked) -> CommandAnswer:
        await self.gate.wait()
        self.commands.append(command)
        await self._notify()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, CommandAnswer) else CommandAnswer(self.answer)

    async def press(self, pressed: ButtonPressed) -> CommandAnswer:
        self.presses.append(pressed)
        await self._notify()
        await self.gate.wait()
        if isinstance(self.press_answer, Exception):
            raise self.press_answer
        return self.press_answer

    async def form(self, submitted: FormSubmitted) -> CommandAnswer:
        self.forms.append(submitted)
        await self._notify()
        await self.form_gate.wait()
        if isinstance(self.form_answer, Exception):
            raise self.form_answer
        return self.form_answer

    async def complete(self, command: CommandInvoked, option: str, typed: str) -> Sequence[str]:
        return [name for name in self.suggestions if typed in name]

    async def home(self, person: Author, platform: str, workspace: str) -> HomePage:
        self.visitors.append((person, workspace))
        if isinstance(self.page, Exception):
            raise self.page
        return self.page

    def overhears(self, address: Address) -> bool:
        return address.channel in self.followed

    async def hears_all(self, address: Address) -> bool:
        return address.channel in self.all_heard

    def connected(self, description: Description, missed: Missed) -> None:
        self.descriptions.append(description)
        self.missed.append(missed)

    def token_refused(self, platform: str, variable: str) -> None:
        self.refused_tokens.append((platform, variable))

    @property
    def messages(self) -> list[IncomingMessage]:
        return [event for event in self.events if isinstance(event, IncomingMessage)]

    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 20.0) -> Any:
        async with asyncio.timeout(timeout), self._changed:
            return await self._changed.wait_for(predicate)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class KeepingHands:
    """Keeps what it is given of what people do with the bot's controls."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def command(self, body: dict[str, Any]) -> None:
        self.given.append(body)

    visit = stop = command

    async def press(self, body: dict[str, Any]) -> None:
        self.given.append(body)

    async def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        self.given.append(body)
        return {}


def storage_failure() -> StorageFailed:
    return StorageFailed("the disk is full")


@asynccontextmanager
async def running(
    slack: SlackWorkspace, sink: RecordingSink, timing: Timing = FAST, **tokens: str
) -> AsyncIterator[SlackAdapter]:
    """A connected adapter, stopped in order at the end."""
    adapter = SlackAdapter(
        tokens.get("bot_token", slack.bot_token), tokens.get("app_token", slack.app_token), slack.url, timing=timing
    )
    serving = asyncio.create_task(adapter.start(sink))
    try:
        await eventually(lambda: serving.done() or sink.descriptions)
        if serving.done():
            await serving
        yield adapter
    finally:
        await adapter.stop()
        await serving


async def eventually(predicate: Callable[[], Any], timeout: float = 20.0) -> Any:
    """Wait for what nothing announces."""
    async with asyncio.timeout(timeout):
        while not (value := predicate()):
            await asyncio.sleep(0.005)
        return value


def thread_of(slack: SlackWorkspace, message: Message) -> Address:
    """Where to answer a channel message."""
    return Address("slack", slack.team_id, message.channel, message.thread_ts or message.ts)


def place_of(slack: SlackWorkspace, channel: Channel) -> Address:
    """A channel or direct message itself."""
    return Address("slack", slack.team_id, channel.id)


def calls(slack: SlackWorkspace, method: str) -> int:
    """How often a method was called."""
    return sum(1 for request in slack.requests if request.path.endswith("/" + method))


@functools.cache
def _contract_check() -> Callable[..., list[str]]:
    specification = importlib.util.spec_from_file_location("slack_contract", CONTRACT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    check: Callable[..., list[str]] = module.check
    return check


def off_contract(slack: SlackWorkspace) -> list[str]:
    """What is wrong, by the published documents, with the requests so far; nothing where the documents are not here."""
    if not CONTRACT.is_file():
        return []
    return [
        problem
        for r in slack.requests
        if r.service == "slack"
        for problem in _contract_check()("slack", r.method, r.path, r.query, dict(r.headers), r.body)
    ]
