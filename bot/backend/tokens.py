"""Counting tokens, and cutting a text at a number of them.

The ranks of o200k_base (every OpenAI model since gpt-4o) and cl100k_base (gpt-4, gpt-3.5) come from the wheel of
bpe_openai; nothing is fetched. For models of other makers o200k_base is the estimate.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import re
from collections.abc import Sequence
from typing import Any

from bot.backend.completion import ModelMessage

_CL100K = re.compile(r"(^|/|:)(gpt-4($|-(?!o)|:)|gpt-3\.5|gpt-35)")
MOST_KNOWN_CHARACTERS = 1_000
"""The counts of 8,192 texts are kept, about 2 MB of usual chat; longer ones are counted anew."""
PER_MESSAGE = 3
"""Tokens around each message, and again for the beginning of the answer: the OpenAI cookbook, "How to count tokens"."""


def load(model: str = "") -> None:
    """Load the ranks that `model` needs: about 0.15 s and 70 MB each, once. Blocking: a thread's work at start."""
    _encoding(_name(model))


def count(text: str, model: str) -> int:
    """Tokens in `text`. About 25 million characters a second, so fit for the event loop.

    What was counted lately is known: a conversation's lines come again with every question in it.
    """
    name = _name(model)
    return _known(text, name) if len(text) <= MOST_KNOWN_CHARACTERS else _count(text, name)


def forget() -> None:
    """Know no counts any more."""
    _known.cache_clear()


def count_messages(messages: Sequence[ModelMessage], model: str) -> int:
    """Tokens of a prompt: each text and image, its role, 3 around each message, and 3 for the answer's beginning."""
    return PER_MESSAGE + sum(
        PER_MESSAGE + 1 + count(message.content, model) + sum(picture.tokens for picture in message.pictures)
        for message in messages
    )


def truncate(text: str, tokens: int, model: str) -> str:
    """The longest beginning of `text` that has at most `tokens` tokens."""
    encoding = _encoding(_name(model))
    text = _encodable(text)

    def fits(length: int) -> bool:
        return length == 0 or (tokens > 0 and encoding.count_till_limit(text[:length], tokens) is not None)

    if fits(len(text)):
        return text
    short, long = 0, len(text)
    while long - short > 1:
        middle = (short + long) // 2
        if fits(middle):
            short = middle
        else:
            long = middle
    return text[:short]


@functools.lru_cache(maxsize=8192)
def _known(text: str, name: str) -> int:
    return _count(text, name)


def _count(text: str, name: str) -> int:
    return int(_encoding(name).count(_encodable(text)))


@functools.lru_cache(maxsize=64)
def _name(model: str) -> str:
    return "cl100k_base" if _CL100K.search(model.lower()) else "o200k_base"


def _encodable(text: str) -> str:
    """`text` with half surrogate pairs, which no UTF-8 can carry, replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@functools.cache
def _encoding(name: str) -> Any:
    return _bindings().tokenizer_for_encoding(name)


@functools.cache
def _bindings() -> Any:
    """The extension module of bpe_openai without its Python package.

    The package builds the rank tables of three vocabularies a second time as Python dictionaries when it is imported:
    0.6 s and 76 MB more, which a small host notices and nothing here uses.
    """
    package = importlib.util.find_spec("bpe_openai")
    places = package.submodule_search_locations if package else None
    spec = importlib.machinery.PathFinder.find_spec("bpe_openai._bindings", places)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("bpe_openai._bindings")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
