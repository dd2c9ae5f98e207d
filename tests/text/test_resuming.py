"""Answers that go on inside a block of code."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bot.resuming import reopening, resumed

OPENER = "```python"
CODE = "    return x\n```\n\nDone."


@pytest.mark.parametrize(
    ("earlier", "opener"),
    [
        ("Here:\n\n```python\ndef a():\n    return 1", "```python"),
        ("~~~~ts\nlet x", "~~~~ts"),
        ("```\nls", "```"),
        ("```python\nx\n```", ""),
        ("```python\nx\n```\n\nand then", ""),
        ("no code", ""),
        ("", ""),
    ],
)
def test_the_block_that_is_open_at_the_end_is_opened_again(earlier: str, opener: str) -> None:
    assert reopening(earlier) == opener


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (CODE, f"{OPENER}\n{CODE}"),
        (f"\n\n{CODE}", f"{OPENER}\n{CODE}"),
        (f"```python\n{CODE}", f"{OPENER}\n{CODE}"),
        (f"```py\n{CODE}", f"{OPENER}\n{CODE}"),
        ("```\n\nDone.", "Done."),
        ("", ""),
        ("\n", ""),
        ("``", ""),
        ("```pyth", ""),
    ],
)
def test_what_is_said_stands_in_the_block_which_is_opened_once(said: str, shown: str) -> None:
    assert resumed(OPENER, said) == shown


@pytest.mark.parametrize("said", [CODE, f"```python\n{CODE}", "```\n\nDone."])
def test_what_was_shown_of_it_is_never_taken_back(said: str) -> None:
    shown = [resumed(OPENER, said[:end]) for end in range(len(said) + 1)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))


def test_without_a_block_everything_is_as_it_was_said() -> None:
    assert resumed("", "\n``` x") == "\n``` x"
