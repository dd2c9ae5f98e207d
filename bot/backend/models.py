"""What is known of models as data: context windows and prices, from the tables inside genai_prices. No network.

The tables cost about 0.15 s and 20 MB to import, so that happens at the first question about a model.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from bot.backend.completion import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

UNKNOWN_CONTEXT_WINDOW = 32_000
"""Tokens assumed where nobody says: what most models that people host themselves take, and long enough for a thread.

A smaller window shows itself by a refusal, upon which the prompt is trimmed harder; a larger one is left unused.
"""
_MICROS = Decimal(1_000_000)


def context_window(model: str) -> int:
    """Tokens that `model` can read and write in one call."""
    return known_window(model) or UNKNOWN_CONTEXT_WINDOW


def known_window(model: str) -> int:
    """The same where it is published, else 0."""
    info = _find(model)
    if info is None or info.context_window is None:
        info = _find(_base(model))
    return (info and info.context_window) or 0


def cost_micros(model: str, usage: Usage) -> int | None:
    """The price of `usage` in millionths of a dollar, or None when unknown.

    The discount for cached tokens and the long-context tier are counted in.
    """
    from genai_prices import Usage as Billed  # noqa: PLC0415 (see the module's docstring)

    info = _find(model)
    if info is None:
        return None
    prices = info.get_prices(datetime.now(UTC))
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    billed = Billed(
        input_tokens=usage.prompt_tokens, cache_read_tokens=usage.cached_tokens, output_tokens=usage.completion_tokens
    )
    dollars = prices.calc_price(billed)["total_price"]
    return int((dollars * _MICROS).to_integral_value(ROUND_HALF_UP))


def _base(model: str) -> str:
    """The model that a fine-tuned one (`ft:gpt-4o-mini-2024-07-18:team::id`) was made from."""
    return model.split(":")[1] if model.startswith("ft:") else model


@functools.lru_cache(maxsize=256)
def _find(model: str) -> ModelInfo | None:
    """The table's entry: OpenAI's, else by the name alone, else as OpenRouter names it (`maker/model`)."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 (see the module's docstring)

    snapshot = get_snapshot()
    for provider in ("openai", None, "openrouter"):
        try:
            return snapshot.find_provider_model(model, None, provider, None)[1]
        except LookupError:
            continue
    return None
