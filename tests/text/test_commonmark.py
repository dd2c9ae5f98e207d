"""No example of the CommonMark specification, and none of our own, loses a letter in any notation."""

import html
import re
from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt
from rich.emoji import Emoji

from adapters.discord import markdown as discord
from adapters.markdown import parse
from adapters.slack.mrkdwn import as_mrkdwn
from adapters.slack.rendering import blocks_of, text_of
from tests.text.examples import EXAMPLES, Example, is_within, letters, visible

_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_MASKED_LINK = re.compile(r"(?<!\\)\]\((?:https?|discord):[^()\s]*\)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"https?:|mailto:", re.IGNORECASE)


def says_more(example: Example) -> bool:
    """Tell whether a rendering may show what the page does not: raw HTML, addresses that a chat cannot open."""
    for token in parse(example.markdown):
        if token.type == "html_block":
            return True
        for child in token.children or []:
            if child.type == "html_inline":
                return True
            address = child.attrGet("href") or child.attrGet("src")
            if address is not None and not _ABSOLUTE.match(str(address)):
                return True
    return not visible(example.html)


def slack_letters(markdown: str) -> str:
    """What a reader of the Slack message sees, links as their labels; HTML that was let through would be lost."""
    (block,) = blocks_of(markdown) or [{"text": ""}]
    return visible(_READER.render(block["text"]))


def mrkdwn_letters(markdown: str) -> str:
    """What a reader of mrkdwn sees, links as their labels."""
    text = re.sub(r"<(?:[^<>|]*\|)?([^<>]*)>", r"\1", as_mrkdwn(markdown))
    return letters(html.unescape(text))


def discord_letters(markdown: str) -> str:
    """What a reader of the Discord message sees: no language of a fence, no address behind a label."""
    text = re.sub(r"^([> ]*)```[\w+#.-]+$", r"\1```", discord.render(markdown), flags=re.MULTILINE)
    outside_code = re.split(r"(^[> ]*```$.*?^[> ]*```$)", text, flags=re.MULTILINE | re.DOTALL)
    outside_code[::2] = [_MASKED_LINK.sub("]", piece) for piece in outside_code[::2]]
    return letters("".join(outside_code))


@pytest.mark.parametrize("read", [slack_letters, mrkdwn_letters, discord_letters], ids=["slack", "mrkdwn", "discord"])
@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_every_example_keeps_its_text(example: Example, read: Callable[[str], str]) -> None:
    page = Emoji.replace(example.html) if read is discord_letters else example.html  # where it shows no short names
    wanted, found = visible(page), read(example.markdown)
    assert is_within(wanted, found) if says_more(example) else found == wanted


def test_most_examples_are_compared_letter_by_letter() -> None:
    exact = [example for example in EXAMPLES if not says_more(example)]
    assert len(exact) > len(EXAMPLES) * 0.6


def test_nothing_but_an_empty_text_renders_to_nothing() -> None:
    for example in EXAMPLES:
        if example.markdown.strip():
            assert discord.render(example.markdown).strip()
            assert blocks_of(example.markdown)
            assert text_of(example.markdown).strip()
