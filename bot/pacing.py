"""Who gets the room under the platforms' limits: final texts first, then first words, and previews of what is left.

Every answer that is shown has yet to be finished: by an edit, or by the end of its stream. That room is kept for it, so
that a text which is whole never waits for previews. How much will be needed is told from how many answers are being
written, how long they take, and how often new ones begin. Where nothing is planned (`PARLEY_PLATFORM_LIMITS=none`) a
refusal is still obeyed. The limits themselves are kept in `windows.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from bot.adapter import Action, RateLimit
from bot.messages import Address
from bot.sliding import Window

Scope = Literal["channel", "workspace"]
Key = tuple[Action, Scope, str]

# How many new answers are to be expected is told from those of the last seconds.
LOOK_BACK_SECONDS = 20.0
# An answer is taken to be written for so long until it is known better, and at most for so long: then it is one of
# those whose end is nobody's guess.
WRITTEN_FOR_SECONDS = 5.0
LONGEST_GUESS_SECONDS = 60.0
# The share of a new answer in what is known of how long they take.
_LEARNING = 0.2

# By what an answer is finished once it is shown, and whose limit those share who wait for that.
FINISHING: frozenset[Action] = frozenset({"edit", "stop"})
SHARED_BY: Mapping[Action, Action] = {
    "send": "edit",
    "edit": "edit",
    "start": "stop",
    "append": "stop",
    "stop": "stop",
    "read": "read",
}


class Urgency(IntEnum):
    """What goes first where there is not room for all."""

    FINAL = 0
    FIRST_WORDS = 1


@dataclass(slots=True)
class _Limit:
    """One limit at one place, and what is known of those who share it.

    `finishes`: it is on a call by which answers are finished. `sharers`: answers that are shown and not finished yet,
    and share it. `begun`: when the last answers began there.
    """

    window: Window
    finishes: bool
    sharers: int = 0
    begun: deque[float] = field(default_factory=deque)

    def one_begins(self, now: float) -> None:
        """One more answer begins there."""
        self.begun.append(now)
        while self.begun[0] <= now - LOOK_BACK_SECONDS:
            self.begun.popleft()

    def can_finish_one_more(self, now: float, seconds: float) -> bool:
        """Whether all that is shown, and one more, can be finished without a wait where answers take `seconds`."""
        soon = min(seconds, self.window.seconds)
        return self.window.lasting(now, soon) + self._needed(seconds, more=1) <= self.window.amount

    def spare(self, now: float, seconds: float) -> float:
        """Calls that can be spared from what finishing takes, that of answers to come included."""
        return self.window.amount - self.window.used(now) - self._needed(seconds) - self._to_come(now, seconds)

    def pause(self, now: float, seconds: float) -> float:
        """How often one answer may have a luxury, so that all have the same, and those of the next seconds too."""
        if self.window.seconds <= LOOK_BACK_SECONDS:
            return self.sharers * self.window.seconds / self.window.amount
        return self.sharers * LOOK_BACK_SECONDS / max(self.spare(now, seconds), 0.1)

    def _needed(self, seconds: float, more: int = 0) -> float:
        """Calls that finishing what is shown takes until the window has passed."""
        return (self.sharers + more) * min(1.0, self.window.seconds / seconds) if self.finishes else 0.0

    def _to_come(self, now: float, seconds: float) -> float:
        """Calls that finishing takes of answers which have yet to begin."""
        if not self.finishes:
            return 0.0
        lately = sum(1 for at in self.begun if at > now - LOOK_BACK_SECONDS)
        return lately / LOOK_BACK_SECONDS * max(0.0, self.window.seconds - seconds)


@dataclass(slots=True)
class _Waiter:
    """Something that waits for its turn. `finish`: by what it is going to be finished."""

    rank: tuple[Urgency, int]
    action: Action
    finish: Action | None
    address: Address
    granted: asyncio.Future[Slot]


class Slot:
    """Room for one call: a context in which the call is made."""

    def __init__(self, windows: Iterable[Window], began: float, ended: Callable[[Slot], None]) -> None:
        self.windows = tuple(windows)
        self.began = began
        self._ended = ended

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self._ended(self)


class Pace:
    """The budgets of one platform, shared by all answers there.

    `limits` are the published ones. `learned` tells what the platform itself has said of the limit on an action at a
    place, which then holds instead; None where it has not. `planned` False: only refusals are obeyed.
    """

    def __init__(
        self,
        limits: Iterable[RateLimit] = (),
        *,
        planned: bool = True,
        learned: Callable[[Action, Address], RateLimit | None] = lambda action, address: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        published = tuple(limits)
        self._limits = published if planned else ()
        self._shared = frozenset(limit.action for limit in published) - {
            limit.action for limit in published if limit.scope == "channel"
        }
        self._learned = learned
        self._clock = clock
        self._at: dict[tuple[RateLimit, str], _Limit] = {}
        self._held: dict[tuple[Action, str], float] = {}
        self._waiting: list[_Waiter] = []
        self._tickets = 0
        self._unfinished: Counter[Key] = Counter()
        self._written_for = WRITTEN_FOR_SECONDS
        self._timer: asyncio.TimerHandle | None = None

    # What an answer asks

    @contextmanager
    def answering(self, address: Address) -> Iterator[Share]:
        """One answer, from its first word to its end."""
        share, now = Share(self, address), self._now()
        for action in {limit.action for limit in self._limits}:
            for limit in self._of(action, address):
                limit.one_begins(now)
        try:
            yield share
        finally:
            share.promise(None)

    async def take(
        self, action: Action, address: Address, urgency: Urgency = Urgency.FINAL, finish: Action | None = None
    ) -> Slot:
        """Wait for room for what must go out, in order; `finish`: by what it will have to be finished, if at all."""
        slot = self.at_once(action, address, urgency, finish)
        if slot is not None:
            return slot
        self._tickets += 1
        granted: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        waiter = _Waiter((urgency, self._tickets), action, finish, address, granted)
        self._waiting.append(waiter)
        self._waiting.sort(key=lambda one: one.rank)
        self._dispatch()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(granted.result())
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def at_once(
        self, action: Action, address: Address, urgency: Urgency = Urgency.FINAL, finish: Action | None = None
    ) -> Slot | None:
        """The same where there is room and nobody waits that is as urgent; None where it has to be waited for."""
        return self._grant(action, address, finish) if self._is_next(urgency) else None

    def spare(self, action: Action, address: Address) -> Slot | None:
        """Room for a luxury, where there is some to spare."""
        now = self._now()
        limits = self._of(action, address)
        if self._held_until(action, address) > now or any(one.spare(now, self._written_for) < 1 for one in limits):
            return None
        return self._begin(limits, now)

    def begin(self, action: Action, address: Address, finish: Action) -> Slot | None:
        """Room for a call at once, and for finishing later what it shows; None where there is not."""
        return self._grant(action, address, finish)

    def give_back(self, slot: Slot) -> None:
        """Room that was not used after all."""
        for window in slot.windows:
            window.forget(slot.began)
        self._dispatch()

    def pause(self, action: Action, address: Address) -> float:
        """How many seconds lie between two previews of one answer, so that all that are being written get the same."""
        now = self._now()
        return max((one.pause(now, self._written_for) for one in self._of(action, address)), default=0.0)

    def hold(self, action: Action, address: Address, seconds: float) -> None:
        """Obey a refusal: nothing of this kind goes out for so many seconds, where the limit on it is shared."""
        now = self._now()
        self._held = {key: until for key, until in self._held.items() if until > now}
        key = self._hold_key(action, address)
        self._held[key] = max(self._held.get(key, now), now + seconds)

    # Those who share

    def _promised(self, action: Action, address: Address, by: int) -> None:
        keys: tuple[Key, ...] = ((action, "channel", address.channel), (action, "workspace", address.workspace))
        for key in keys:
            self._unfinished[key] += by
            if not self._unfinished[key]:
                del self._unfinished[key]
        if by < 0:
            self._dispatch()

    def _took(self, seconds: float) -> None:
        """An answer was being written for so long after it was first shown."""
        seconds = min(max(seconds, 1.0), LONGEST_GUESS_SECONDS)
        self._written_for += _LEARNING * (seconds - self._written_for)

    # Room

    def _is_next(self, urgency: Urgency) -> bool:
        return not any(waiter.rank[0] <= urgency for waiter in self._waiting)

    def _grant(self, action: Action, address: Address, finish: Action | None) -> Slot | None:
        now = self._now()
        limits = self._of(action, address)
        if self._held_until(action, address) > now or any(one.window.free_in(now) > 0 for one in limits):
            return None
        if finish is not None and not all(
            one.can_finish_one_more(now, self._written_for) for one in self._of(finish, address)
        ):
            return None
        return self._begin(limits, now)

    def _begin(self, limits: Iterable[_Limit], now: float) -> Slot:
        slot = Slot((one.window for one in limits), now, self._over)
        for window in slot.windows:
            window.begin(now)
        return slot

    def _over(self, slot: Slot) -> None:
        now = self._now()
        for window in slot.windows:
            window.end(slot.began, now)
        if self._waiting:
            self._dispatch()

    def _dispatch(self) -> None:
        """Let those go on for whom there is room, the most urgent first, and look again when there may be more."""
        for waiter in tuple(self._waiting):
            if waiter.granted.done():
                self._waiting.remove(waiter)
            elif (slot := self._grant(waiter.action, waiter.address, waiter.finish)) is not None:
                self._waiting.remove(waiter)
                waiter.granted.set_result(slot)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            pause = min(self._wait_of(waiter) for waiter in self._waiting)
            self._timer = asyncio.get_running_loop().call_later(max(pause, 0.005), self._dispatch)

    def _wait_of(self, waiter: _Waiter) -> float:
        now = self._now()
        waits = [one.window.free_in(now) for one in self._of(waiter.action, waiter.address)]
        wait = max([self._held_until(waiter.action, waiter.address) - now, *waits, 0.0])
        # Room for the action, but not yet for finishing it: others finish meanwhile, and their calls grow old.
        return wait or 0.1

    def _of(self, action: Action, address: Address) -> list[_Limit]:
        """The limits on an action at a place, with who shares them now."""
        found = []
        for limit in self._limits:
            if limit.action != action:
                continue
            place = address.workspace if limit.scope == "workspace" else address.channel
            known = self._at.get((limit, place))
            if known is None:
                finishes = action in FINISHING
                known = self._at[limit, place] = _Limit(Window(limit.amount, limit.seconds), finishes)
            if limit.scope == "channel" and (learned := self._learned(action, address)) is not None:
                known.window.amount, known.window.seconds = learned.amount, learned.seconds
            known.sharers = self._unfinished[SHARED_BY[action], limit.scope, place]
            found.append(known)
        return found

    # Refusals

    def _hold_key(self, action: Action, address: Address) -> tuple[Action, str]:
        return action, address.workspace if action in self._shared else address.channel

    def _held_until(self, action: Action, address: Address) -> float:
        return self._held.get(self._hold_key(action, address), 0.0)

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()


class Share:
    """One answer's part in the budgets: by what it has to be finished, once it is shown."""

    def __init__(self, pace: Pace, address: Address) -> None:
        self._pace = pace
        self._address = address
        self._promised: Action | None = None
        self._shown_at: float | None = None

    def promise(self, action: Action | None) -> None:
        """From now on the answer needs one such call to be finished; None: it is finished, or nothing is shown."""
        if action == self._promised:
            return
        if self._promised is not None:
            self._pace._promised(self._promised, self._address, -1)
        self._promised = action
        if action is not None:
            self._pace._promised(action, self._address, 1)
            if self._shown_at is None:
                self._shown_at = self._pace._now()

    def written(self) -> None:
        """The model has said its last word."""
        if self._shown_at is not None:
            self._pace._took(self._pace._now() - self._shown_at)
            self._shown_at = None
