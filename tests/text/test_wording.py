"""Names of people in the bot's own words."""

from __future__ import annotations

import pytest

from bot.wording import plain


@pytest.mark.parametrize("name", ["bob", "Ada Lovelace", "Jean-Luc", "J. R. O'Neil", "Zoë 2", "李小龍"])
def test_a_name_that_is_only_a_name_stands_as_it_is(name: str) -> None:
    assert plain(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[free nitro](https://evil.tld)", "`[free nitro](https://evil.tld)`"),
        ("evil.tld", "`evil.tld`"),
        ("@everyone", "`@everyone`"),
        ("<@U1>", "`<@U1>`"),
        ("ada_l", "`ada_l`"),
        ("*bold*", "`*bold*`"),
        ("tick`tock\n# two", "`tick'tock # two`"),
        (" \n ", ""),
    ],
)
def test_nothing_of_a_name_is_markup(name: str, shown: str) -> None:
    assert plain(name) == shown
