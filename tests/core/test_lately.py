"""What is known of a channel's last words without asking the platform, and when it has to be asked."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from bot import lately
from bot.lately import MOST_CHANNELS, MOST_MESSAGES, Lately
from bot.messages import Address, Author, IncomingMessage, MessageDeleted, MessageEdited
from storage.records import micros

ADA, BOT = Author("U1", "Ada"), Author("UBOT", "Parley", is_bot=True)
GENERAL = Address("slack", "T1", "C1")
BEGAN = datetime(2026, 11, 26, 12, tzinfo=UTC)


def message(
    number: int, text: str = "", *, author: Author = ADA, mention: bool = False, channel: Address = GENERAL
) -> IncomingMessage:
    address = replace(channel, thread=f"{number}")
    sent_at = BEGAN + timedelta(seconds=number)
    return IncomingMessage(
        address, f"{number}", author, text or f"line {number}", mentions_bot=mention, sent_at=sent_at
    )


def texts(heard: Lately, before: int, limit: int = 5, oldest: int = 0) -> list[str] | None:
    found = heard.before(GENERAL, micros(message(before).sent_at), limit, oldest, BOT.id)
    return None if found is None else [each.text for each in found]


@pytest.fixture
def heard() -> Lately:
    """A channel in which message 10 mentioned the bot, and what had been said before was read for it."""
    kept = Lately()
    kept.hear(message(10, mention=True))
    kept.read(GENERAL, "10", [message(8), message(9)], 5)
    return kept


def test_nothing_is_known_of_a_channel_before_it_was_read() -> None:
    kept = Lately()
    kept.hear(message(1))
    assert not kept.follows(GENERAL)
    kept.hear(message(2, mention=True))
    assert kept.follows(message(2).address)
    assert texts(kept, 3) is None


def test_what_was_read_and_what_is_heard_after_are_one(heard: Lately) -> None:
    heard.hear(message(12))
    heard.hear(message(11))
    heard.hear(message(12))
    assert texts(heard, 10) == ["line 8", "line 9"]
    assert texts(heard, 13) == ["line 8", "line 9", "line 10", "line 11", "line 12"]
    assert texts(heard, 13, limit=2) == ["line 11", "line 12"]
    assert texts(heard, 13, oldest=micros(message(11).sent_at)) == ["line 11", "line 12"]


def test_edits_and_deletions_reach_what_is_kept_and_nothing_else(heard: Lately) -> None:
    heard.hear(MessageEdited(message(9, "reworded")))
    heard.hear(MessageEdited(message(5, "never heard of")))
    heard.hear(MessageDeleted(message(8).address, "8"))
    heard.hear(MessageDeleted(message(4).address, "4"))
    assert texts(heard, 10) == ["reworded"]


def test_what_is_said_in_threads_and_alone_with_the_bot_is_not_the_channels(heard: Lately) -> None:
    heard.hear(replace(message(11), address=replace(GENERAL, thread="10")))
    heard.hear(replace(message(12, mention=True), direct=True, address=Address("slack", "T1", "D1")))
    assert texts(heard, 13) == ["line 8", "line 9", "line 10"]
    assert not heard.follows(Address("slack", "T1", "D1"))


def test_where_more_is_wanted_than_was_read_the_platform_is_asked() -> None:
    kept = Lately()
    kept.hear(message(10, mention=True))
    kept.read(GENERAL, "10", [message(8), message(9)], 2)
    assert texts(kept, 10, limit=2) == ["line 8", "line 9"]
    assert texts(kept, 11, limit=5) is None
    assert texts(kept, 11, limit=5, oldest=micros(message(8).sent_at)) == ["line 8", "line 9", "line 10"]


def test_what_was_read_for_a_mention_that_no_event_told_of_tells_of_no_later_one() -> None:
    kept = Lately()
    kept.hear(message(20, mention=True))
    kept.read(GENERAL, "10", [message(9)], 5)
    assert texts(kept, 20) is None


def test_another_bots_words_are_asked_for_since_they_may_have_changed(heard: Lately) -> None:
    heard.hear(message(11, author=Author("B7", "CI", is_bot=True)))
    assert texts(heard, 11) == ["line 8", "line 9", "line 10"]
    assert texts(heard, 12) is None


def test_own_answers_are_kept_where_they_stand_in_the_channel(heard: Lately) -> None:
    heard.answered(replace(GENERAL, thread="10"), "11", BOT, "in the thread")
    heard.answered(GENERAL, "12", BOT, "first wording")
    heard.answered(GENERAL, "12", BOT, "second wording")
    assert heard.before(GENERAL, micros(datetime.now(UTC)) + 1, 1, 0, BOT.id) is not None
    found = heard.before(GENERAL, micros(datetime.now(UTC)) + 1, 5, 0, BOT.id)
    assert found is not None
    assert [(each.author, each.text) for each in found][-1] == (BOT, "second wording")
    assert "in the thread" not in [each.text for each in found]


def test_a_gap_and_time_end_what_is_known(heard: Lately, monkeypatch: pytest.MonkeyPatch) -> None:
    heard.lose("discord")
    assert texts(heard, 10) is not None
    monkeypatch.setattr(lately, "TRUSTED_FOR_SECONDS", -1.0)
    assert texts(heard, 10) is None
    heard.lose("slack")
    assert not heard.follows(GENERAL)


def test_what_is_kept_has_bounds(heard: Lately) -> None:
    for number in range(11, 11 + 3 * MOST_MESSAGES):
        heard.hear(message(number))
    last = 10 + 3 * MOST_MESSAGES
    assert texts(heard, last, limit=MOST_MESSAGES - 1) is not None
    assert texts(heard, last - MOST_MESSAGES, limit=1) is None
    numbers: Iterator[int] = count(last + 1)
    for n in range(MOST_CHANNELS):
        heard.hear(message(next(numbers), mention=True, channel=replace(GENERAL, channel=f"D{n}")))
    assert not heard.follows(GENERAL)
