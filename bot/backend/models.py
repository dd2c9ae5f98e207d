"""What is known of models as data: context windows and prices, from the tables inside genai_prices. No network.

The tables cost about 0.15 s and 20 MB to import, so that happens at the first question about a model, or by `load`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from bot.backend.completion import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

UNKNOWN_CONTEXT_WINDOW = 32_000
"""Tokens assumed where nobody says: what most models that people host themselves take, and long enough for a thread.

A smaller window shows itself by a refusal, upon which the prompt is trimmed harder; a larger one is left unused.
"""
Price = tuple[Decimal, Decimal, Decimal]
"""Dollars for a million tokens: of a prompt, of the part of it that the provider's cache had, of an answer."""
_MILLION = Decimal(1_000_000)
_NOTHING = Usage(0, 0, 0)


def context_window(model: str) -> int:
    """Tokens that `model` can read and write in one call."""
    return known_window(model) or UNKNOWN_CONTEXT_WINDOW


def known_window(model: str) -> int:
    """The same where it is published, else 0."""
    info = _find(model)
    if info is None or info.context_window is None:
        info = _find(_base(model))
    return (info and info.context_window) or 0


def is_openais(model: str) -> bool:
    """Whether the tables list `model` as one of OpenAI's own, whose tokens we count as it does."""
    return _listed("openai", _base(model)) is not None


def known_price(model: str) -> bool:
    """Whether it is known what `model` costs."""
    return cost_micros(model, _NOTHING) is not None


def load(model: str) -> None:
    """Import the tables and find a model's price in them, once. Blocking: a thread's work at start."""
    cost_micros(model, Usage(1, 0, 1))


def cost_micros(model: str, usage: Usage, price: Price | None = None) -> int | None:
    """What `usage` costs in millionths of a dollar, or None when unknown.

    The discount for cached tokens and the long-context tier are counted in. `price` is what somebody says that a
    model costs; it counts only where the tables don't know.
    """
    info = _find(model)
    prices = None if info is None else info.get_prices(datetime.now(UTC))
    if prices is None or prices.input_mtok is None or prices.output_mtok is None:
        return None if price is None else _micros(_dollars(usage, price))
    rates = _rates(prices)
    flat = usage.prompt_tokens <= rates.up_to
    return _micros(_dollars(usage, rates.price) if flat else _by_the_tables(usage, prices))


@dataclass(frozen=True, slots=True)
class _Rates:
    """Of `prices` from the tables, the `price` of every token where the prompt has at most `up_to` of them, if any.

    The tables take 0.2 ms to calculate what one answer costs, which three products tell as well.
    """

    prices: ModelPrice
    price: Price
    up_to: float


# By the identity of the tables' entry, which has no hash, and lives as long as it is a value here.
_known_rates: dict[int, _Rates] = {}


def _rates(prices: ModelPrice) -> _Rates:
    known = _known_rates.get(id(prices))
    if known is not None:
        return known
    from genai_prices.types import TieredPrices  # noqa: PLC0415 (see the module's docstring)

    steps = [tier.start for each in vars(prices).values() if isinstance(each, TieredPrices) for tier in each.tiers]
    ones = Usage(1, 0, 0), Usage(1, 1, 0), Usage(0, 0, 1)
    prompt, cached, completion = (_MILLION * _by_the_tables(usage, prices) for usage in ones)
    is_by_token = _by_the_tables(Usage(0, 0, 0), prices) == 0  # and not by request as well
    up_to = min(steps, default=math.inf) if is_by_token else -1
    rates = _known_rates[id(prices)] = _Rates(prices, (prompt, cached, completion), up_to)
    return rates


def _by_the_tables(usage: Usage, prices: ModelPrice) -> Decimal:
    from genai_prices import Usage as Billed  # noqa: PLC0415 (see the module's docstring)

    billed = Billed(
        input_tokens=usage.prompt_tokens, cache_read_tokens=usage.cached_tokens, output_tokens=usage.completion_tokens
    )
    return prices.calc_price(billed)["total_price"]


def _dollars(usage: Usage, price: Price) -> Decimal:
    prompt, cached, completion = price
    uncached = usage.prompt_tokens - usage.cached_tokens
    return (uncached * prompt + usage.cached_tokens * cached + usage.completion_tokens * completion) / _MILLION


def _micros(dollars: Decimal) -> int:
    return int((dollars * _MILLION).to_integral_value(ROUND_HALF_UP))


def _base(model: str) -> str:
    """The model that a fine-tuned one (`ft:gpt-4o-mini-2024-07-18:team::id`) was made from."""
    return model.split(":")[1] if model.startswith("ft:") else model


def _find(model: str) -> ModelInfo | None:
    """The table's entry: OpenAI's, else by the name alone, else as OpenRouter names it (`maker/model`)."""
    return _listed("openai", model) or _listed(None, model) or _listed("openrouter", model)


@functools.lru_cache(maxsize=1_024)
def _listed(provider: str | None, model: str) -> ModelInfo | None:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 (see the module's docstring)

    try:
        return get_snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None
