"""What a turn asks: its questions and all that was said before them, from the store and, once, from the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot import buttons, context
from bot.adapter import Adapter
from bot.backend.completion import Picture
from bot.capabilities import KnowsPlaces
from bot.controls.effective import Effective
from bot.controls.held import HeldControls
from bot.files.enclosures import Enclosures, Seen
from bot.messages import Button, Place
from bot.outcome import Outcome
from bot.resuming import reopening
from bot.surroundings import Around, Surroundings
from storage import Store
from storage.answers import goes_on, stands_below
from storage.records import Claim, StoredMessage


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a turn needs to ask: fixed once it has been read. `own` are the messages that it answers."""

    adapter: Adapter
    controls: Effective
    history: Sequence[StoredMessage]
    memory: context.Memory
    people: Mapping[str, str]
    scene: context.Scene
    asker: str
    own: Sequence[StoredMessage]
    pictures: Mapping[int, Sequence[Picture | str]]
    left_out: str = ""
    """A line for the asker on what the model does not see of what came with the question."""
    unread: str = ""
    """A line for the asker where what was said before could not be read."""
    earlier: str = ""
    """The answer that somebody wishes to have anew, as it is remembered until there is a new one."""
    opener: str = ""
    """The line that opens the block of code in which an answer goes on that was cut there."""
    has_buttons: bool = False
    """Whether buttons stand under what is said to it."""

    def buttons_after(self, outcome: Outcome) -> tuple[Button, ...]:
        """What stands under the answer once it has ended so."""
        return buttons.after(outcome) if self.has_buttons else ()


async def read_question(
    store: Store,
    controls: HeldControls,
    enclosures: Enclosures,
    claim: Claim,
    adapter: Adapter,
    *,
    surroundings: Surroundings,
    since: int = 0,
) -> Question:
    """Read what a turn asks; of one that asks no model, who gave it alone. Raises `StorageFailed`.

    What was said before `since` (microseconds since the epoch) is not read from the platform: it is to be forgotten.
    """
    effective = await controls.at(claim.address)
    memory, around = context.NO_MEMORY, Around()
    if claim.kind == "answer":
        window = claim.window or await store.history.window(claim.turn_id, claim.conversation_id, claim.context_start)
        around = await surroundings.read(claim, adapter, effective, window.messages, since=since)
        window = around.window or window
        seen = await enclosures.of(adapter, claim, window.messages, effective)
        history = seen.history
        memory = context.Memory(claim.context_start, window.summaries if effective.summaries else ())
        own = [message for message in history if message.turn_id == claim.turn_id]
    else:
        history = own = list(await store.history.asked(claim.turn_id))
        seen = Seen(history)
    place = await adapter.place(claim.address) if isinstance(adapter, KnowsPlaces) else Place()
    return Question(
        adapter=adapter,
        controls=effective,
        history=history,
        memory=memory,
        people=context.speakers(history),
        scene=_scene(claim, adapter, place, effective),
        asker=own[-1].author_id if own else "",
        own=own,
        pictures=seen.pictures,
        left_out=seen.left_out,
        unread=around.unread,
        opener=await _reopening(store, claim, own),
        earlier=await store.answers.remembered(claim.turn_id) if claim.pressed else "",
        has_buttons=claim.kind == "answer" and buttons.wanted(adapter, effective),
    )


async def bare_question(store: Store, controls: HeldControls, claim: Claim, adapter: Adapter) -> Question:
    """As much of what a turn asks as it takes to say to who asked that it is given up: the reading may be what it
    broke over. Raises `StorageFailed`."""
    effective = await controls.at(claim.address)
    own = list(await store.history.asked(claim.turn_id))
    return Question(
        adapter=adapter,
        controls=effective,
        history=own,
        memory=context.NO_MEMORY,
        people=context.speakers(own),
        scene=_scene(claim, adapter, Place(), effective),
        asker=own[-1].author_id if own else "",
        own=own,
        pictures={},
        earlier=await store.answers.remembered(claim.turn_id) if claim.pressed else "",
        has_buttons=claim.kind == "answer" and buttons.wanted(adapter, effective),
    )


def _scene(claim: Claim, adapter: Adapter, place: Place, effective: Effective) -> context.Scene:
    return context.Scene(
        claim.address,
        place,
        place.bot_name or adapter.describe().bot_name,
        claim.direct,
        context.day_of(claim.begun_at),
        effective.language,
    )


async def _reopening(store: Store, claim: Claim, own: Sequence[StoredMessage]) -> str:
    """What opens the block of code again that the answer ends in which this turn goes on with."""
    if claim.kind != "answer" or not own or not goes_on(own[-1].platform_id):
        return ""
    shown = await store.answers.of_message(claim.address, stands_below(own[-1].platform_id))
    return reopening(await store.answers.remembered(shown.turn_id)) if shown is not None else ""
