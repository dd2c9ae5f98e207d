"""`forget`: what was said in a conversation, or in a whole channel, is wiped from what is stored.

`!forget` in a message means the conversation of that message, `/parley forget` the thread or the direct conversation it
is given in, and in a channel all that was said there, for admins alone. What stands at the platform stays there.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.context import PLATFORM_NAMES
from bot.engine import Engine
from bot.errors import StorageFailed
from bot.interactions import CommandAnswer
from bot.messages import Address, Author, CommandInvoked, IncomingMessage
from bot.policy import BY_THE_HOST, WHO_ARE_ADMINS, is_admin
from bot.results import Result, told
from bot.settings import Settings
from storage.controls import Controls
from storage.memory import Memory
from storage.records import Remembered
from storage.scopes import Change, Scope

log = structlog.get_logger(__name__)

NOT_YOURS = (
    "Only those who have said something in this conversation may have it forgotten, and admins: {who}. "
    "I've forgotten nothing."
)
ONLY_ADMINS = (
    "Only admins may have all of this channel forgotten: {who}. For one conversation, write `!forget` in it, "
    "as a message to me. I've forgotten nothing."
)
NOTHING = "There is nothing left to forget here."


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Wipes conversations, and writes down who wished it."""

    memory: Memory
    controls: Controls
    engine: Engine
    settings: Settings

    async def run(self, command: CommandInvoked) -> Result:
        """Carry `forget` out. Raises `StorageFailed`: then the rest is still to be done."""
        address = command.address
        if command.in_message:
            conversation = await self.memory.of_message(address, command.id)
        elif address.thread is not None:
            conversation = await self.memory.in_thread(address)
        else:
            return await self._channel(command)
        if conversation is None:
            return told(NOTHING)
        if not await self._may(command.author, conversation):
            return told(NOT_YOURS.format(who=_admins(address)))
        count = await self.memory.forget(conversation)
        await self._write_down(command, "conversation", count)
        return _done(command, "this conversation", count, alone=conversation.direct)

    async def at_once(self, message: IncomingMessage, turn_id: int) -> None:
        """Somebody's `!forget` was stored: what is under way before it in its conversation must not hold it up.

        Whatever this leaves, for a trouble of the database or the end of the process, comes before the wish is carried
        out, and is forgotten with the rest.
        """
        try:
            conversation = await self.memory.of_message(message.address, message.id)
            if conversation is None or not await self._may(message.author, conversation):
                return
            await self.memory.cancel_before(turn_id)
        except StorageFailed as failure:
            log.info("forget_waits", reason=str(failure))
            return
        for lease in self.engine.leases():
            claim = lease.claim
            if claim.conversation_id == conversation.id and claim.turn_id < turn_id and claim.kind == "answer":
                lease.stop(message.author.name)

    async def _channel(self, command: CommandInvoked) -> Result:
        address = command.address
        direct = await self.memory.is_direct(address)
        if direct is None:
            return told(NOTHING)
        if not direct and not is_admin(command.author, self.settings):
            return told(ONLY_ADMINS.format(who=_admins(address)))
        count = await self.memory.forget_channel(address)
        await self._write_down(command, "channel", count)
        return _done(command, "this conversation" if direct else "this channel", count, alone=direct)

    async def _may(self, author: Author, conversation: Remembered) -> bool:
        return (
            conversation.direct
            or is_admin(author, self.settings)
            or await self.memory.spoken_in(conversation, author.id)
        )

    async def _write_down(self, command: CommandInvoked, what: str, count: int) -> None:
        a, author = command.address, command.author
        scope = Scope(a.platform, a.workspace, a.channel, a.thread or "")
        await self.controls.change(Change(scope, "forget", what, _messages(count), author.id, author.name))
        log.info("forgotten", what=what, channel=a.channel, messages=count, by=author.id)


def _done(command: CommandInvoked, what: str, count: int, *, alone: bool) -> Result:
    if not count:
        return told(NOTHING)
    platform = PLATFORM_NAMES.get(command.address.platform, command.address.platform)
    stays = f"What stands in {platform} itself stays there: delete it there if it should go."
    forgotten = f"I've forgotten {_messages(count)} of {what}"
    notice = "" if alone else f"{forgotten}, as {command.author.name or 'somebody'} wished. {stays}"
    return Result(CommandAnswer(f"{forgotten}. {stays}"), notice)


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def _admins(address: Address) -> str:
    return WHO_ARE_ADMINS.get(address.platform, BY_THE_HOST)
