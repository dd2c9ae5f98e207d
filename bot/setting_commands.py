"""`show`, `set`, `reset`, and the form that does the same: a team's settings, changed by whoever may.

A wrong value changes nothing. What a setting may be stands in the table (`bot.controls.table`), who may in
`bot.policy`; whether a model or the host knows what is named, the checks that are handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from bot.controls.effective import Effective, effective
from bot.controls.held import HeldControls
from bot.controls.kinds import SecretName, Words
from bot.controls.table import CONTROLS, EVERYWHERE, TABLE, Control, Level, nearest
from bot.interactions import CommandAnswer, Form, FormField, FormSubmitted
from bot.messages import Address, Author, CommandInvoked
from bot.policy import refuse_setting
from bot.results import Result, told
from bot.secret_shapes import HIDDEN, looks_secret, without_secrets
from bot.settings import Settings
from bot.wording import quotable
from storage.scopes import Change, Scope, StoredSetting

log = structlog.get_logger(__name__)

# A system message is shown in full up to this length, and by its beginning beyond.
SHOWN_CHARACTERS = 300
# What a notice in the channel can carry on its one line.
NOTICE_CHARACTERS = 80
FORM = "settings"
NO_SECRETS = (
    "That looks like a key or a token, so I took it for none of my settings and kept nothing of it. Delete the message "
    "that holds it, and replace it at its provider: whoever reads here has seen it."
)
_WHERE: Mapping[Level, str] = {"workspace": "the whole workspace", "channel": "this channel", "thread": "this thread"}
_SOURCES = {
    "default": "default",
    "environment": "set by the host",
    "workspace": "set for the workspace",
    "channel": "set for this channel",
    "thread": "set for this thread",
}
FORM_FIELDS = tuple(control for control in TABLE if control.who == "rights" and "channel" in control.levels)

# Why a setting can't be so, given what would hold then; the empty text where it can. May ask the model's provider.
Check = Callable[[Control, Effective, Address], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class SettingCommands:
    """The commands of the settings. `checks` are asked of each new value, in order."""

    controls: HeldControls
    settings: Settings
    checks: Sequence[Check] = ()

    async def show(self, command: CommandInvoked) -> Result:
        """Every value that holds where the command was given, and where each comes from. Raises `StorageFailed`."""
        now = await self.controls.at(command.address)
        where = "thread" if command.address.thread else "channel"
        lines = [f"- **{c.name}**: {_shown(c, now)} _({_SOURCES[now.sources[c.name]]})_" for c in TABLE]
        return Result(CommandAnswer(f"What holds in this {where}:\n\n" + "\n".join(lines)))

    async def set(self, command: CommandInvoked) -> Result:
        """Give a setting a value; without one, the form to write it into. Raises `StorageFailed`."""
        name, value, asked = (*command.arguments, "", "", "")[:3]
        if not name:
            return told(f"Name a setting and its value, for example `{_way(command)}set temperature 0.2`.\n\n{names()}")
        control = CONTROLS.get(name.lower())
        if control is None:
            return told(unknown(name))
        level = _level(control, asked)
        wrong = self._wrong_place(command, control, level) or await self._refusal(command, control, level)
        if wrong:
            return told(wrong)
        if not value.strip():
            return await self._ask_for(command, control, level)
        if _is_secret(control, value):
            return told(NO_SECRETS)
        try:
            stored = control.kind.write(control.kind.read(value))
        except ValueError as mistake:
            return told(_left(command, control, str(mistake)))
        scope = _scope(command.address, level)
        if objection := await self._objection(control, command.address, {control.name: stored}, scope):
            # What a model doesn't take of this one, it may not take of the example either.
            plain = f"I left **{control.name}** as it is: {objection}."
            return told(plain if control.parameter else _left(command, control, objection))
        await self._write(scope, {control: stored}, command.author)
        said = f"From the next question on, **{control.name}** in {_WHERE[level]} is: {_shortened(stored)}"
        if level != "channel" and (await self.controls.at(command.address)).sources[control.name] != level:
            said += f"\n\nHere something nearer holds: `{_way(command)}show` tells."
        notice = f"{_who(command.author)} set **{control.name}** to {_on_a_line(stored)} in {_WHERE[level]}."
        return Result(CommandAnswer(said), notice)

    async def reset(self, command: CommandInvoked) -> Result:
        """Take a setting's value back, so that the next wider one holds. Raises `StorageFailed`."""
        name, asked = (*command.arguments, "", "")[:2]
        if not name:
            return told(f"Name the setting to take back, for example `{_way(command)}reset system`.\n\n{names()}")
        control = CONTROLS.get(name.lower())
        if control is None:
            return told(unknown(name))
        level = _level(control, asked)
        wrong = self._wrong_place(command, control, level) or await self._refusal(command, control, level)
        if wrong:
            return told(wrong)
        scope = _scope(command.address, level)
        if control.name not in {setting.name for setting in await self.controls.set_at(scope)}:
            return told(f"**{control.name}** is not set in {_WHERE[level]}; there is nothing to take back.")
        if objection := await self._objection(control, command.address, {control.name: None}, scope):
            return told(f"I left **{control.name}** as it is: without it, {objection}.")
        await self._write(scope, {control: None}, command.author)
        now = await self.controls.at(command.address)
        back = f"{_shown(control, now)} _({_SOURCES[now.sources[control.name]]})_"
        said = f"**{control.name}** is no longer set in {_WHERE[level]}. Now it is: {back}"
        notice = f"{_who(command.author)} took **{control.name}** back in {_WHERE[level]}."
        return Result(CommandAnswer(said), notice)

    async def form(self, command: CommandInvoked) -> Result:
        """The form with a channel's own settings; for who may change none, what holds. Raises `StorageFailed`."""
        now = await self.controls.at(command.address)
        allowed = [
            control
            for control in FORM_FIELDS
            if not refuse_setting(
                command.author, command.address, control, "channel", effective=now, settings=self.settings
            )
        ]
        if not allowed:
            return await self.show(command)
        own = await self._own(command.address)
        fields = tuple(_field(control, own.get(control.name, ""), now) for control in allowed)
        shown = await self.show(command)
        place = _channel(command.address)
        return Result(CommandAnswer(shown.answer.text, form=Form(FORM, "Settings here", place, fields)))

    async def submit(self, submitted: FormSubmitted) -> Result:
        """Take a form in: every field that was changed, or nothing where one is wrong. Raises `StorageFailed`."""
        own = await self._own(submitted.address)
        changed = {
            CONTROLS[name]: text.strip()
            for name, text in submitted.values.items()
            if name in CONTROLS and text.strip() != own.get(name, "")
        }
        place = CommandInvoked(submitted.address, submitted.author, FORM)
        scope = _scope(submitted.address, "channel")
        problems: dict[str, str] = {}
        stored: dict[str, str | None] = {}
        for control, text in changed.items():
            wrong = self._wrong_place(place, control, "channel") or await self._refusal(place, control, "channel")
            wrong = wrong or (NO_SECRETS if _is_secret(control, text) else "")
            try:
                stored[control.name] = control.kind.write(control.kind.read(text)) if text and not wrong else None
            except ValueError as mistake:
                wrong = f"{str(mistake)[:1].upper()}{str(mistake)[1:]}, for example: {control.example}"
            if wrong:
                problems[control.name] = wrong
        if not problems:
            for control in changed:
                if objection := await self._objection(control, submitted.address, stored, scope):
                    problems[control.name] = f"{objection[:1].upper()}{objection[1:]}."
        if problems:
            return Result(CommandAnswer("Nothing was changed.", problems=problems))
        news = {c: stored[c.name] for c in changed if stored[c.name] != own.get(c.name)}
        await self._write(scope, news, submitted.author)
        if not changed:
            return told("Nothing was changed.")
        listed = ", ".join(f"**{control.name}**" for control in changed)
        said = f"From the next question on, this holds here: {listed}. `/parley show` tells all of it."
        return Result(CommandAnswer(said), f"{_who(submitted.author)} changed {listed} in this channel.")

    def complete(self, command: CommandInvoked, option: str, typed: str) -> list[str]:
        """What may be meant by what is typed in an option: a setting's name, or a value of it."""
        if option == "setting":
            begun = [name for name in CONTROLS if typed.lower() in name]
            return begun or nearest(typed)
        control = CONTROLS.get(command.arguments[0].lower()) if command.arguments else None
        if control is None or option != "value":
            return []
        return [choice for choice in control.kind.choices if typed.lower() in choice.lower()]

    async def _ask_for(self, command: CommandInvoked, control: Control, level: Level) -> Result:
        named = control.name if level == "channel" else f"{level} {control.name}"
        example = f"`{_way(command)}set {named} {control.example}`"
        way = f"Give it a value: {control.kind.range}. For example: {example}"
        if level != "channel":
            return told(way)
        own = await self._own(command.address)
        field = _field(control, own.get(control.name, ""), await self.controls.at(command.address))
        form = Form(FORM, f"{control.name} here"[:24], _channel(command.address), (field,))
        return Result(CommandAnswer(way, form=form))

    def _wrong_place(self, command: CommandInvoked, control: Control, level: Level) -> str:
        if level not in control.levels:
            places = " or ".join(_WHERE[each] for each in control.levels)
            return f"**{control.name}** can be set for {places}, not for {_WHERE[level]}."
        if level == "thread" and not command.address.thread:
            return (
                "I can't see which thread you mean: a slash command says nothing of it. "
                f"Write it in the thread, as a message to me: `!set thread {control.name} {control.example}`"
            )
        return ""

    async def _refusal(self, command: CommandInvoked, control: Control, level: Level) -> str:
        now = await self.controls.at(command.address)
        return refuse_setting(command.author, command.address, control, level, effective=now, settings=self.settings)

    async def _own(self, address: Address) -> dict[str, str]:
        return {setting.name: setting.value for setting in await self.controls.set_at(_scope(address, "channel"))}

    async def _objection(
        self, control: Control, address: Address, changes: Mapping[str, str | None], scope: Scope
    ) -> str:
        """Why a setting can't be changed so, the empty text where it can; asked of every place that it would change.

        What a model takes is asked for the scope itself alone: a provider is not to be asked for each channel.
        """
        places = [Address(scope.platform, scope.workspace, scope.channel, scope.thread or None)]
        if not scope.channel and not control.parameter and control.name != "model":
            stored = await self.controls.of_workspace(scope.platform, scope.workspace)
            channels = dict.fromkeys(setting.scope.channel for setting in stored if setting.scope.channel)
            places += [Address(scope.platform, scope.workspace, channel) for channel in channels]
        for place in places:
            after = await self._after(place, changes, scope)
            for check in self.checks:
                if objection := await check(control, after, address):
                    return objection if place == places[0] else f"{objection} (in the channel `{place.channel}`)"
        return ""

    async def _after(self, address: Address, changes: Mapping[str, str | None], scope: Scope) -> Effective:
        """What would hold at an address once these values of a scope are changed."""
        scopes = [_scope(address, level) for level in EVERYWHERE if level != "thread" or address.thread]
        after = []
        for each in dict.fromkeys(scopes):
            kept = [s for s in await self.controls.set_at(each) if each != scope or s.name not in changes]
            new = [StoredSetting(scope, name, value, "", 0) for name, value in changes.items() if value is not None]
            after += [*kept, *(new if each == scope else ())]
        return effective(self.settings, after)

    async def _write(self, scope: Scope, values: Mapping[Control, str | None], author: Author) -> None:
        """Write all of the values, None where one is taken back, or none of them."""
        changes = [
            Change(scope, "reset" if value is None else "set", control.name, value, author.id, author.name)
            for control, value in values.items()
        ]
        await self.controls.change(*changes)
        for change in changes:
            log.info("setting_changed", action=change.action, setting=change.name, channel=scope.channel, by=author.id)


