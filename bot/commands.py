"""The settings commands, once for both platforms: a command goes in, the Markdown to show its giver comes out."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.command_spec import CommandOption, CommandSpec
from bot.controls import CONTROLS, effective, nearest
from bot.messages import CommandInvoked
from bot.policy import may_set
from bot.settings import Settings
from storage.controls import Controls
from storage.records import Scope

log = structlog.get_logger(__name__)

_SETTING = CommandOption("setting", f"Which one: {', '.join(CONTROLS)}")
# What a platform that registers its commands offers below /parley.
COMMANDS = (
    CommandSpec("help", "What I can do and what can be set"),
    CommandSpec("show", "The settings of this channel"),
    CommandSpec("set", "Change a setting of this channel", (_SETTING, CommandOption("value", "Its new value"))),
    CommandSpec("reset", "Take a setting of this channel back", (_SETTING,)),
)
# The same, as Slack shows it while one types.
USAGE = "help | show | set NAME VALUE | reset NAME"

# A system message is shown in full up to this length, and by its beginning beyond.
SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Commands:
    """Carries commands out for one team's settings."""

    controls: Controls
    settings: Settings

    async def run(self, command: CommandInvoked) -> str:
        """What to show the one who gave the command. Raises `StorageFailed`."""
        match command.name.lower(), command.arguments:
            case "show", _:
                return await self._show(command)
            case "set", (name, value):
                return await self._set(command, name, value)
            case "set", _:
                return f"Name a setting and its value, for example `/parley set temperature 0.2`.\n\n{_names()}"
            case "reset", (name, *_):
                return await self._reset(command, name)
            case "reset", _:
                return f"Name the setting to take back, for example `/parley reset system`.\n\n{_names()}"
            case (("help" | ""), _):
                return _help()
            case unknown, _:
                return f"I don't know the command `{unknown[:40]}`.\n\n{_help()}"

    async def _show(self, command: CommandInvoked) -> str:
        now = effective(self.settings, await self.controls.at(command.address))
        temperature = "the model's own" if now.temperature is None else f"{now.temperature:g}"
        values = {
            "system": _shortened(now.system),
            "model": f"`{now.model}`",
            "temperature": temperature,
            "max_tokens": f"{now.max_tokens:,}",
        }
        lines = [f"- **{name}** ({now.sources[name]}): {value}" for name, value in values.items()]
        return "What holds in this channel:\n\n" + "\n".join(lines)

    async def _set(self, command: CommandInvoked, name: str, value: str) -> str:
        if not may_set(command.author, self.settings):
            return _refusal()
        control = CONTROLS.get(name.lower())
        if control is None:
            return _unknown(name)
        try:
            stored = control.check(value)
        except ValueError as wrong:
            return (
                f"I left **{control.name}** as it is: {wrong}. For example: "
                f"`/parley set {control.name} {control.example}`"
            )
        await self.controls.put(_channel(command), control.name, stored, command.author.id)
        log.info("setting_changed", setting=control.name, channel=command.address.channel, by=command.author.id)
        return f"From the next question on, **{control.name}** in this channel is: {_shortened(stored)}"

    async def _reset(self, command: CommandInvoked, name: str) -> str:
        if not may_set(command.author, self.settings):
            return _refusal()
        control = CONTROLS.get(name.lower())
        if control is None:
            return _unknown(name)
        if not await self.controls.remove(_channel(command), control.name):
            return f"**{control.name}** is not set in this channel; there is nothing to take back."
        log.info("setting_reset", setting=control.name, channel=command.address.channel, by=command.author.id)
        return f"**{control.name}** is back to what holds everywhere."


def _channel(command: CommandInvoked) -> Scope:
    return Scope(command.address.platform, command.address.workspace, command.address.channel)


def _shortened(value: str) -> str:
    return (
        value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS].rstrip()}… ({len(value):,} characters)"
    )


def _names() -> str:
    return "\n".join(f"- **{control.name}**: {control.help}" for control in CONTROLS.values())


def _help() -> str:
    return (
        "Mention me with a question and I answer in the thread; I remember what was said there.\n\n"
        "- `/parley show`: the settings of this channel\n"
        "- `/parley set NAME VALUE`: change one (admins)\n"
        "- `/parley reset NAME`: back to what holds everywhere (admins)\n\n"
        f"The settings:\n\n{_names()}"
    )


def _unknown(name: str) -> str:
    near = nearest(name)
    meant = f" Did you mean **{near}**?" if near else ""
    return f"There is no setting `{name[:40]}`.{meant}\n\n{_names()}"


def _refusal() -> str:
    return "Only admins may change settings here. `/parley show` tells how they stand."
