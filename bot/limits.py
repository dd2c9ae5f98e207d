"""How many questions a minute: one token bucket for each person, conversation, channel and workspace, in memory.

A bucket holds a minute's worth and fills evenly. What is held of it is one number, the moment at which it will be full
again (the generic cell rate algorithm). That wants questions in their order. One that is read back from history after
newer ones were asked is counted with those of its own minute. A restart fills all buckets: a limit keeps a flood out,
and does no accounts.
Messages ask from the database's one writing thread, in the order in which they are stored; a command from the loop's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from bot.messages import Address, Author

MINUTE = 60.0
# So many buckets are kept before those that are full again are dropped.
MOST_BUCKETS = 10_000
# As many minutes of the past are remembered of a bucket: a day, as far back as history is read by default.
MOST_MINUTES = 1_440

Whose = Literal["user", "thread", "channel", "workspace"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A limit was reached: whose, how many a minute it allows, seconds until the next, and whether that is news."""

    whose: Whose
    amount: int
    seconds: float
    news: bool


@dataclass(slots=True)
class _Bucket:
    full_at: float = 0.0
    # When the newest question was asked, and of each minute before that how many were read back since.
    newest: float = 0.0
    late: dict[int, int] = field(default_factory=dict)
    # Who was told, and until when that holds.
    told: dict[str, float] = field(default_factory=dict)

    def wait(self, now: float, amount: int) -> float:
        """Seconds until there is one more, 0 or less where there is one."""
        if self._is_late(now):
            return MINUTE / amount if self.late.get(int(now // MINUTE), 0) >= amount else 0.0
        return self.full_at - max(now, self.newest) - MINUTE * (amount - 1) / amount

    def take(self, now: float, amount: int) -> None:
        """Take one."""
        if self._is_late(now):
            minute = int(now // MINUTE)
            self.late[minute] = self.late.get(minute, 0) + 1
            if len(self.late) > MOST_MINUTES:
                del self.late[next(iter(self.late))]
            return
        self.newest = max(now, self.newest)
        self.full_at = max(self.full_at, self.newest) + MINUTE / amount

    def _is_late(self, now: float) -> bool:
        return now < self.newest - MINUTE


@dataclass(slots=True)
class Limits:
    """The buckets; an amount of 0 is no limit. All times are seconds since the epoch, of when a message was sent."""

    user: int
    thread: int
    channel: int
    workspace: int
    _buckets: dict[tuple[str, ...], _Bucket] = field(default_factory=dict)
    _one_by_one: threading.Lock = field(default_factory=threading.Lock)

    def take(self, author: Author, address: Address, now: float, root: str = "") -> Hit | None:
        """Take one question out of each bucket it falls under; None where there was one in all of them.

        `root` is that of its conversation, where it stands in one that others can join: two programs that answer each
        other under the names of people would never end.

        Where one is empty nothing is taken, so that somebody's refused questions do not use up the channel's.
        """
        with self._one_by_one:
            return self._take(author, address, now, root)

    def _take(self, author: Author, address: Address, now: float, root: str) -> Hit | None:
        asked = list(self._asked(author, address, root))
        for whose, amount, bucket in asked:
            wait = bucket.wait(now, amount)
            if wait > 0:
                news = max(now, bucket.newest) >= bucket.told.get(author.id, 0.0)
                if news:
                    # Until it has been full once: then it is another flood.
                    bucket.told[author.id] = max(bucket.full_at, now + MINUTE)
                return Hit(whose, amount, wait, news)
        for _, amount, bucket in asked:
            bucket.take(now, amount)
        self._drop_the_full(now)
        return None

    def _asked(self, author: Author, address: Address, root: str) -> Iterator[tuple[Whose, int, _Bucket]]:
        place = (address.platform, address.workspace)
        keys: tuple[tuple[Whose, int, tuple[str, ...]], ...] = (
            ("user", self.user, ("user", *place, author.id)),
            ("thread", self.thread if root else 0, ("thread", *place, address.channel, root)),
            ("channel", self.channel, ("channel", *place, address.channel)),
            ("workspace", self.workspace, ("workspace", *place)),
        )
        for whose, amount, key in keys:
            if amount:
                yield whose, amount, self._buckets.setdefault(key, _Bucket())

    def _drop_the_full(self, now: float) -> None:
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets = {
                key: bucket
                for key, bucket in self._buckets.items()
                if max([bucket.full_at, *bucket.told.values()]) > now
            }


def notice(hit: Hit) -> str:
    """What the asker is told."""
    many = f"{hit.amount} {'question' if hit.amount == 1 else 'questions'} a minute"
    whose = {
        "user": f"I answer each of you up to {many}, and you have had yours",
        "thread": f"I answer up to {many} in one conversation, and this one has had its share",
        "channel": f"I answer up to {many} in one channel, and this one has had its share",
        "workspace": f"I answer up to {many} in the whole workspace, and they are used up",
    }[hit.whose]
    seconds = max(1, round(hit.seconds))
    return f"That was a lot at once: {whose}. Please ask again in {seconds} {'second' if seconds == 1 else 'seconds'}."
