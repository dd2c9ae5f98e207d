"""An incoming event: is it for us, and if so, stored with its turn before anybody acknowledges it.

What is for us says the gate; everything else is one transaction of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace

import structlog

from bot import crash
from bot.adapter import Description
from bot.admission import Admission, command_of
from bot.arriving import Arriving
from bot.controls.effective import Effective
from bot.controls.held import HeldControls
from bot.gate import ALONE, Company, company, gate, may_concern_us
from bot.holds import Holds, place_of
from bot.lease import Room
from bot.messages import Address, IncomingMessage, MessageDeleted, MessageEdited, Quoted
from bot.repeats import Repeats, is_mere
from bot.revisions import Revising
from storage.inbox import Inbox
from storage.records import Accepted, Along, micros, micros_of, now

log = structlog.get_logger(__name__)

# A message is written down as sent one database write after the platform took it.
CONFIRMED_WITHIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message stands: its conversation's root, whether we take part in it, and who does besides."""

    root: str
    known: bool
    company: Company = ALONE


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes events in. `on_work` is called when a turn waits to be claimed; `reserve` gives room for one that is about
    to be stored, and `at_hand` tells what one that begins a conversation takes along. `on_stop` is called when somebody
    wants one ended, `on_forget` with the turn's id once somebody's wish is stored that a conversation be forgotten.

    `holds` keep new turns from beginning, and messages for their end, where older ones may have to be read first: what
    begins a conversation waits for none. `arriving` are those on their way in, `repeats` those that have come.
    `platforms` say of themselves where they answer by custom.
    """

    inbox: Inbox
    revising: Revising
    controls: HeldControls
    admission: Admission
    platforms: Callable[[str], Description | None]
    on_work: Callable[[], None]
    reserve: Callable[[Address], AbstractAsyncContextManager[Room]]
    at_hand: Callable[[IncomingMessage, Effective, str], Sequence[IncomingMessage]]
    on_stop: Callable[[IncomingMessage, int, str], Awaitable[None]]
    on_forget: Callable[[IncomingMessage, int], Awaitable[None]]
    holds: Holds
    arriving: Arriving = field(default_factory=Arriving)
    repeats: Repeats = field(default_factory=Repeats)

    async def receive(self, event: IncomingMessage | MessageEdited | MessageDeleted) -> None:
        """Take one event in; it is durable when this returns, or will be read back by a process that finds it missing.

        Raises `StorageFailed`.
        """
        match event:
            case IncomingMessage():
                await self._message(event)
                crash.point("after_commit")
            case MessageEdited(message):
                if await self.revising.edit(message):
                    accepted = await self._message(message)
                    # Another process may have stored it as it was first, since it was looked for here.
                    if accepted is not None and accepted.outcome == "duplicate":
                        await self.revising.edit(message)
            case MessageDeleted(address, message_id):
                await self.revising.delete(address, message_id)

    async def known(self, place: Address, messages: Sequence[IncomingMessage]) -> Mapping[str, int]:
        """The turns, by message, of what people said in a place that has its turn and tells nothing new. Raises
        `StorageFailed`.

        What is read back overlaps with what is stored: one look for all of it spares a transaction for each. What this
        process remembers to have taken in costs none.
        """
        spoken = [m for m in messages if is_mere(m) and not m.author.is_bot and not self.repeats.has(m)]
        return await self.inbox.turns_of(place, [message.id for message in spoken])

    async def receive_missed(self, message: IncomingMessage, place: Address) -> Accepted | None:
        """Take in what was read in a place, where no event told of it; what became of it, None where it is none of our
        business. Raises `StorageFailed`."""
        if message.edited:
            await self.revising.edit(message)
        return await self._message(message, place)

    def hold(self, platform: str, seconds: float) -> None:
        """Let no new turn of a conversation under way on a platform begin for so long: what was asked in it before may
        still have to be read."""
        self.holds.begin(platform, seconds)

    async def settle(self, place: Address, gap: int, begun: Collection[int] = ()) -> None:
        """End the hold of a place that was read since a gap: take in the messages that waited for it, and let its turns
        begin, and those of the threads that were `begun` there. Raises `StorageFailed`."""
        early = self.holds.settle(place, gap)
        if early is None:
            return
        for message in early:
            await self._message(message)
        if await self.inbox.release_place(place, begun):
            self.on_work()

    async def release(self, platform: str) -> None:
        """End a platform's hold, as `settle` does a place's. Raises `StorageFailed`."""
        early = self.holds.end(platform)
        if early is None:
            return
        for message in early:
            await self._message(message)
        if await self.inbox.release_held(platform):
            self.on_work()

    async def _message(self, message: IncomingMessage, read_in: Address | None = None) -> Accepted | None:
        """What became of a message; None where it is none of our business. `read_in`: where no event told of it."""
        if message.author.is_bot:
            return None
        if self.repeats.has(message):
            return Accepted("duplicate")
        with self.arriving.taking_in(message.address, message.id):
            return await self._take_in(message, read_in)

    async def _take_in(self, message: IncomingMessage, read_in: Address | None) -> Accepted | None:
        effective = await self.controls.at(message.address)
        if not may_concern_us(message, effective.reply_mode):
            return None
        message = self._at_home(message, effective)
        live = read_in is None
        place = await self._place(message, live=live)
        root = place.root
        verdict = gate(
            message,
            known=place.known,
            mode=effective.reply_mode,
            company=place.company,
            bot_name=self._own_name(message.address.platform),
        )
        if verdict == "ignore":
            if live and not place.known and message.address.thread not in (None, message.id):
                # Its thread may begin with a question that was missed and is still to be read.
                self.holds.keep(message)
            return None
        command = command_of(message)
        # A command has a say in what runs before it.
        reserved = self.reserve(message.address) if verdict == "answer" and command is None else nullcontext(Room())
        async with reserved as room:
            along = self._along(message, root, effective) if room.terms is not None else None

            def tell(ahead: Accepted) -> None:
                if ahead.claim is not None:
                    room.begin(ahead.claim)

            accepted = await self.inbox.accept(
                message,
                root,
                rule=self.admission.rule(message, root, effective)
                if verdict == "answer"
                else lambda: self.admission.keep(message, effective),
                complete=_begins(message, root) or root == "",
                not_before=self._not_before(message, root, read_in),
                terms=room.terms,
                along=along,
                tell=tell if along is not None else None,
            )
            room.claim = accepted.claim
        log.info(
            "message_accepted",
            platform=message.address.platform,
            channel=message.address.channel,
            message=message.id,
            outcome=accepted.outcome,
        )
        if accepted.turn_id is not None:
            self.repeats.add(message)
        self.revising.tell(accepted.turn_id, accepted.revision)
        if accepted.outcome == "queued" and accepted.claim is None:
            if command is not None and accepted.turn_id is not None:
                if command.name == "stop":
                    await self.on_stop(message, accepted.turn_id, root)
                elif command.name == "forget":
                    await self.on_forget(message, accepted.turn_id)
            self.on_work()
        return accepted

    def _at_home(self, message: IncomingMessage, effective: Effective) -> IncomingMessage:
        """The message where its answer is to stand: a channel may want threads begun, or want none."""
        address = message.address
        begins = address.thread in (None, message.id) and not message.direct and message.quoted is None
        description = self.platforms(address.platform)
        if not begins or description is None or effective.reply_in == "auto":
            return message
        thread = message.id if effective.reply_in == "thread" else None
        # Where mentions are answered in the channel by custom, one that starts a chain of replies stands there already.
        return replace(message, address=replace(address, thread=thread))

    def _along(self, message: IncomingMessage, root: str, effective: Effective) -> Along | None:
        """What a new conversation of a channel takes along; None where it is none."""
        description = self.platforms(message.address.platform)
        if description is None or message.direct or not _begins(message, root):
            return None
        return Along(self.at_hand(message, effective, description.bot_id), description.bot_id)

    def _own_name(self, platform: str) -> str:
        description = self.platforms(platform)
        return description.bot_name if description is not None else ""

    async def _place(self, message: IncomingMessage, *, live: bool) -> _Place:
        """The message's conversation, and who takes part in it."""
        address = message.address
        if address.thread is None and not message.direct and message.quoted is not None:
            root = await self._root_of(message, message.quoted, live=live)
            # What it replies to may be a question that was missed and is still to be read: that one will be the root.
            return _Place(root, known=True) if root is not None else _Place(message.quoted.id, known=False)
        root = "" if self._is_one_conversation(message) else address.thread or message.id
        if message.mentions_bot or message.direct:
            return _Place(root, known=False)  # it is answered either way
        if live and root not in ("", message.id):
            await self.arriving.settled(address, root)
        standing = await self.inbox.standing(address, root, message.id)
        # What people said to each other in a thread before they called the bot does not become a question by being
        # told again.
        known = standing.began is not None and standing.began <= micros(message.sent_at)
        return _Place(root, known, company(standing.spoken, message.author.id, micros(message.sent_at)))

    def _is_one_conversation(self, message: IncomingMessage) -> bool:
        """Whether all that is said in its channel is one conversation: in a direct message, and where a platform of
        threads is to answer without them."""
        if message.address.thread is not None:
            return False
        description = self.platforms(message.address.platform)
        return message.direct or (description is not None and description.threads)

    async def _root_of(self, message: IncomingMessage, quoted: Quoted, *, live: bool) -> str | None:
        """The root of the conversation that a reply belongs to, None where it is not known.

        A quick reply can be here before our own message, which it answers, has been confirmed: it is waited for. So is
        the reading of what was missed, which may hold what it replies to.
        """
        if live and quoted.id != message.id:
            await self.arriving.settled(message.address, quoted.id)
        root = await self.inbox.root_of(message.address, quoted.id)
        until = now() + micros_of(CONFIRMED_WITHIN_SECONDS if quoted.by_us else 0.0)
        while root is None and now() < max(until, self._held_until(message) if live else 0):
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            root = await self.inbox.root_of(message.address, quoted.id)
        return root

    def _not_before(self, message: IncomingMessage, root: str, read_in: Address | None) -> int:
        """Until when a message's turn is held: what begins a conversation follows on nothing. What is read in a place
        begins once all of it is taken in, so that a question is answered together with what follows on it."""
        if read_in is not None:
            return self.holds.until(read_in)
        return 0 if _begins(message, root) else self._held_until(message)

    def _held_until(self, message: IncomingMessage) -> int:
        """When the hold of the place is over that an event's message stands in. Somebody waits there: what was missed
        is read ahead of other places."""
        place = place_of(message)
        until = self.holds.until(place)
        if until:
            self.holds.ask_for(place)
        return until


def _begins(message: IncomingMessage, root: str) -> bool:
    """Whether nothing can have been said in its conversation before a message."""
    return message.id == root and message.quoted is None
