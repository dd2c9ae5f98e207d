"""What is left of a provider's limits: read from its headers, in words, and nothing made of nonsense."""

from __future__ import annotations

import pytest

from bot.backend.ratelimits import read_left


def headers(requests: tuple[str, str, str], tokens: tuple[str, str, str] = ("", "", "")) -> dict[str, str]:
    return {
        f"x-ratelimit-{part}-{name}": value
        for name, values in (("requests", requests), ("tokens", tokens))
        for part, value in zip(("remaining", "limit", "reset"), values, strict=True)
        if value
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            headers(("4999", "5000", "12ms"), ("1999000", "2000000", "6m0s")),
            "4,999 of 5,000 requests, 1.9M of 2M tokens left",
        ),
        (headers(("3", "10", "1h2m3s")), "3 of 10 requests left"),
        (headers(("", "", ""), ("950", "30000", "1.5s")), "950 of 30k tokens left"),
        (headers(("0", "10", "")), "0 of 10 requests left"),
    ],
)
def test_what_is_left_is_said_in_a_line(given: dict[str, str], said: str) -> None:
    left = read_left(given, 100.0)
    assert left is not None
    assert left.told(100.0) == said


@pytest.mark.parametrize(
    "given",
    [
        {},
        headers(("-1", "-1", "0s"), ("0", "0", "")),
        headers(("5", "", "")),
        headers(("11", "10", "")),
        headers(("many", "1e9", "")),
        headers(("²", "³", "")),
        headers(("1" * 40, "1" * 40, "")),
    ],
)
def test_nonsense_counts_as_not_said(given: dict[str, str]) -> None:
    assert read_left(given, 0.0) is None


@pytest.mark.parametrize(
    ("reset", "after"), [("120ms", 0.12), ("8.64s", 8.64), ("6m0s", 360.0), ("1h0m0s", 3600.0), ("2m59.56s", 179.56)]
)
def test_once_the_time_that_was_named_is_over_all_is_there_again(reset: str, after: float) -> None:
    left = read_left(headers(("3", "10", reset)), 50.0)
    assert left is not None
    assert left.told(50.0 + after - 0.01) == "3 of 10 requests left"
    assert left.told(50.0 + after + 0.01) == "10 of 10 requests left"
