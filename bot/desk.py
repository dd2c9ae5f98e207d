"""Where the adapters hand in what happens: each wish goes to the room that knows it, and none raises back at them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bot import troubles
from bot.adapter import Adapter, Description, Missed
from bot.alerts import Alerts
from bot.backlog import Backlog
from bot.capabilities import LearnsLimits
from bot.catchup import CatchUp
from bot.commands import Commands
from bot.controls.held import HeldControls
from bot.engine import Engine
from bot.errors import ParleyError, StorageFailed
from bot.home import Home
from bot.interactions import CommandAnswer, FormSubmitted, HomePage, HomeSection
from bot.lately import Lately
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
from bot.notices import Notices
from bot.pacing import Pace
from bot.pressing import Pressing
from bot.results import Result
from bot.settings import Settings

log = structlog.get_logger(__name__)

DATABASE_TROUBLE = "My database isn't answering right now, so nothing was changed. Please try again in a minute."
MOST_SUGGESTIONS = 25


@dataclass(frozen=True, slots=True)
class Desk:
    """Takes everything in. `offered` are the adapters there are, `connected_adapters` those that serve by now."""

    backlog: Backlog
    commands: Commands
    pressing: Pressing
    controls: HeldControls
    home_page: Home
    engine: Engine
    settings: Settings
    offered: Mapping[str, Adapter]
    connected_adapters: dict[str, Adapter]
    paces: dict[str, Pace]
    catch_ups: Mapping[str, CatchUp]
    alerts: Alerts
    notices: Notices
    lately: Lately

    async def receive(
        self, event: IncomingMessage | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved
    ) -> None:
        """Take an event in. Raises `StorageFailed`: then it must not be acknowledged."""
        if not isinstance(event, ReactionAdded | ReactionRemoved):
            self.lately.hear(event)
        await self.backlog.receive(event)

    async def command(self, command: CommandInvoked) -> CommandAnswer:
        """Carry a command out. Whatever fails is a sentence, not a silence."""
        answer, _ = await self._carry_out(lambda: self.commands.run(command), command.address, command.name, command.id)
        return answer

    async def form(self, submitted: FormSubmitted) -> CommandAnswer:
        """Take a form in. What fails is a problem of its first field: the form stays open, with what was typed."""
        answer, failed = await self._carry_out(
            lambda: self.commands.submit(submitted), submitted.address, submitted.form, ""
        )
        if failed and submitted.values:
            return replace(answer, problems={next(iter(submitted.values)): answer.text})
        return answer

    async def press(self, pressed: ButtonPressed) -> CommandAnswer:
        """Do what a button asks for. Whatever fails is a sentence to the one who pressed it."""
        answer, _ = await self._carry_out(
            lambda: self.pressing.press(pressed), pressed.address, pressed.action, pressed.id
        )
        return answer

    async def complete(self, command: CommandInvoked, option: str, typed: str) -> Sequence[str]:
        """What may be meant by what is typed."""
        return self.commands.setting.complete(command, option, typed)[:MOST_SUGGESTIONS]

    async def home(self, person: Author, platform: str, workspace: str) -> HomePage:
        """Somebody's page."""
        try:
            return await self.home_page.page(person, platform, workspace)
        except StorageFailed as failure:
            log.error("home_failed", reason=str(failure))
            return HomePage((HomeSection(DATABASE_TROUBLE),))

    async def hears_all(self, address: Address) -> bool:
        """Whether a channel wants everything answered; where nobody can tell, it is taken not to."""
        try:
            return (await self.controls.at(address)).reply_mode == "all"
        except StorageFailed:
            return False

    def overhears(self, address: Address) -> bool:
        """Whether what people say in a channel is kept for a while."""
        return self.lately.follows(address)

    def connected(self, description: Description, missed: Missed) -> None:
        """A platform's events flow: its turns may be claimed from now on, and what was missed is read."""
        platform = description.platform
        if platform not in self.connected_adapters:
            planned = self.settings.parley_platform_limits == "published"
            adapter = self.connected_adapters[platform] = self.offered[platform]
            self.paces[platform] = (
                Pace(description.limits, planned=planned, learned=adapter.learned)
                if isinstance(adapter, LearnsLimits)
                else Pace(description.limits, planned=planned)
            )
        if missed != "nothing":
            self.lately.lose(platform)
        log.info("connected", platform=platform, bot=description.bot_name, mode=description.mode, missed=missed)
        if platform in self.catch_ups:
            self.catch_ups[platform].ask(missed)
        self.engine.wake()

    def token_refused(self, platform: str, variable: str) -> None:
        """A platform refuses what it took before: an admin can be told on another one."""
        self.alerts.tell(troubles.with_token(platform, variable))

    async def _carry_out(
        self, run: Callable[[], Awaitable[Result]], address: Address, name: str, key: str
    ) -> tuple[CommandAnswer, bool]:
        """The answer, and whether it says that something failed."""
        try:
            result = await run()
        except StorageFailed as failure:
            log.error("command_failed", command=name, reason=str(failure))
            return CommandAnswer(DATABASE_TROUBLE), True
        except ParleyError as failure:
            log.error("command_failed", command=name, kind=type(failure).__name__)
            return CommandAnswer(failure.sentence), True
        except Exception:
            log.exception("command_failed", command=name)
            return CommandAnswer(ParleyError.sentence), True
        if result.notice:
            self.notices.post(address, result.notice, key or secrets.token_hex(8))
        return result.answer, False