def names() -> str:
    """Every setting with its help and its range, as a list."""
    return "\n".join(f"- **{control.name}**: {control.help} ({control.kind.range})" for control in TABLE)


def unknown(name: str) -> str:
    """What to say of a setting that there isn't."""
    shown = HIDDEN if looks_secret(name) else quotable(name, 40)
    near = nearest(name)
    if not near:
        return f"There is no setting `{shown}`.\n\n{names()}"
    meant = " or ".join(f"**{each}**" for each in near)
    return f"There is no setting `{shown}`. Did you mean {meant}? `/parley help` lists all of them."


def _left(command: CommandInvoked, control: Control, why: str) -> str:
    way = f"`{_way(command)}set {control.name} {control.example}`"
    return f"I left **{control.name}** as it is: {why}. For example: {way}"


def _way(command: CommandInvoked) -> str:
    return "!" if command.in_message else "/parley "


def _is_secret(control: Control, value: str) -> bool:
    """Whether what was typed holds a secret. A longer text may well hold a run of letters and digits."""
    if isinstance(control.kind, Words) and not control.kind.one_line:
        return without_secrets(value) != value
    return looks_secret(value) and not isinstance(control.kind, SecretName)


def _level(control: Control, asked: str) -> Level:
    level = next((level for level in EVERYWHERE if level == asked), None)
    if level is not None:
        return level
    return "channel" if "channel" in control.levels else control.levels[0]


