"""What was said in channels lately: read from the platform once, from then on kept by events. In memory alone.

A channel is followed from the first mention in it that an event told of. What was said before that mention is read when
its turn wants it; what comes after is heard, so that the next mention there need not wait for the platform.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter

from bot.messages import Address, Author, IncomingMessage, MessageDeleted, MessageEdited
from storage.records import micros

MOST_CHANNELS = 128
"""Those where the bot was mentioned last are followed. All of them full, of 200 characters each, take 7 MiB."""
MOST_MESSAGES = 64
"""Of one channel: what can be asked for, 50 at most, and those that come while it is asked for."""
TRUSTED_FOR_SECONDS = 600.0
"""An event that a platform never sent is missed no longer than this: then the channel is read again."""

_SENT_AT = attrgetter("sent_at")

Speech = IncomingMessage | MessageEdited | MessageDeleted


@dataclass(slots=True)
class _Tail:
    """The end of a channel. From `since` on (microseconds since the epoch) nothing is missing: None before it was read
    at `read_at`, in monotonic seconds."""

    said: dict[str, IncomingMessage] = field(default_factory=dict)
    since: int | None = None
    read_at: float = 0.0


@dataclass(slots=True)
class Lately:
    """Guards what was heard in each channel."""

    _tails: OrderedDict[Address, _Tail] = field(default_factory=OrderedDict)

    def follows(self, address: Address) -> bool:
        """Whether what is said in a channel is kept."""
        return replace(address, thread=None) in self._tails

    def hear(self, event: Speech) -> None:
        """Keep what an event tells of a channel that is followed; a mention there has it followed from now on."""
        match event:
            case IncomingMessage():
                if event.direct or event.address.thread not in (None, event.id):
                    return
                if event.mentions_bot:
                    self._follow(event.address)
                self._keep(event)
            case MessageEdited(message):
                tail = self._tail(message.address)
                if tail is not None and message.id in tail.said:
                    tail.said[message.id] = message
            case MessageDeleted(address, message_id):
                if (tail := self._tail(address)) is not None:
                    tail.said.pop(message_id, None)

    def answered(self, address: Address, message_id: str, author: Author, text: str) -> None:
        """Keep what the bot itself has just said, where its answers stand in the channel; or said anew."""
        tail = self._tail(address)
        if tail is None or address.thread is not None:
            return
        if known := tail.said.get(message_id):
            tail.said[message_id] = replace(known, text=text)
        else:
            said_at = datetime.now(UTC)
            self._keep(IncomingMessage(address, message_id, author, text, mentions_bot=False, sent_at=said_at))

    def read(self, channel: Address, before: str, said: Sequence[IncomingMessage], limit: int) -> None:
        """Keep what the platform was asked for: at most `limit` messages of `channel`, the last before one.

        Nothing is lost between them and what is heard if that one was heard itself; if not, nobody knows.
        """
        tail = self._tail(channel)
        if tail is None or before not in tail.said:
            return
        for message in said:
            tail.said.setdefault(message.id, message)
        tail.since = micros(said[0].sent_at) if len(said) >= limit else 0
        tail.read_at = time.monotonic()
        self._trim(tail)

    def before(
        self, channel: Address, sent_at: int, limit: int, oldest: int, own_id: str
    ) -> Sequence[IncomingMessage] | None:
        """At most `limit` messages of a channel, oldest first: the last before `sent_at`, none before `oldest` (both in
        microseconds since the epoch). None where the platform has to be asked.

        So it has where another bot, which is not `own_id`, spoke: its edits are told by no event.
        """
        tail = self._tail(channel)
        if tail is None or tail.since is None or time.monotonic() - tail.read_at > TRUSTED_FOR_SECONDS:
            return None
        in_order, heard = sorted(tail.said.values(), key=_SENT_AT), list[IncomingMessage]()
        for message in reversed(in_order):
            said_at = micros(message.sent_at)
            if said_at < oldest or len(heard) == limit:
                break
            if said_at < sent_at:
                heard.append(message)
        heard.reverse()
        if len(heard) < limit and tail.since > oldest:
            return None
        return None if any(m.author.is_bot and m.author.id != own_id for m in heard) else heard

    def lose(self, platform: str) -> None:
        """Something may have been said on a platform that no event will tell of."""
        for channel in [channel for channel in self._tails if channel.platform == platform]:
            del self._tails[channel]

    def _tail(self, address: Address) -> _Tail | None:
        return self._tails.get(replace(address, thread=None))

    def _follow(self, address: Address) -> None:
        channel = replace(address, thread=None)
        self._tails.setdefault(channel, _Tail())
        self._tails.move_to_end(channel)
        if len(self._tails) > MOST_CHANNELS:
            self._tails.popitem(last=False)

    def _keep(self, message: IncomingMessage) -> None:
        tail = self._tail(message.address)
        if tail is not None:
            tail.said.setdefault(message.id, message)
            self._trim(tail)

    def _trim(self, tail: _Tail) -> None:
        while len(tail.said) > MOST_MESSAGES:
            oldest = min(tail.said.values(), key=_SENT_AT)
            del tail.said[oldest.id]
            if tail.since is not None:
                tail.since = max(tail.since, micros(oldest.sent_at) + 1)
