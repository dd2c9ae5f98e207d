"""What a channel's share of the lanes is, and when the queue need not be looked through again."""

import pytest

from bot.shares import Shares


def busy(*channels: str, lanes: int = 4) -> Shares:
    """So many lanes, with a turn in each of these channels."""
    shares = Shares(lanes)
    for channel in channels:
        shares.began(channel)
    return shares


def test_each_channel_at_work_and_one_to_come_may_have_an_equal_part() -> None:
    shares = busy("A")
    assert shares.full() == []
    shares.began("A")
    assert shares.full() == ["A"]
    shares.began("B")
    assert set(shares.full()) == {"A", "B"}, "a third of four lanes is one"
    shares.ended("B")
    shares.ended("A")
    assert shares.full() == []
    assert busy("A", lanes=1).full() == (), "the only lane is anybody's"


def test_a_look_that_found_nothing_is_not_made_again_while_it_would_find_nothing() -> None:
    shares = busy("A", "A")
    assert shares.look(["A"])
    shares.found_nothing()
    assert not shares.look(["A"])
    assert not shares.look(["A", "B"]), "what leaves more out finds no more"
    assert shares.look(["B"]), "A has room again"
    shares.found_nothing()
    assert not shares.look(["B"])


@pytest.mark.parametrize("news", ["new", "ended elsewhere"])
@pytest.mark.parametrize("when", ["after", "meanwhile"])
def test_it_is_made_again_once_there_is_something_new(news: str, when: str) -> None:
    shares = busy("A", "A", "B")

    def happens() -> None:
        shares.changed() if news == "new" else shares.ended("B")

    assert shares.look(["A"])
    if when == "meanwhile":
        happens()
    shares.found_nothing()
    if when == "after":
        happens()
    assert shares.look(["A"])


def test_what_ends_in_a_channel_that_was_left_out_before_is_new_to_a_look_that_does_not() -> None:
    shares = busy("A", "A", "B")
    assert shares.look(["A", "B"])
    shares.found_nothing()
    assert shares.look(["A"])
    shares.ended("B")
    shares.found_nothing()
    assert shares.look(["A"])


def test_what_ends_in_a_channel_that_is_left_out_changes_nothing() -> None:
    shares = busy("A", "A", "A")
    assert shares.look(["A"])
    shares.ended("A")
    shares.found_nothing()
    assert not shares.look(["A"])
    shares.ended("A")
    assert not shares.look(["A"])


def test_it_is_trusted_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = busy("A", "A")
    assert shares.trusted_seconds() == 0
    shares.look(["A"])
    shares.found_nothing()
    assert 0 < shares.trusted_seconds() <= 1
    monkeypatch.setattr("bot.shares.TRUSTED_FOR_SECONDS", 0.0)
    assert shares.trusted_seconds() == 0
    assert shares.look(["A"])
