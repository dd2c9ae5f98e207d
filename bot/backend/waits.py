"""How long to wait before the next attempt: what the provider named, else exponential backoff with full jitter.

Pure functions. The waiting itself is the client's: it depends on the other keys, on the pause all conversations share
and on the breaker, and the asker is told beforehand, so a retry loop that sleeps by itself (tenacity's) has no place.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def backoff(attempt: int, base: float, cap: float) -> float:
    """Seconds before attempt `attempt` + 1: anything up to `base` doubled per attempt, never over `cap`.

    Full jitter, as in "Exponential Backoff And Jitter" of the AWS Architecture Blog.
    """
    return random.uniform(0.0, min(cap, base * 2.0 ** min(attempt - 1, 30)))


def not_before(seconds: float) -> float:
    """A wait that the provider named, lengthened by up to a tenth of it (a quarter second at most), never shortened."""
    return seconds + random.uniform(0.0, min(0.25, 0.02 + seconds / 10))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the provider wants to be asked again.

    From `retry-after-ms` (OpenAI) or `Retry-After` (seconds or an HTTP-date, RFC 9110); None if neither can be read.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    named = headers.get("retry-after")
    seconds = _number(named)
    if seconds is not None or named is None:
        return seconds
    try:
        date = parsedate_to_datetime(named)
    except ValueError:
        return None
    if date.tzinfo is None:  # "-0000" says UTC without naming a zone
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
