"""What a provider says is left of its own limits: the `x-ratelimit-*` headers, read and put into words. Pure.

Hints only: some hosts send 0 or -1, or nothing at all. What makes no sense counts as not said.
https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_MOST = 10**15


@dataclass(frozen=True, slots=True)
class Share:
    """So much is left of a limit, which is whole again at `whole_at` (monotonic seconds)."""

    remaining: int
    limit: int
    whole_at: float

    def at(self, now: float) -> int:
        """What is left by now, as far as the header tells."""
        return self.remaining if now < self.whole_at else self.limit


@dataclass(frozen=True, slots=True)
class Left:
    """What the last answer to a key said; None of what it did not say."""

    requests: Share | None = None
    tokens: Share | None = None

    def told(self, now: float) -> str:
        """In words: "4,999 of 5,000 requests, 1.9M of 2M tokens left"."""
        said = []
        if self.requests:
            said.append(f"{self.requests.at(now):,} of {self.requests.limit:,} requests")
        if self.tokens:
            said.append(f"{_short(self.tokens.at(now))} of {_short(self.tokens.limit)} tokens")
        return f"{', '.join(said)} left"


def read_left(headers: Mapping[str, str], now: float) -> Left | None:
    """What the headers of an answer say, which came at `now` (monotonic seconds); None where they say nothing."""
    requests, tokens = (_share(headers, name, now) for name in ("requests", "tokens"))
    return Left(requests, tokens) if requests or tokens else None


def _share(headers: Mapping[str, str], name: str, now: float) -> Share | None:
    limit, remaining = (_count(headers.get(f"x-ratelimit-{part}-{name}")) for part in ("limit", "remaining"))
    if not limit or remaining is None or remaining > limit:
        return None
    return Share(remaining, limit, now + _seconds(headers.get(f"x-ratelimit-reset-{name}")))


def _count(text: str | None) -> int | None:
    """A whole number, None where it is none."""
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and int(digits[:16]) < _MOST else None


def _seconds(text: str | None) -> float:
    """A span as OpenAI writes it, such as 6m0s or 120ms; without one what is left holds until the next answer."""
    found = _SPAN.fullmatch((text or "").strip())
    if found is None or not any(found.groups()):
        return float("inf")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _short(number: int) -> str:
    """A number of tokens as people say it: 950, 12k, 1.9M; never rounded up."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= size:
            tenths = number * 10 // size
            return f"{tenths // 10:,}{f'.{tenths % 10}' if tenths % 10 and tenths < 1_000 else ''}{unit}"
    return str(number)
