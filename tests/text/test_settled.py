"""What a stream may show of a text that is still being written: what stands for good, with nothing open at its end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.closing import close_open
from bot.settled import settled
from bot.structure import open_fence
from tests.text.examples import EXAMPLES, MARKDOWN


@pytest.mark.parametrize(
    ("unfinished", "shown"),
    [
        ("", ""),
        ("word", ""),
        ("two wor", "two"),
        ("two words ", "two words"),
        ("plain and **bold", "plain and"),
        ("plain and **bold** th", "plain and **bold**"),
        ("see [the docs](https://exam", "see"),
        ("see `code with` mo", "see `code with`"),
        ("first line\nsecond **wo", "first line\nsecond"),
        ("before\n\n```python\nx = 1\ny = ", "before"),
        ("before\n\n```\nx\n```\nafter th", "before\n\n```\nx\n```\nafter"),
        ("intro\n\n| a | b |\n", "intro"),
        ("intro\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 ", "intro\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
        ("- one\n- tw", "- one"),
    ],
)
def test_a_text_is_shown_up_to_where_nothing_is_open(unfinished: str, shown: str) -> None:
    assert settled(unfinished) == shown


@settings(deadline=None)
@given(st.one_of(MARKDOWN, st.sampled_from([example.markdown for example in EXAMPLES])), st.integers(0, 2000))
def test_what_is_shown_is_a_beginning_of_the_text_with_nothing_open(text: str, length: int) -> None:
    unfinished = text[:length]
    shown = settled(unfinished)
    assert unfinished.startswith(shown)
    assert close_open(shown) == shown
    assert open_fence(shown) is None or shown.endswith(("```", "~~~"))
