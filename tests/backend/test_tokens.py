"""Counting tokens and cutting at a number of them."""

from __future__ import annotations

import subprocess
import sys

import bpe_openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.backend import tokens
from bot.backend.completion import ModelMessage

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-5.4-mini-2026-03-17", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("o3", "o200k_base"),
        ("llama3.1:8b", "o200k_base"),
        ("", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("GPT-4-32k", "cl100k_base"),
        ("openai/gpt-4", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("ft:gpt-3.5-turbo:team::id", "cl100k_base"),
    ],
)
def test_each_model_is_counted_by_its_ranks(model: str, encoding: str) -> None:
    text = "Überraschung! naïve 你好世界 🦜🦜 def f(x): return x**2\n\n\t"
    assert tokens.count(text, model) == len(bpe_openai.get_encoding(encoding).encode_ordinary(text))


def test_what_looks_like_a_special_token_is_text() -> None:
    assert tokens.count("<|endoftext|>", "gpt-4o") > 1


def test_half_a_surrogate_pair_does_not_stop_the_count() -> None:
    assert tokens.count("a\ud83d b", "gpt-4o") > 0
    assert "\ud83d" not in tokens.truncate("a\ud83d b", 100, "gpt-4o")


def test_a_prompt_costs_three_per_message_and_three_more() -> None:
    messages = [ModelMessage("system", "one"), ModelMessage("user", "two three")]
    roles_and_texts = (1 + 1) + (1 + 2)
    assert tokens.count_messages(messages, "gpt-4o") == 3 + 2 * 3 + roles_and_texts
    assert tokens.count_messages([], "gpt-4o") == 3


@given(TEXTS, st.integers(0, 60))
def test_a_cut_text_is_a_beginning_that_fits(text: str, limit: int) -> None:
    cut = tokens.truncate(text, limit, "gpt-4o")
    assert text.startswith(cut)
    assert tokens.count(cut, "gpt-4o") <= limit
    if tokens.count(text, "gpt-4o") <= limit:
        assert cut == text


def test_a_cut_text_is_as_long_as_it_may_be() -> None:
    assert tokens.truncate("word " * 1000, 10, "gpt-4o") == ("word " * 10).rstrip()


def test_a_million_characters_are_counted_quickly_and_cut() -> None:
    text = "word " * 200_000
    assert tokens.count(text, "gpt-4o") >= 200_000
    assert tokens.count(tokens.truncate(text, 5000, "gpt-4o"), "gpt-4o") == 5000


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="bpe_openai"):
        tokens._bindings.__wrapped__()


def test_loading_brings_the_ranks_without_the_package_around_them() -> None:
    code = (
        "import sys; from bot.backend import tokens; before = 'bpe_openai' in sys.modules; tokens.load();"
        "print(before, 'bpe_openai' in sys.modules, tokens.count('hello world', 'gpt-4o'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "2"]
