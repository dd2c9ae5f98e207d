"""No text, however made, takes much more than in proportion to its length: nobody can hold the loop by posting blanks.

The figures are bounds on a ratio, not on seconds: of two sizes eight times apart, what is linear takes eight times as
long, what is quadratic sixty-four. What takes next to no time at the larger size is not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from adapters.discord import markdown as discord_markdown
from adapters.discord.parsing import parse_message
from adapters.discord.people import Surroundings
from adapters.markdown import parse
from adapters.slack import inbound, rendering
from adapters.slack.parsing import Identity, parse_event, people_in
from bot import logs
from bot.command_line import split_command
from bot.splitting import close_open
from tests.fuzz.budget import LONG, count

SMALL = 2_000 if LONG else 400
TIMES = 8
NOTHING = 0.25
"""Seconds at the larger size below which nobody is held up, on a machine that others use too."""
MOST = 24
"""How much longer the larger size may take: between the linear eight and the quadratic sixty-four."""

UNITS = [
    *(" ", "\n", "\t", "\r", "\r\n", "\u2028", " \n", "a", "é", "\u0301", "\u200b", "👍", "\0", "\x1b", "\u202e"),
    *("*", "_", "~", "`", "```", "``` ", "```a```\n", "~~~\n", "* ", "*a ", "**a ", "_a ", "*_", "~~a ", "`a` "),
    *("[", "]", "![", "[a](", "[a](b ", "[[a]]", "![[]](", "[a]: b\n", "[^1]: a\n", "(", "((", "<", ">", "<a ", "<!--"),
    *("<@", "<@U1>", "<@U1> ", "<@!5>", "<@99> ", "<@&5>", "<#5>", "<:a:5>", "</a:", "<!here>", "<http://a|", "<?"),
    *(
        "| a | b |\n|---|---|\n",
        "| a ",
        "|",
        "|-",
        "- ",
        "> ",
        "> > a\n",
        "  - a\n",
        "1. a\n",
        "# a\n",
        "a\n===\n",
        "•\n",
    ),
    *("$", "$a ", "$$\n", "\\(", "\\[", "\\", "&", "&lt;", "https://", "http://a.b/(", "a.b.", "@", "@everyone "),
    *("xoxb-", "sk-", "Bearer ", '"', "'", ",", ":", "\ue000", "a "),
]

ME = Identity("U0BOT")
AROUND = Surroundings("99", "Parley", own_roles=frozenset({"98"}))


def _slack_event(text: str) -> None:
    event = {"type": "message", "channel": "C1", "user": "U1", "text": text, "ts": "1700000000.000100"}
    parse_event({"event": event}, ME)
    people_in({"event": event}, ME)


def _discord_message(text: str) -> None:
    author = {"id": "1", "username": "ada"}
    body = {"id": "5", "channel_id": "6", "guild_id": "7", "type": 0, "author": author, "content": text}
    parse_message({**body, "timestamp": "2026-11-23T00:00:00+00:00"}, AROUND)


READERS: dict[str, Callable[[str], object]] = {
    "a Slack event": _slack_event,
    "a Discord message": _discord_message,
    "a command": lambda text: (split_command(f"set a {text}"), split_command(f"b {text}")),
    "Slack's notation": inbound.to_markdown,
    "the size of a Slack message": rendering.most,
    "the mentions of a Discord message": discord_markdown.mentioned_ids,
    "Markdown": parse,
    "what is open in a preview": close_open,
    "a log line": lambda text: logs.hide_secrets(None, "", {"a": text}),
}


def _seconds(read: Callable[[str], object], text: str) -> float:
    """The least of a few tries: what others do on this machine only adds to it."""
    least = float("inf")
    for _ in range(4):
        began = time.process_time()
        read(text)
        least = min(least, time.process_time() - began)
        if least < NOTHING:
            break
    return least


@pytest.mark.parametrize("name", READERS)
def test_time_grows_with_length_and_not_with_its_square(name: str) -> None:
    read, slow = READERS[name], []
    for unit in UNITS:
        for end in ("", "x"):
            short, long = (end + (unit * size)[:size] + end for size in (SMALL, SMALL * TIMES))
            seconds = _seconds(read, long)
            if seconds > NOTHING and seconds > MOST * _seconds(read, short):
                slow.append(f"{unit!r}: {seconds:.2f} s")
            count("growing texts, timed")
    assert slow == []
