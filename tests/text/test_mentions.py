"""Names become mentions of the people in a conversation, whatever they are called, and of nobody else."""

import re
from collections.abc import Mapping

import pytest

from adapters.discord import markdown
from adapters.slack.rendering import blocks_of

NAMES = {"Ada": "1", "Ada Lovelace": "2", "Ada (2)": "3", "snake_case_": "4", "[x]": "5", "here": "6", "*star*": "7"}


def pinged(text: str) -> tuple[list[str], list[str]]:
    """Whom the text pings on Discord and on Slack, by the numbers of their ids."""
    slack = on_slack(text, {name: f"U{number}" for name, number in NAMES.items()})
    return re.findall(r"<@!?(\d+)>", markdown.render(text, NAMES)), re.findall(r"<@U(\d+)>", slack)


def on_slack(text: str, mentions: Mapping[str, str]) -> str:
    """What Slack is sent."""
    return "".join(str(block["text"]) for block in blocks_of(text, mentions))


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("@Ada, look", ["1"]),
        ("@Ada's idea", ["1"]),
        ("@Ada Lovelace and @Ada", ["2", "1"]),
        ("@Ada (2), not you", ["3"]),
        ("**@snake_case_** and @[x]", ["4", "5"]),
        ("@Adam, @Ada-Marie, mail@Ada", []),
        ("`@Ada` in code", []),
        ("@here is a person", ["6"]),
        ("@everyone and @channel and @somebody", []),
        ("@*star*", []),
    ],
)
def test_a_name_pings_the_one_it_belongs_to(text: str, people: list[str]) -> None:
    assert pinged(text) == (people, people)


@pytest.mark.parametrize("text", ["@everyone", "@here", "@channel", "<!here>", "<@&1>", "<@1>", "<!subteam^S1>"])
def test_no_crowd_is_pinged_and_no_id_that_the_model_writes(text: str) -> None:
    assert not re.search(r"<[!@]", on_slack(text, {"Ada": "U1"}))
    assert not re.search(r"<@[!&]?\d|@(everyone|here)", markdown.render(text, {"Ada": "1"}))
