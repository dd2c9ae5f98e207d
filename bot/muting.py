"""`mute` and `unmute`: in one thread, for a while, the bot speaks only when it is mentioned.

It is the setting `reply_mode` of the thread and nothing else, so `show` tells of it. Anybody who may ask here may do
it: to ask somebody to be quiet is no administration.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.controls.held import HeldControls
from bot.interactions import CommandAnswer
from bot.messages import CommandInvoked
from bot.results import Result, told
from storage.memory import Memory
from storage.scopes import Change, Scope

SETTING = "reply_mode"
QUIET = "mention"
NO_THREAD = "I can be quiet in a channel's thread: write `!mute` there, as a message."
ALONE = "Here we are alone, so I answer whatever you say. `!stop` ends an answer that I'm writing."
QUIET_ANYWAY = "Here I answer only when I'm mentioned: that is what the setting `reply_mode` says for this channel."
MUTED = "I'll be quiet in this thread unless somebody mentions me. `!unmute` brings me back."
MUTED_ALREADY = "I'm quiet in this thread already unless somebody mentions me. `!unmute` brings me back."
UNMUTED = "I'm back: in this thread I answer again without being mentioned."
NOT_MUTED = "I'm not muted in this thread."


@dataclass(frozen=True, slots=True)
class Muting:
    """Carries the two commands out."""

    controls: HeldControls
    memory: Memory

    async def mute(self, command: CommandInvoked) -> Result:
        """Be quiet in the thread where the command was given. Raises `StorageFailed`."""
        scope = await self._thread(command)
        if isinstance(scope, str):
            return told(scope)
        if (await self.controls.at(command.address)).reply_mode == QUIET:
            return told(MUTED_ALREADY if await self._is_set(scope) else QUIET_ANYWAY)
        await self.controls.change(_change(command, scope, QUIET))
        return Result(CommandAnswer(MUTED), MUTED)

    async def unmute(self, command: CommandInvoked) -> Result:
        """Take part again in the thread where the command was given. Raises `StorageFailed`."""
        scope = await self._thread(command)
        if isinstance(scope, str):
            return told(scope)
        if not await self._is_set(scope):
            quiet = (await self.controls.at(command.address)).reply_mode == QUIET
            return told(QUIET_ANYWAY if quiet else NOT_MUTED)
        await self.controls.change(_change(command, scope, None))
        said = QUIET_ANYWAY if (await self.controls.at(command.address)).reply_mode == QUIET else UNMUTED
        return Result(CommandAnswer(said), said)

    async def _thread(self, command: CommandInvoked) -> Scope | str:
        """The thread that is meant, or why there is none to be quiet in."""
        address = command.address
        if await self.memory.is_direct(address):
            return ALONE
        if not address.thread:
            return NO_THREAD
        return Scope(address.platform, address.workspace, address.channel, address.thread)

    async def _is_set(self, scope: Scope) -> bool:
        return SETTING in {setting.name for setting in await self.controls.set_at(scope)}


def _change(command: CommandInvoked, scope: Scope, value: str | None) -> Change:
    return Change(scope, "reset" if value is None else "set", SETTING, value, command.author.id, command.author.name)
