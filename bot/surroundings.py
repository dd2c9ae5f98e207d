"""What was said around a conversation before it began: read once from the platform, and from then on kept by events.

A thread, or a chain of replies, into which the bot is called belongs to the conversation. What people had said in the
channel before a mention that begins something does not: it is taken along for that conversation alone, where it is
recent, and where having it costs no more than a moment. Where all of a channel is one conversation, each mention takes
along what was said since the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bot.adapter import Adapter
from bot.capabilities import FollowsReplies
from bot.controls.effective import Effective
from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused
from bot.insisting import insist
from bot.lately import Lately
from bot.messages import Address, IncomingMessage
from bot.pacing import Pace
from bot.policy import is_heard
from bot.settings import Settings
from storage import Store, retention
from storage.records import Claim, StoredMessage, Window, micros, micros_of

log = structlog.get_logger(__name__)

# How long a platform is asked again for the thread that a question belongs to.
EARLIER_WITHIN_SECONDS = 12.0
# The answer's first word waits no longer than this for what would be good to know.
WITHIN_SECONDS = 2.0

UNREAD = "I could not read the earlier messages here just now, so I answered without them."
CLOSED = "I can't read the earlier messages here: a permission that I lack may stand against it."


@dataclass(frozen=True, slots=True)
class Around:
    """What came of reading: the conversation's `window` where there is more of it now, and a line for the asker, or
    nothing, on what could not be read of it."""

    window: Window | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Reads what was said before. `paces` plan the calls of each platform; `lately` knows what need not be asked."""

    store: Store
    settings: Settings
    paces: Mapping[str, Pace]
    lately: Lately

    async def read(
        self, claim: Claim, adapter: Adapter, effective: Effective, known: Sequence[StoredMessage], *, since: int
    ) -> Around:
        """Read and keep what is missing of what is `known`.

        What was said before `since` (microseconds since the epoch) is to be forgotten, and is not read. Raises
        `StorageFailed`.
        """
        first = next((message for message in known if message.turn_id is not None), None)
        if first is None:
            return Around()
        if not claim.complete:
            heard = frozenset(message.author_id for message in known if message.role == "user")
            return await self._earlier(claim, adapter, first, effective, heard, since=since)
        if not effective.channel_messages:
            return Around()
        if _begins(claim, first, known):
            return Around(await self._channel(claim, adapter, first, effective, since))
        asked = next((message for message in known if message.turn_id == claim.turn_id), None)
        # What a press of a button asks stands nowhere in the channel.
        if asked is not None and ":" not in asked.platform_id and _is_a_whole_channel(claim):
            after = [m.position + 1 for m in known if m.position < asked.position and m.role != "overheard"]
            return Around(await self._channel(claim, adapter, asked, effective, max([since, *after])))
        return Around()

    def at_hand(self, message: IncomingMessage, effective: Effective, own_id: str) -> Sequence[IncomingMessage]:
        """What a message that begins a conversation takes along from its channel, as far as that is known.

        Where it is nothing, the turn looks for it, and asks.
        """
        if not effective.channel_messages:
            return ()
        channel, sent_at = replace(message.address, thread=None), micros(message.sent_at)
        oldest = self._oldest(sent_at, retention.since(self.settings.parley_retention_days))
        said = self.lately.before(channel, sent_at, effective.channel_messages, oldest, own_id)
        return self._heard(said or (), oldest, effective)

    async def _earlier(
        self,
        claim: Claim,
        adapter: Adapter,
        first: StoredMessage,
        effective: Effective,
        heard: Collection[str],
        *,
        since: int,
    ) -> Around:
        """The thread or the chain of replies that the bot was called into.

        `heard` are the ids of those whose words in it are read: history does not tell a person's roles on Discord.
        """
        earlier: Sequence[IncomingMessage] = ()
        most = effective.history_messages
        try:
            if claim.address.thread is not None:
                earlier = await insist(
                    claim.key,
                    lambda: adapter.fetch_history(claim.address, before=first.platform_id, limit=most),
                    EARLIER_WITHIN_SECONDS,
                    within=True,
                )
            elif isinstance(adapter, FollowsReplies):
                chain = await adapter.fetch_chain(claim.address, first.platform_id, most)
                earlier = [m for m in chain if m.id != first.platform_id]
        except DeliveryRefused as refused:
            log.warning("history_unread", code=refused.code)
            # It stays so: who asks there is told at the first answer.
            return Around(unread=CLOSED if first.turn_id == claim.turn_id else "")
        except DeliveryFailure as failure:
            # An answer without what was said before is better than none; the next turn tries again.
            log.warning("history_unread", code=failure.code)
            return Around(unread=UNREAD)
        earlier = [
            message
            for message in earlier
            if micros(message.sent_at) >= since
            and (message.author.id in heard or is_heard(message.author, effective, self.settings))
        ]
        await self.store.inbox.remember(claim.conversation_id, earlier, adapter.describe().bot_id)
        log.info("history_read", messages=len(earlier))
        if not earlier:
            return Around()
        return Around(await self.store.history.window(claim.turn_id, claim.conversation_id, claim.context_start))

    async def _channel(
        self, claim: Claim, adapter: Adapter, first: StoredMessage, effective: Effective, since: int
    ) -> Window | None:
        """The conversation with the last messages of the channel before a mention, its `first` message; None where
        there are none."""
        channel, most = replace(claim.address, thread=None), effective.channel_messages
        own_id = adapter.describe().bot_id
        oldest = self._oldest(first.sent_at, since)
        said = self.lately.before(channel, first.sent_at, most, oldest, own_id)
        if said is None:
            said = await self._ask(adapter, channel, first.platform_id, most)
        if said is None:
            return None
        heard = self._heard(said, oldest, effective)
        if _is_a_whole_channel(claim):
            heard = [message for message in heard if message.author.id != own_id]  # the conversation has its answers
        if not heard:
            return None
        log.info("channel_read", messages=len(heard))
        return await self.store.overheard.take_along(
            claim.turn_id, claim.conversation_id, claim.context_start, heard, own_id
        )

    def _oldest(self, sent_at: int, since: int) -> int:
        """Before when nothing of a channel is taken along by what was sent at that moment."""
        return max(since, sent_at - micros_of(self.settings.parley_channel_minutes * 60))

    def _heard(self, said: Sequence[IncomingMessage], oldest: int, effective: Effective) -> Sequence[IncomingMessage]:
        return [
            message
            for message in said
            if micros(message.sent_at) >= oldest
            and (message.whole_text or message.attachments)
            and is_heard(message.author, effective, self.settings)
        ]

    async def _ask(
        self, adapter: Adapter, channel: Address, before: str, most: int
    ) -> Sequence[IncomingMessage] | None:
        """A channel's last messages before one, from the platform; None where that can't be had in a moment."""
        pace = self.paces[channel.platform]
        slot = pace.spare("read", channel)
        if slot is None:
            return None
        try:
            with slot:
                async with asyncio.timeout(WITHIN_SECONDS):
                    said = await adapter.fetch_history(channel, before=before, limit=most)
        except TimeoutError:
            log.info("channel_unread", code="timeout")
            return None
        except DeliveryFailure as failure:
            if isinstance(failure, DeliveryDelayed):
                pace.hold("read", channel, failure.retry_after)
            log.info("channel_unread", code=failure.code)
            return None
        self.lately.read(channel, before, said, most)
        return said


def _is_a_whole_channel(claim: Claim) -> bool:
    return not claim.direct and not claim.root


def _begins(claim: Claim, first: StoredMessage, known: Sequence[StoredMessage]) -> bool:
    """Whether a turn is the first of a conversation that a message of a channel began, and nothing was taken along."""
    return (
        not claim.direct
        and first.platform_id == claim.root
        and first.turn_id == claim.turn_id
        and not any(message.role == "overheard" for message in known)
    )
