"""A text taken apart into stretches reads as it does whole, on every platform, and its head stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from adapters import markdown as reader
from adapters.discord import markdown as discord
from adapters.markdown import parse
from adapters.slack import mrkdwn, native, rendering
from bot import stretches as stretching
from bot.numbering import numbered
from bot.settled import settled
from bot.splitting import Fits, Growing, close_open, split, split_stable
from bot.structure import parse_blocks, stretches_of
from tests.text.examples import EXAMPLES, MARKDOWN

OPEN = [
    "$$\na\n\nb\n$$",
    "\\[\nx\n",
    "\\]",
    "\\begin{align}\na\n\n- b",
    "\\end{align}",
    "- \\[\n  x\n\n  y\n  \\]",
    "```\ncode\n\nmore",
    "```",
    "1. x\n\n   ```py\n   a\n\n   b\n   ```",
    "> q\n> - a\n>\n> b",
    "1. a\n1. b",
    "* a\n",
    "-\n\n",
    "    code",
    "<details>\n<summary>S</summary>\n\ntext\n\n</details>",
    "<!-- a\n\nb -->",
    "<pre>\n\nx",
    "</pre>",
    "\u00a0",
    "[x]: https://e.com",
    "[x]",
]
"""What may go on behind an empty line, and what ends it."""

_PIECES = st.sampled_from([*OPEN, *(entry.markdown for entry in EXAMPLES)])
TEXTS = st.lists(st.tuples(_PIECES, st.sampled_from(["\n", "\n\n", "\n\n", "\n\n\n", "\n  "])), max_size=12).map(
    lambda pieces: "".join(piece + gap for piece, gap in pieces)
)


@contextmanager
def looking_at(characters: int) -> Iterator[None]:
    """Let stretches be of about so many characters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretching, "WINDOW", characters)
        yield


def shape(tokens: list[Token], line: int = 0) -> list[tuple[object, ...]]:
    """What renderers see of tokens whose text begins at a line."""
    return [
        (
            *(token.type, token.content, token.info, token.markup),
            token.map and [number + line for number in token.map],
            shape(token.children or []),
        )
        for token in tokens
    ]


def shape_by_stretches(markdown: str) -> list[tuple[object, ...]]:
    found, line = [], 0
    for stretch in reader.stretches_of(markdown):
        found += shape(parse(stretch), line)
        line += stretch.count("\n")
    return found


def shown(markdown: str) -> list[object]:
    for kept in (native.as_native, mrkdwn._render, discord._render):
        kept.cache_clear()
    return [native.as_native(markdown), mrkdwn.as_mrkdwn(markdown), discord.render(markdown), numbered(markdown)]


@settings(max_examples=200, deadline=None)
@given(st.one_of(TEXTS, MARKDOWN), st.sampled_from([1, 20, 60, 200]))
@example("a\n\n-\n\ntext", 1)
@example("a\n\n- b\n\n* c\n\n> d\n\n> e", 1)
@example("1. x\n\n   ```py\n   a\n\n   b\n   ```\n\ntext\n\n```\n\n# no heading\n\n```\n\ntext", 1)
@example("$$\n\na\n\n- b\n\nc\n\n$$\n\ntext", 1)
@example("see [x]\n\ntext\n\n[x]: https://e.com", 1)
def test_the_stretches_of_a_text_read_as_the_text_does(text: str, characters: int) -> None:
    with looking_at(characters):
        assert "".join(reader.stretches_of(text)) == text
        assert shape_by_stretches(text) == shape(parse(text))
        by_stretches = shown(text)
    with looking_at(1 << 30):
        assert shown(text) == by_stretches


@settings(max_examples=100, deadline=None)
@given(st.one_of(TEXTS, MARKDOWN), st.sampled_from([1, 20, 60, 200]))
@example("- a\n\n```\n\n# no heading\n\n```\n\n1. b\n1. c\n\ntext\n\n1. d\n1. e", 1)
def test_the_stretches_that_texts_are_cut_by_have_the_blocks_of_the_text(text: str, characters: int) -> None:
    with looking_at(characters):
        found: list[tuple[object, ...]] = []
        line = 0
        for stretch in stretches_of(text):
            found += shape(parse_blocks(stretch), line)
            line += stretch.count("\n")
        assert found == shape(parse_blocks(text))


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from([1, 20, 60]), st.data())
def test_the_head_of_a_text_stays_as_it_is_while_it_grows(text: str, characters: int, data: st.DataObject) -> None:
    text = text.replace("]:", "")
    end = data.draw(st.integers(0, len(text)))
    with looking_at(characters):
        for take_apart in (reader.stretches_of, stretches_of):
            head = take_apart(text[:end])[:-1]
            assert take_apart(text)[: len(head)] == head


def test_a_text_that_defines_links_is_one_stretch_and_code_is_not_taken_for_it() -> None:
    words = "Some words of a paragraph.\n\n" * 100
    assert len(reader.stretches_of(words)) > 2
    for definition in ("[a]: https://e.com\n\n", "- > [a\\]b]: <c>\n\n", "[a\nb]: c\n\n"):
        assert reader.stretches_of(words + definition + words) == [words + definition + words]
    assert len(reader.stretches_of(words + "```py\ndef f(x: list[int]): ...\n```\n\n" + words)) > 4


FITS: dict[str, Fits] = {
    "slack": rendering.fits,
    "discord": discord.fits,
    "narrow": lambda part: len(part) <= 40,
    "narrowest": lambda part: len(part) <= 12,
}


@pytest.mark.parametrize("name", FITS)
@settings(max_examples=60, deadline=None)
@given(text=st.one_of(TEXTS, MARKDOWN.map(lambda text: text * 5)), data=st.data())
@example(text="```a-long-language\n" + "x " * 60 + "\n```\n\n1. a\n1. b", data=None)
def test_what_was_measured_before_changes_no_cut(name: str, text: str, data: st.DataObject | None) -> None:
    ends = data.draw(st.lists(st.integers(0, len(text)), max_size=12)) if data else range(0, len(text), 5)
    growing = Growing(FITS[name])
    for end in [*sorted(ends), *ends[:2], len(text)]:  # a model may begin again, and say something else
        assert growing.split_stable(text[:end]) == split_stable(text[:end], FITS[name])
        assert growing.split(text[:end]) == split(text[:end], FITS[name])
    assert growing.split(text[3:]) == split(text[3:], FITS[name])


@settings(max_examples=150, deadline=None)
@given(st.one_of(TEXTS, MARKDOWN), st.sampled_from([1, 20, 60]), st.data())
def test_a_preview_is_closed_as_if_its_text_were_read_whole(text: str, characters: int, data: st.DataObject) -> None:
    text = text[: data.draw(st.integers(0, len(text)))]
    with looking_at(characters):
        by_stretches = close_open(text).rstrip(), settled(text)
    with looking_at(1 << 30):
        assert (close_open(text).rstrip(), settled(text)) == by_stretches
