"""Markdown made to cost time: what nobody closes, thousands of times over, is read all the same and read as text."""

import re
import time

import pytest

from adapters.discord import markdown as discord_markdown
from adapters.endings import without_mentions_at_end
from adapters.markdown import parse
from adapters.slack import rendering

SECONDS = 10.0
"""More than a busy machine needs for any of these; each took minutes when its time grew with its square."""


@pytest.mark.parametrize(
    "unit", ["[", "![", "[a](", "[[a]]", "![[]](", r"\(", r"\[", "\n", "* *\n", "[a]: b\n"], ids=repr
)
def test_what_nobody_closes_takes_no_time(unit: str) -> None:
    text = (unit * 12_000)[:12_000]
    began = time.process_time()
    parse(text)
    rendering.most(text)
    assert time.process_time() - began < SECONDS


def test_many_labels_and_a_few_open_brackets_are_links_all_the_same() -> None:
    text = "[ " * 10 + " ".join(f"[{n}] and [a [nested] label](https://example.com/{n})" for n in range(200))
    assert sum(child.type == "link_open" for token in parse(text) for child in token.children or ()) == 200
    assert "https://example.com/199" in discord_markdown.render(text)


@pytest.mark.parametrize(
    ("text", "rest", "found"),
    [
        ("hello <@1>", "hello", True),
        ("hello<@1> \n<@1>\t", "hello", True),
        ("<@1>", "", True),
        (" <@1> ", "", True),
        ("hello <@1> <@2>", "hello <@1> <@2>", False),
        ("hello <@1>.", "hello <@1>.", False),
        ("hello  ", "hello  ", False),
        ("hello <@", "hello <@", False),
        ("<@1", "<@1", False),
        ("", "", False),
    ],
)
def test_mentions_are_taken_off_the_end_alone(text: str, rest: str, found: bool) -> None:
    assert without_mentions_at_end(text, re.compile("<@1>")) == (rest, found)
