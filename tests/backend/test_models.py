"""What is known of models: windows and prices."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest
from genai_prices import Usage as Billed
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot

from bot.backend import models
from bot.backend.completion import Usage
from bot.backend.models import UNKNOWN_CONTEXT_WINDOW, context_window, cost_micros, known_price


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gpt-4o-mini", 128_000),
        ("gpt-4o-mini-2024-07-18", 128_000),
        ("gpt-5.4-mini", 400_000),
        ("gpt-4", 8_192),
        ("openai/gpt-4o", 128_000),
        ("ft:gpt-4o-mini-2024-07-18:team::id", 128_000),
        ("claude-sonnet-4-5", 200_000),
        ("llama3.1:8b", UNKNOWN_CONTEXT_WINDOW),
        ("gpt-99", UNKNOWN_CONTEXT_WINDOW),
        ("", UNKNOWN_CONTEXT_WINDOW),
    ],
)
def test_context_windows(model: str, window: int) -> None:
    assert context_window(model) == window


@pytest.mark.parametrize(
    ("model", "usage", "micros"),
    [
        ("gpt-4o-mini", Usage(1_000_000, 0, 0), 150_000),
        ("gpt-4o-mini", Usage(0, 0, 1_000_000), 600_000),
        ("gpt-4o-mini", Usage(2000, 1920, 100), 216),  # 80 × 0.15 + 1920 × 0.075 + 100 × 0.60
        ("gpt-5.4-mini-2026-03-17", Usage(1000, 0, 1000, 400), 5_250),
        ("gpt-5.5", Usage(200_000, 0, 1000), 1_030_000),
        ("gpt-5.5", Usage(300_000, 0, 1000), 3_045_000),  # beyond 272,000: double in, half as much again out
        ("gpt-5.5", Usage(300_000, 100_000, 0), 2_100_000),
        ("gpt-4o-mini", Usage(0, 0, 0), 0),
    ],
)
def test_costs_in_micro_dollars(model: str, usage: Usage, micros: int) -> None:
    assert cost_micros(model, usage) == micros


def test_every_priced_model_costs_what_the_tables_say() -> None:
    (openai,) = (provider for provider in get_snapshot().providers if provider.id == "openai")
    compared = set()
    for model in (info.id for info in openai.models if known_price(info.id)):
        for prompt in (0, 1, 999, 128_000, 200_001, 272_000, 272_001, 900_000):
            billed = Billed(input_tokens=prompt, cache_read_tokens=prompt // 3, output_tokens=777)
            dollars = calc_price(billed, model, provider_id="openai").total_price
            micros = (dollars * 1_000_000).to_integral_value(ROUND_HALF_UP)
            assert cost_micros(model, Usage(prompt, prompt // 3, 777)) == micros, (model, prompt)
        compared.add(model)
    assert {"gpt-4o-mini", "gpt-5.5"} <= compared


def test_a_price_for_each_request_is_left_to_the_tables() -> None:
    billed_by_request = [
        info.get_prices(datetime.now(UTC))
        for provider in get_snapshot().providers
        for info in provider.models
        if info.get_prices(datetime.now(UTC)).calc_price(Billed())["total_price"]
    ]
    assert billed_by_request
    assert all(models._rates(prices).up_to < 0 for prices in billed_by_request)


@pytest.mark.parametrize("model", ["llama3.1:8b", "gpt-99", "", "whisper-1", "moderation"])
def test_an_unknown_price_is_none_and_not_nothing(model: str) -> None:
    assert cost_micros(model, Usage(1000, 0, 1000)) is None


@pytest.mark.parametrize(
    ("model", "micros"),
    [("llama3.1:8b", 1_000 * 1 + 500 * 3), ("gpt-4o-mini", 225), ("gpt-4o-mini-2024-07-18", 225)],
)
def test_a_price_that_is_set_counts_only_where_none_is_known(model: str, micros: int) -> None:
    price = (Decimal(1), Decimal("0.25"), Decimal(3))
    assert cost_micros(model, Usage(1_000, 0, 125 if "gpt" in model else 500), price) == micros


def test_cached_tokens_have_a_price_of_their_own() -> None:
    price = (Decimal("0.0000015"), Decimal("0.25"), Decimal(0))
    assert cost_micros("my-own", Usage(1_000_000, 0, 9), price) == 2  # a dollar and a half of a millionth, rounded up
    assert cost_micros("my-own", Usage(1_000, 1_000, 9), price) == 250
    assert cost_micros("my-own", Usage(1_000, 0, 9), (Decimal(0),) * 3) == 0


def test_which_prices_are_known() -> None:
    assert known_price("gpt-4o-mini-2024-07-18")
    assert not known_price("my-own")


def test_the_tables_are_loaded_at_the_first_question_and_nothing_is_fetched() -> None:
    code = """
import socket, sys
socket.socket.connect = socket.getaddrinfo = None
from bot.backend import client, models
print("genai_prices" in sys.modules, models.context_window("gpt-4o"), "genai_prices" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "128000", "True"]


LOADS_ONCE = """
import sys
from bot.backend import models
assert not any(name.startswith("genai_prices") for name in sys.modules), "before anybody asks"
models.load("gpt-5.4-mini")
before = set(sys.modules)
assert models.context_window("gpt-5.4-mini")
assert models.cost_micros("gpt-5.4-mini", models.Usage(10, 0, 5))
sys.exit(f"loaded later: {sorted(set(sys.modules) - before)}" if set(sys.modules) != before else 0)
"""


def test_what_is_loaded_at_the_start_is_all_that_a_first_question_needs() -> None:
    done = subprocess.run([sys.executable, "-c", LOADS_ONCE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
