"""What the emulated model says, and how it is known again: every word names its question, its try and its place.

So a cut, a doubled or a mixed text shows itself in whatever a platform displays, and no two answers look alike. Pure.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

QUESTION = re.compile(r"\[(q\d+)\]")
WORD = re.compile(r"(?P<lead>q\d+)v(?P<version>\d+)(?:of\d+|and(?P<also>q\d+)|w\d+|end)")
HEAD = re.compile(r"(?P<lead>q\d+)v(?P<version>\d+)of\d+")

# How many words an answer has: most are short, some need several messages on Discord (2,000 characters), a few also on
# Slack (12,000).
LENGTHS = ((3, 40), (3, 40), (60, 250), (60, 250), (300, 700), (1300, 1600))
WEIGHTS = (6, 6, 5, 4, 3, 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """One try of the model at the questions `tokens`, oldest first; the first is its lead."""

    tokens: tuple[str, ...]
    version: int
    words: tuple[str, ...]
    text: str


def compose(seed: str, tokens: tuple[str, ...], version: int) -> Answer:
    """The answer to these questions at that try: the same words whenever it is composed, in paragraphs."""
    dice = random.Random(f"{seed} {tokens[0]} {version}")
    mark = f"{tokens[0]}v{version}"
    [bounds] = dice.choices(LENGTHS, WEIGHTS)
    count = dice.randint(*bounds)
    also = [f"{mark}and{token}" for token in tokens[1:]]
    words = (f"{mark}of{count}", *also, *(f"{mark}w{n}" for n in range(1, count + 1)), f"{mark}end")
    paragraphs, at = [], 0
    while at < len(words):
        size = dice.randint(5, 60)
        paragraphs.append(" ".join(words[at : at + size]))
        at += size
    return Answer(tokens, version, words, "\n\n".join(paragraphs))


def tokens_said(words: Sequence[str]) -> tuple[str, ...]:
    """The questions that the words of one answer name."""
    matches = [match for word in words if (match := WORD.fullmatch(word))]
    return tuple(dict.fromkeys([m["lead"] for m in matches] + [m["also"] for m in matches if m["also"]]))
