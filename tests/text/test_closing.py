"""Previews of an unfinished text show nothing broken, and nothing that is not there."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord import markdown as discord
from bot.splitting import close_open
from tests.text.examples import EXAMPLES, MARKDOWN, letters


@pytest.mark.parametrize(
    ("unfinished", "shown"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("foo `bar", "foo `bar`"),
        ("foo ``a`b", "foo ``a`b``"),
        ("foo ``a`", "foo ``a``"),
        ("foo `", "foo"),
        ("a `b` c `d", "a `b` c `d`"),
        ("foo **bar", "foo **bar**"),
        ("foo **bar*", "foo **bar**"),
        ("foo **", "foo"),
        ("foo *", "foo"),
        ("x ***a b", "x ***a b***"),
        ("**a *b", "**a *b***"),
        ("**a** and *b*", "**a** and *b*"),
        ("***a** b*", "***a** b*"),
        ("a ~~b", "a ~~b~~"),
        ("_it", "_it_"),
        ("snake_case and 5 * 3", "snake_case and 5 * 3"),
        ("**a `b", "**a `b`**"),
        (r"\*no \`no", r"\*no \`no"),
        ("see [lab", "see "),
        ("see [label]", "see [label]"),
        ("see [label](https://e.co", "see label"),
        ("see [label](https://e.com/a_b)", "see [label](https://e.com/a_b)"),
        ("![al", ""),
        ("![alt](https://e", ""),
        ("<https://e.co", ""),
        ("a < b", "a < b"),
        ("https://e.com/_a*b", "https://e.com/_a*b"),
        ("a\n```pyth", "a"),
        ("a\n``", "a"),
        ("a\n```python\n", "a"),
        ("a\n```python\nx = 1", "a\n```python\nx = 1\n```"),
        ("a\n```python\nx = 1\n``", "a\n```python\nx = 1\n```"),
        ("a\n```python\nx = '**' [a\n", "a\n```python\nx = '**' [a\n```"),
        ("a\n```python\nx\n```", "a\n```python\nx\n```"),
        ("~~~\nx\n~~", "~~~\nx\n~~~"),
        ("````\n```\nx", "````\n```\nx\n````"),
        ("> ```\n> x", "> ```\n> x\n> ```"),
        ("1. a\n\n   ```sh\n   ls", "1. a\n\n   ```sh\n   ls\n   ```"),
        ("- ```c\n  x", "- ```c\n  x\n  ```"),
        ("text\n\n| a | b |", "text"),
        ("text\n\n| a | b |\n", "text"),
        ("| a | b |\n|--", ""),
        ("| a | b |\n|---|---|\n| 1 ", "| a | b |\n|---|---|"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("| a | b |\n|---|---|\n| 1 | `x` |\n", "| a | b |\n|---|---|\n| 1 | `x` |\n"),
        ("a | b", "a | b"),
        ("text\n\n| a | b |\n|---|--", "text"),
        ("| a | b |\n|---|---|\n| 1 |", "| a | b |\n|---|---|"),
        ('see [x](https://e.com "the ti', "see x"),
        ("- a\n-", "- a"),
        ("- a\n- [ ", "- a"),
        ("1. a\n2.", "1. a"),
        ("# ", ""),
        ("Title\n-", "Title"),
        ("The answer is 42", "The answer is 42"),
        ("42", "42"),
        ("Great!", "Great!"),
        ("**a *b*** c", "**a *b*** c"),
        ("**[label](https://e.com/a", "**label**"),
        ("[a](https://e.com/x) and **b", "[a](https://e.com/x) and **b**"),
        ("so\n\\[\nx_1 +", "so\n\\[\nx_1 +\n\\]"),
        ("so\n\\[\nx_1 \\", "so\n\\[\nx_1\n\\]"),
        ("so\n\\[\n", "so"),
        ("so\n$$\nx_1\n$", "so\n$$\nx_1\n$$"),
        ("so\n$$ x_1", "so\n$$ x_1$$"),
        ("$$x$$\n\n$$\ny", "$$x$$\n\n$$\ny\n$$"),
        ("\\begin{align}\na &= b \\\\\n", "\\begin{align}\na &= b\n\\end{align}"),
        ("so \\(x_1", "so \\(x_1\\)"),
        ("so \\(x_1\\", "so \\(x_1\\)"),
        ("so \\(", "so"),
        ("so \\(x_1\\) and", "so \\(x_1\\) and"),
        ("```sh\n$$\n```\n\nx **y", "```sh\n$$\n```\n\nx **y**"),
    ],
)
def test_the_end_of_an_unfinished_text_is_made_whole(unfinished: str, shown: str) -> None:
    assert close_open(unfinished) == shown


@settings(max_examples=150, deadline=None)
@given(MARKDOWN, st.integers(0, 600))
def test_a_preview_has_balanced_fences_and_only_words_of_the_text(text: str, end: int) -> None:
    shown = close_open(text[:end])
    fences = re.findall(r"^[> ]*```", discord.render(shown), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert letters(text[:end]).startswith(letters(shown)) or "](" in text[:end]


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("ab *_~`[]()<>!|#-\n\\1."), max_size=80))
def test_no_text_makes_it_raise(text: str) -> None:
    assert isinstance(close_open(text), str)


def test_previews_of_every_example_never_lose_what_was_shown_for_long() -> None:
    for entry in EXAMPLES:
        for end in range(0, len(entry.markdown), 5):
            hidden = len(entry.markdown[:end].rstrip()) - len(close_open(entry.markdown[:end]).rstrip())
            assert hidden <= 320


def test_a_finished_answer_is_shown_as_it_is() -> None:
    text = "# Title\n\n**Bold** and `code`, [a link](https://e.com).\n\n```py\nx\n```\n\n| a |\n|---|\n| 1 |\n\n- two."
    assert close_open(text) == text
