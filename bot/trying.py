"""`try`: one question, asked once with the present settings and once with others, for the eyes of one person.

Nothing of it is remembered by a conversation, and nothing is set. It counts as a question: against the limits on
messages, in the usage, and in the budgets.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from bot import context, limits
from bot.adapter import Adapter
from bot.backend.client import Backend
from bot.backend.completion import CompletionRequest, Finished, ModelMessage, Restarted, Text
from bot.capabilities import KnowsPlaces
from bot.controls.effective import Effective
from bot.controls.held import HeldControls
from bot.controls.table import CONTROLS, Control
from bot.errors import BudgetUsedUp, ModelFailure, PriceUnknown
from bot.limits import Limits
from bot.messages import CommandInvoked, Place
from bot.policy import is_admin, refuse_setting
from bot.reservations import Reservations
from bot.results import Result, told
from bot.setting_commands import Check, unknown
from bot.settings import Settings
from bot.tally import Tally
from bot.wording import quotable
from storage.money import Spender
from storage.usage import Usage

log = structlog.get_logger(__name__)

# What changes an answer to one question on its own.
TRIABLE = ("system", "model", "temperature", "max_tokens", "reasoning_effort", "language")
# Two answers and what stands around them must fit into the five posts that answer a command on Slack.
LONGEST_SHOWN = 6_000
WAY = "Write it as `try NAME=VALUE … | question`, for example `try temperature=0 model=gpt-4o | Name three rivers.`"
CURLED = str.maketrans("“”„", '"""')


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be tried: the values by their settings, and the question."""

    values: Mapping[str, str]
    question: str


@dataclass(frozen=True, slots=True)
class _Call:
    """One question on its way to the model, what has come back of it so far, and what that took."""

    request: CompletionRequest
    tally: Tally
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trying:
    """Asks for `try`. `adapters` are those connected by now; `checks` are those of `set`."""

    controls: HeldControls
    settings: Settings
    backend: Backend
    usage: Usage
    limits: Limits
    adapters: Mapping[str, Adapter]
    reservations: Reservations
    checks: Sequence[Check] = ()

    async def run(self, command: CommandInvoked) -> Result:
        """Ask both ways at once and show both answers. Raises `StorageFailed`."""
        try:
            wish = read_wish(command.arguments[0] if command.arguments else "")
        except ValueError as mistake:
            return told(str(mistake))
        now = await self.controls.at(command.address)
        refused = self._too_dear(command, wish, now) or self._refusal(command, now)
        if refused:
            return told(refused)
        changed = replace(now, **{name: CONTROLS[name].kind.read(value) for name, value in wish.values.items()})
        for name in wish.values:
            for check in self.checks:
                if objection := await check(CONTROLS[name], changed, command.address):
                    return told(f"I can't try that **{name}**: {objection}.")
        both = ((now, f"try-{command.id}-as-set"), (changed, f"try-{command.id}-changed"))
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._ask(command, wish, each, name)) for each, name in both]
        except BaseExceptionGroup as group:
            # The first to fail ended the other: it alone says what happened.
            raise group.exceptions[0] from None
        tried = ", ".join(f"{name} = {_brief(value)}" for name, value in wish.values.items())
        before, after = (task.result() for task in asked)
        return told(f"**As it is set here** ({_as_set(now, wish)})\n\n{before}\n\n**With {tried}**\n\n{after}")

    def _too_dear(self, command: CommandInvoked, wish: Wish, now: Effective) -> str:
        """Why somebody who may not set it may not try it either: only what could cost more than the present choice."""
        dearer = [name for name in ("model",) if name in wish.values]
        if int(wish.values.get("max_tokens", 0)) > now.max_tokens:
            dearer.append("max_tokens")
        author, address = command.author, command.address
        return next(
            (
                why
                for name in dearer
                if (
                    why := refuse_setting(
                        author, address, CONTROLS[name], "channel", effective=now, settings=self.settings
                    )
                )
            ),
            "",
        )

    def _refusal(self, command: CommandInvoked, now: Effective) -> str:
        author, address = command.author, command.address
        # One in a message was counted when the message came.
        if command.in_message or (now.admins_exempt and is_admin(author, self.settings)):
            return ""
        hit = self.limits.take(author, address, time.time())
        return limits.notice(hit) if hit is not None else ""

    async def _ask(self, command: CommandInvoked, wish: Wish, chosen: Effective, key: str) -> str:
        adapter = self.adapters[command.address.platform]
        place = await adapter.place(command.address) if isinstance(adapter, KnowsPlaces) else Place()
        name = place.bot_name or adapter.describe().bot_name
        scene = context.Scene(
            command.address, place, name, direct=False, began=datetime.now(UTC).date(), language=chosen.language
        )
        who = command.author.name or "Someone"
        request = CompletionRequest(
            model=chosen.model,
            messages=(
                ModelMessage("system", context.system_message(chosen.system, scene)),
                ModelMessage("user", context.indented(f"{who}: {wish.question}")),
            ),
            temperature=chosen.temperature,
            max_output_tokens=chosen.max_tokens,
            reasoning_effort=chosen.reasoning_effort,
            keys=chosen.key or "",
        )
        address = command.address
        spender = Spender(address.platform, address.workspace, address.channel, command.author.id)
        call = _Call(request, Tally(command.author.id, chosen.model, chosen.price))
        try:
            await self._reserve(key, spender, chosen, call)
            await self._complete(key, spender, chosen, call)
        except ModelFailure as failure:
            log.warning("try_failed", kind=type(failure).__name__, detail=failure.detail)
            return failure.sentence
        except (BudgetUsedUp, PriceUnknown) as refused:
            return refused.sentence
        finally:
            await self._settle(key, spender, chosen, call)
        said = "".join(call.said).strip()
        if not said:
            return "_The model had nothing to say to that._"
        return said if len(said) <= LONGEST_SHOWN else f"{said[:LONGEST_SHOWN].rstrip()}…\n\n_(cut here)_"

    async def _reserve(self, key: str, spender: Spender, chosen: Effective, call: _Call) -> None:
        await self.reservations.reserve(key, spender, chosen, call.request, call.tally.voided_micros())

    async def _complete(self, key: str, spender: Spender, chosen: Effective, call: _Call) -> None:
        call.tally.ask(call.request)
        async with aclosing(self.backend.stream(call.request)) as events:
            async for event in events:
                match event:
                    case Text(text):
                        call.said.append(text)
                    case Restarted():
                        call.tally.void("".join(call.said))
                        call.said.clear()
                        # What is void was paid for too; the words to come may be more than there is left for.
                        await self._reserve(key, spender, chosen, call)
                    case Finished(_, usage, model, attempts, label):
                        self.reservations.learn(call.request, usage)
                        call.tally.finish(usage, model, label, attempts)
                        return
        raise AssertionError("a stream that does not raise ends with Finished")

    async def _settle(self, key: str, spender: Spender, chosen: Effective, call: _Call) -> None:
        """Count what was taken, however it ended, in place of what was set aside."""
        used = call.tally.used("".join(call.said))
        if used is None:
            await self.reservations.release(key, chosen)
        else:
            await self.usage.add(spender, "try", used, reserved=key)


def read_wish(text: str) -> Wish:
    """What stands after `try`. Raises ValueError with what is wrong and the way out."""
    settings, bar, question = text.partition("|")
    if not bar or not question.strip():
        raise ValueError(f"What shall I ask? {WAY}")
    try:
        words = shlex.split(settings.translate(CURLED))
    except ValueError:
        raise ValueError(f"A quote is never closed. {WAY}") from None
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        control = CONTROLS.get(name.lower())
        if not equals:
            raise ValueError(f"I don't understand `{quotable(word, 40)}`. {WAY}")
        if control is None:
            raise ValueError(unknown(name))
        values[control.name] = _read(control, value)
    if not values:
        raise ValueError(f"What shall be different? {WAY}")
    return Wish(values, question.strip())


def _read(control: Control, value: str) -> str:
    if control.name not in TRIABLE:
        listed = ", ".join(TRIABLE)
        raise ValueError(f"**{control.name}** makes no difference to one answer. What can be tried: {listed}.")
    try:
        return control.kind.write(control.kind.read(value))
    except ValueError as mistake:
        example = f"`try {control.name}={shlex.quote(control.example)} | question`"
        raise ValueError(f"I can't try that **{control.name}**: {mistake}. For example: {example}") from None


def _as_set(now: Effective, wish: Wish) -> str:
    return ", ".join(f"{name} = {_brief(now.shown(name))}" for name in wish.values)


def _brief(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= 40 else f"{line[:40].rstrip()}…"