def _scope(address: Address, level: Level) -> Scope:
    channel = address.channel if level != "workspace" else ""
    return Scope(address.platform, address.workspace, channel, (address.thread or "") if level == "thread" else "")


def _channel(address: Address) -> Address:
    return Address(address.platform, address.workspace, address.channel)


def _field(control: Control, own: str, now: Effective) -> FormField:
    holds = _on_a_line(now.shown(control.name))
    is_long = isinstance(control.kind, Words) and not control.kind.one_line
    few = 0 < len(control.kind.choices) <= len(control.kind.range.split(", ")) + 1
    return FormField(
        control.name,
        control.name,
        "lines" if is_long else "choice" if few and control.kind.range.startswith(control.kind.choices[0]) else "line",
        value=own,
        hint=f"{control.help[:1].upper()}{control.help[1:]}: {control.kind.range}. "
        + ("Empty takes it back." if own else f"Not set here; {holds} holds."),
        choices=tuple(control.kind.choices),
    )


def _shown(control: Control, now: Effective) -> str:
    return _shortened(now.shown(control.name))


def _shortened(value: str) -> str:
    if len(value) <= SHOWN_CHARACTERS:
        return value
    return f"{value[:SHOWN_CHARACTERS].rstrip()}… ({len(value):,} characters)"


def _on_a_line(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= NOTICE_CHARACTERS else f"{line[:NOTICE_CHARACTERS].rstrip()}…"


def _who(author: Author) -> str:
    return author.name or "Somebody"
