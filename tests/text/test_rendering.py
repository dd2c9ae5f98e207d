"""A dozen answers as the platforms' clients show them, whole and while they grow: the pages under docs/rendering."""

import html
import re
from collections.abc import Callable

import pytest

from adapters.discord import markdown as discord
from adapters.slack import rendering as slack
from bot.splitting import Fits, close_open, split, split_stable
from tests.rendering import discord_client, slack_client
from tests.rendering.pages import FOLDER, PAGES, PEOPLE, SNOWFLAKES, answers
from tests.text.examples import letters

ANSWERS = answers()
_TAG = re.compile(r"<[a-z/][^<>]*>")
_LEFT = re.compile(r"\*\*|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|~~|`|^#|\[[ x]\]|\|\s|\\", re.MULTILINE)
_LINKED_CELL = re.compile(r"^\|.*\]\(", re.MULTILINE)
_MARKS = "*`|~#_$\\"


def seen(page: str) -> str:
    return html.unescape(_TAG.sub("", page))


def in_slack(markdown: str) -> str:
    return slack_client.show(slack.blocks_of(markdown, PEOPLE), {})


def in_mrkdwn(markdown: str) -> str:
    return slack_client.show(slack.plain_blocks_of(markdown, PEOPLE), {})


def in_discord(markdown: str) -> str:
    return discord_client.show(discord.render(markdown, SNOWFLAKES), {})


CLIENTS = {"slack": in_slack, "mrkdwn": in_mrkdwn, "discord": in_discord}
FITS: dict[str, Fits] = {"slack": slack.fits, "discord": discord.fits}


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_show_what_the_renderers_make_today(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "python -m tests.rendering writes them anew"


def test_there_are_a_dozen_answers() -> None:
    assert len(ANSWERS) == 12


@pytest.mark.parametrize("show", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("markdown", [text for _, text in ANSWERS], ids=[name for name, _ in ANSWERS])
def test_no_mark_is_left_for_a_reader_to_wonder_at(markdown: str, show: Callable[[str], str]) -> None:
    page = show(markdown)
    assert 'class="lost"' not in page and 'class="alarm"' not in page
    prose = seen(re.sub(r"<(pre|code|a)\b.*?</\1>", "", page, flags=re.DOTALL))
    assert not _LEFT.search(prose), prose


@pytest.mark.parametrize("platform", FITS)
@pytest.mark.parametrize("markdown", [text for _, text in ANSWERS], ids=[name for name, _ in ANSWERS])
def test_every_preview_of_an_answer_shows_a_beginning_of_it_and_nothing_half_open(platform: str, markdown: str) -> None:
    show, fits = CLIENTS[platform], FITS[platform]
    whole = [seen(show(part)) for part in split(markdown, fits)]
    words = letters("".join(whole))
    most = {mark: sum(part.count(mark) for part in whole) for mark in _MARKS}
    for end in range(1, len(markdown), 7):
        finished, growing = split_stable(markdown[:end], fits)
        shown = [seen(show(part)) for part in [*finished, close_open(growing)]]
        said = "".join(shown)
        # The first link of a table tells Discord's that it has to be a list.
        if platform == "slack" or not _LINKED_CELL.search(markdown):
            assert words.startswith(letters(said)[:-12]), markdown[:end][-80:]
        assert all(said.count(mark) <= most[mark] for mark in _MARKS), (markdown[:end][-80:], said[-80:])
