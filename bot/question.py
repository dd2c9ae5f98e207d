"""What a turn asks: its questions and all that was said before them, from the store and, once, from the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bot import context
from bot.adapter import Adapter, FollowsReplies, KnowsPlaces
from bot.backend.completion import Picture
from bot.controls.effective import Effective
from bot.controls.held import HeldControls
from bot.errors import DeliveryFailure
from bot.files.enclosures import Enclosures, Seen
from bot.messages import IncomingMessage, Place
from storage import Store
from storage.records import Claim, StoredMessage, micros

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a turn needs to ask: fixed once it has been read. `own` are the messages that it answers."""

    adapter: Adapter
    controls: Effective
    history: Sequence[StoredMessage]
    people: Mapping[str, str]
    scene: context.Scene
    asker: str
    own: Sequence[StoredMessage]
    pictures: Mapping[int, Sequence[Picture | str]]
    left_out: str = ""
    """A line for the asker on what the model does not see of what came with the question."""


async def read_question(
    store: Store, controls: HeldControls, enclosures: Enclosures, claim: Claim, adapter: Adapter, *, since: int = 0
) -> Question:
    """Read what a turn asks; of one that asks no model, who gave it alone. Raises `StorageFailed`.

    What was said before `since` (microseconds since the epoch) is not read from the platform: it is to be forgotten.
    """
    effective = await controls.at(claim.address)
    if claim.kind == "answer":
        if not claim.complete:
            await _read_earlier(store, effective.history_messages, claim, adapter, since)
        history = await store.history.until(claim.turn_id, claim.conversation_id, claim.context_start)
        seen = await enclosures.of(adapter, claim, history, effective)
        history = seen.history
        own = [message for message in history if message.turn_id == claim.turn_id]
    else:
        history = own = list(await store.history.asked(claim.turn_id))
        seen = Seen(history)
    place = await adapter.place(claim.address) if isinstance(adapter, KnowsPlaces) else Place()
    return Question(
        adapter=adapter,
        controls=effective,
        history=history,
        people=context.speakers(history),
        scene=context.Scene(
            claim.address,
            place,
            adapter.describe().bot_name,
            claim.direct,
            datetime.now(UTC).date(),
            effective.language,
        ),
        asker=own[-1].author_id if own else "",
        own=own,
        pictures=seen.pictures,
        left_out=seen.left_out,
    )


async def _read_earlier(store: Store, most: int, claim: Claim, adapter: Adapter, since: int) -> None:
    """Read, once, what was said in the thread or the chain of replies before the bot was called into it."""
    known = await store.history.until(claim.turn_id, claim.conversation_id, claim.context_start)
    first = next((m for m in known if m.turn_id is not None), None)
    if first is None:
        return
    earlier: Sequence[IncomingMessage] = ()
    try:
        if claim.address.thread is not None:
            earlier = await adapter.fetch_history(claim.address, before=first.platform_id, limit=most)
        elif isinstance(adapter, FollowsReplies):
            chain = await adapter.fetch_chain(claim.address, first.platform_id, most)
            earlier = [m for m in chain if m.id != first.platform_id]
    except DeliveryFailure as failure:
        # An answer without what was said before is better than none.
        log.warning("history_unread", code=failure.code)
        return
    earlier = [message for message in earlier if micros(message.sent_at) >= since]
    await store.inbox.remember(claim.conversation_id, earlier, adapter.describe().bot_id)
    log.info("history_read", messages=len(earlier))
