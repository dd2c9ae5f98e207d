"""Requests and tokens per minute, by key and model, and the `x-ratelimit-*` headers that tell how it stands."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

from emulators.openai import errors
from emulators.openai.errors import Refused


@dataclass(frozen=True, slots=True)
class Rates:
    """What one key may ask of one model per minute; the defaults are tier 1 of the gpt-5 family."""

    requests: int = 500
    tokens: int = 500_000


@dataclass(slots=True)
class _Bucket:
    """A bucket that holds a minute's worth and fills evenly."""

    limit: int
    level: float = field(init=False)
    at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.level = self.limit

    def fill(self) -> None:
        now = time.monotonic()
        self.level = min(self.limit, self.level + (now - self.at) * self.limit / 60)
        self.at = now

    def wait(self, amount: float) -> float:
        """Seconds until `amount` can be taken."""
        return max(0.0, (amount - self.level) * 60 / self.limit)


def _spoken(seconds: float) -> str:
    """A span as OpenAI writes it: 120ms, 8.64s, 6m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(seconds // 60)}m{int(seconds % 60)}s"


class RateLimits:
    """The buckets of every key and model; with `enforced` false nothing is refused and the headers show no use."""

    def __init__(self, rates: Rates, *, enforced: bool) -> None:
        self._rates = rates
        self._enforced = enforced
        self._buckets: dict[tuple[str, str], tuple[_Bucket, _Bucket]] = {}

    def _of(self, key: str, model: str) -> tuple[_Bucket, _Bucket]:
        pair = self._buckets.get((key, model))
        if pair is None:
            pair = self._buckets[key, model] = (_Bucket(self._rates.requests), _Bucket(self._rates.tokens))
        for bucket in pair:
            bucket.fill()
        return pair

    def take(self, key: str, model: str, tokens: int) -> None:
        """Count one request that may cost `tokens`; raises `Refused` (429 `rate_limit_exceeded`) past a limit."""
        if not self._enforced:
            return
        requests, budget = self._of(key, model)
        if tokens > budget.limit:
            raise Refused(errors.request_too_large(budget.limit, tokens, model=model))
        waits = {"requests": requests.wait(1), "tokens": budget.wait(tokens)}
        on = "tokens" if waits["tokens"] > waits["requests"] else "requests"
        if (wait := waits[on]) > 0:
            limit = budget.limit if on == "tokens" else requests.limit
            fault = errors.rate_limited(wait, on="tokens" if on == "tokens" else "requests", limit=limit, model=model)
            waiting = {"Retry-After": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))}
            raise Refused(replace(fault, headers={**self.headers(key, model), **waiting}))
        requests.level -= 1
        budget.level -= tokens

    def headers(self, key: str, model: str) -> dict[str, str]:
        """The six `x-ratelimit-*` headers of an answer."""
        shown: dict[str, str] = {}
        for name, bucket in zip(("requests", "tokens"), self._of(key, model), strict=True):
            shown[f"x-ratelimit-limit-{name}"] = str(bucket.limit)
            shown[f"x-ratelimit-remaining-{name}"] = str(int(bucket.level))
            shown[f"x-ratelimit-reset-{name}"] = _spoken(bucket.wait(bucket.limit))
        return shown
