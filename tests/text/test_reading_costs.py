"""How much of a growing answer is read for each preview: counted, so that no machine is too slow or too fast for it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from markdown_it import MarkdownIt

from adapters import markdown as reader
from adapters.discord import markdown as discord
from adapters.discord import outgoing
from adapters.slack import bodies, rendering
from bot import structure
from bot.messages import Reply
from bot.splitting import Fits, Growing, close_open
from tests.rendering.pages import answers

LENGTH = 16_000
PREVIEWS = 30

PROSE = "\n\n".join(
    " ".join(f"Sentence {n} of paragraph {paragraph} says what the others do not, in plain words." for n in range(5))
    for paragraph in range(50)
)
MARKDOWN = "\n\n".join(text for _, text in answers() if not re.search(r"^\[.*\]:", text, re.MULTILINE)) * 2
TEXTS = {"prose": PROSE[:LENGTH], "markdown": MARKDOWN[:LENGTH]}

PLATFORMS: dict[str, tuple[Fits, Callable[[Reply], object]]] = {
    "slack": (rendering.fits, bodies.body_of),
    "discord": (discord.fits, outgoing.changed_message),
}


@dataclass(slots=True)
class Read:
    """Characters that went through a parser."""

    characters: int = 0


@contextmanager
def reading() -> Iterator[Read]:
    """Count what the parsers read."""
    read = Read()

    def counting(parse: Callable[..., object]) -> Callable[..., object]:
        def counted(markdown: str, *rest: object) -> object:
            read.characters += len(markdown)
            return parse(markdown, *rest)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for parser in (reader._PARSER, reader._BLOCKS, structure._PARSER):
            assert isinstance(parser, MarkdownIt)
            patch.setattr(parser, "parse", counting(parser.parse))
        yield read


def live(text: str, fits: Fits, show: Callable[[Reply], object]) -> int:
    """Show an answer while it grows and once it is whole, as deliveries do; how often a size was measured."""
    measured = 0

    def counted(part: str) -> bool:
        nonlocal measured
        measured += 1
        return fits(part)

    growing = Growing(counted)
    shown: dict[int, str] = {}
    for preview in range(1, PREVIEWS + 1):
        finished, last = growing.split_stable(text[: len(text) * preview // PREVIEWS])
        for index, part in enumerate([*finished, close_open(last)]):
            if part and shown.get(index) != part:
                show(Reply(part))
                shown[index] = part
    for index, part in enumerate(growing.split(text)):
        if shown.get(index) != part:
            show(Reply(part))
    return measured


# Measured, and a third more. Read whole for each preview, these are 23 and 73 times the text on Slack, 19 and 37 on
# Discord; without what is remembered of sizes, there are twelve times as many measurements.
MOST_READ = {
    ("prose", "slack"): 11,
    ("prose", "discord"): 15,
    ("markdown", "slack"): 23,
    ("markdown", "discord"): 15,
}
MOST_MEASURED = {"slack": 150, "discord": 300}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", TEXTS)
def test_an_answer_that_grows_is_read_a_few_times_over_and_not_once_for_each_preview(name: str, platform: str) -> None:
    text = f"About {platform}.\n\n{TEXTS[name]}"[:LENGTH]  # nothing is known of it yet
    with reading() as read:
        measured = live(text, *PLATFORMS[platform])
    assert read.characters < MOST_READ[name, platform] * len(text)
    assert measured < MOST_MEASURED[platform]


@pytest.mark.parametrize("name", TEXTS)
def test_one_more_word_of_a_long_message_has_its_last_blocks_read_alone(name: str) -> None:
    fits, show = PLATFORMS["slack"]
    text = f"One more word.\n\n{TEXTS[name]}"[:9_000]
    growing = Growing(fits)

    def characters_read(shown: str) -> int:
        with reading() as read:
            finished, last = growing.split_stable(shown)
            show(Reply(close_open(last)))
        assert not finished
        return read.characters

    characters_read(text)
    assert 0 < characters_read(f"{text} word") < 3_000
