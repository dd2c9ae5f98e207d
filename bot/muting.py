"""`mute` and `unmute`: in one thread, for a while, the bot speaks only when it is mentioned.

It is the setting `reply_mode` of the thread and nothing else, so `show` tells of it. Anybody who may ask here may do
it: to ask somebody to be quiet is no administration.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.controls.held import HeldControls
from bot.messages import CommandInvoked
from bot.results import Result, told
from storage.records import Change, Scope

SETTING = "reply_mode"
QUIET = "mention"
NO_THREAD = "I can be quiet in a thread: write `!mute` there, as a message. Elsewhere I answer only when I'm mentioned."
MUTED = "I'll be quiet in this thread unless somebody mentions me. `!unmute` brings me back."
MUTED_ALREADY = "I'm quiet in this thread already unless somebody mentions me. `!unmute` brings me back."
UNMUTED = "I'm back: in this thread I answer again without being mentioned."
NOT_MUTED = "I'm not muted in this thread."


@dataclass(frozen=True, slots=True)
class Muting:
    """Carries the two commands out."""

    controls: HeldControls

    async def mute(self, command: CommandInvoked) -> Result:
        """Be quiet in the thread where the command was given. Raises `StorageFailed`."""
        scope = _thread(command)
        if scope is None:
            return told(NO_THREAD)
        if (await self.controls.at(command.address)).reply_mode == QUIET:
            return told(MUTED_ALREADY)
        await self.controls.change(_change(command, scope, QUIET))
        return Result(told(MUTED).answer, MUTED)

    async def unmute(self, command: CommandInvoked) -> Result:
        """Take part again in the thread where the command was given. Raises `StorageFailed`."""
        scope = _thread(command)
        if scope is None:
            return told(NO_THREAD)
        if SETTING not in {setting.name for setting in await self.controls.set_at(scope)}:
            return told(NOT_MUTED)
        await self.controls.change(_change(command, scope, None))
        return Result(told(UNMUTED).answer, UNMUTED)


def _thread(command: CommandInvoked) -> Scope | None:
    address = command.address
    if not address.thread:
        return None
    return Scope(address.platform, address.workspace, address.channel, address.thread)


def _change(command: CommandInvoked, scope: Scope, value: str | None) -> Change:
    return Change(scope, "reset" if value is None else "set", SETTING, value, command.author.id, command.author.name)
