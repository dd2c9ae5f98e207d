"""Which emoji say something of an answer."""

from __future__ import annotations

import pytest

from bot.rating import value_of


@pytest.mark.parametrize(
    ("emoji", "value"),
    [
        ("+1", 1),
        ("thumbsup", 1),
        ("+1::skin-tone-2", 1),
        ("thumbsup::skin-tone-6", 1),
        ("👍", 1),
        ("👍🏻", 1),
        ("👍🏿", 1),
        ("👍\ufe0f", 1),
        ("-1", -1),
        ("thumbsdown", -1),
        ("-1::skin-tone-4", -1),
        ("👎", -1),
        ("👎🏽", -1),
        ("tada", None),
        ("🎉", None),
        ("1", None),
        ("thumbsup_all", None),
        ("", None),
    ],
)
def test_only_the_thumbs_say_something_whatever_their_skin(emoji: str, value: int | None) -> None:
    assert value_of(emoji) == value
