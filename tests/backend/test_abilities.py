"""What is known of models without asking, and what is left open."""

from __future__ import annotations

import pytest

from bot.backend.abilities import OPEN, documented

SMALL = ("low", "medium", "high")


@pytest.mark.parametrize(
    ("model", "temperature", "efforts", "longest"),
    [
        ("gpt-4o-mini", True, (), 16_384),
        ("gpt-4o-2024-08-06", True, (), 16_384),
        ("gpt-4.1-nano", True, (), 32_768),
        ("gpt-4", True, (), 8_192),
        ("gpt-4-0613", True, (), 8_192),
        ("gpt-4-turbo", True, (), 4_096),
        ("gpt-3.5-turbo", True, (), 4_096),
        ("ft:gpt-4o-mini-2024-07-18:team::id", True, (), 16_384),
        ("o1", False, SMALL, 100_000),
        ("o3-mini", False, SMALL, 100_000),
        ("o4-mini-2025-04-16", False, SMALL, 100_000),
        ("gpt-5", False, ("minimal", *SMALL), 128_000),
        ("gpt-5-nano", False, ("minimal", *SMALL), 128_000),
        ("gpt-5.1", None, ("none", *SMALL), 128_000),
        ("gpt-5.2", None, ("none", *SMALL, "xhigh"), 128_000),
        ("gpt-5.4-mini", None, ("none", *SMALL, "xhigh"), 128_000),
    ],
)
def test_a_family_is_known_by_its_name(
    model: str, temperature: bool | None, efforts: tuple[str, ...], longest: int
) -> None:
    known = documented(model)
    assert (known.temperature, known.efforts, known.most_output) == (temperature, efforts, longest)
    assert known.reasons_or_varies == (temperature is None)


@pytest.mark.parametrize(
    "model",
    ["llama3.1", "openai/gpt-4o", "gpt-oss-20b", "o3000", "my-gpt-4o", "gpt-5-chat-latest", "gpt-4o-audio-preview", ""],
)
def test_what_is_not_documented_is_left_open(model: str) -> None:
    assert documented(model) == OPEN
