"""Rate limits of the REST API: buckets per route and major parameter, the global limit, and invalid answers.

Discord publishes only the headers; the figures are what bot authors see (5 per 5 s and channel to create and to
edit) or plausible ones. https://docs.discord.com/developers/topics/rate-limits has the rest of the rules.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal

FIGURES: dict[str, tuple[int, float]] = {
    "POST /channels/{channel_id}/messages": (5, 5.0),
    "PATCH /channels/{channel_id}/messages/{message_id}": (5, 5.0),
    "DELETE /channels/{channel_id}/messages/{message_id}": (5, 1.0),
    "GET /channels/{channel_id}/messages": (10, 5.0),
    "GET /channels/{channel_id}/messages/{message_id}": (30, 30.0),
    "POST /channels/{channel_id}/typing": (5, 5.0),
    "POST /channels/{channel_id}/messages/{message_id}/threads": (50, 300.0),
    "POST /channels/{channel_id}/threads": (50, 300.0),
    "POST /webhooks/{application_id}/{token}": (5, 2.0),
    "PATCH /webhooks/{application_id}/{token}/messages/{message_id}": (5, 2.0),
    "POST /users/@me/channels": (5, 5.0),
}
REACTIONS = (1, 0.25)
OTHERS = (50, 10.0)
GLOBAL = (50, 1.0)
INVALID = (10_000, 600.0)
MAJOR = ("channel_id", "guild_id", "application_id", "token")
INTERACTION_PATHS = ("/interactions/", "/webhooks/")


@dataclass(slots=True)
class Bucket:
    """One bucket's window: it opens with the first request and closes `window` seconds later."""

    limit: int
    window: float
    hash: str
    opened: float = -math.inf
    used: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, what the headers say, and, if not, for how many seconds to wait."""

    passes: bool
    headers: dict[str, str]
    retry_after: float = 0.0
    scope: Literal["user", "global", "shared"] = "user"


class RateLimits:
    """The counters of one application."""

    def __init__(self, *, enabled: bool, invalid_limit: int = INVALID[0]) -> None:
        self.enabled = enabled
        self.invalid_limit = invalid_limit
        self._buckets: dict[str, Bucket] = {}
        self._global = Bucket(*GLOBAL, "global")
        self._invalid: deque[float] = deque()

    def take(self, route: str, parameters: dict[str, str]) -> Verdict:
        """Count one request to `route` ("METHOD /template") with its path parameters."""
        if not self.enabled:
            return Verdict(passes=True, headers={})
        now = time.monotonic()
        if not any(part in route for part in INTERACTION_PATHS):
            wait = self._use(self._global, now)
            if wait > 0:
                headers = {"X-RateLimit-Global": "true"}
                return Verdict(passes=False, headers=headers, retry_after=wait, scope="global")
        bucket = self._bucket(route, parameters)
        wait = self._use(bucket, now)
        if wait <= 0 and "/interactions/" in route:
            return Verdict(passes=True, headers={})
        reset_after = max(0.0, bucket.opened + bucket.window - now)
        headers = {
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(bucket.limit - bucket.used),
            "X-RateLimit-Reset": f"{time.time() + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
            "X-RateLimit-Bucket": bucket.hash,
        }
        return Verdict(passes=wait <= 0, headers=headers, retry_after=wait)

    def _bucket(self, route: str, parameters: dict[str, str]) -> Bucket:
        major = ":".join(parameters[name] for name in MAJOR if name in parameters)
        key = f"{route} {major}"
        if "/reactions" in route:
            key = f"reactions {parameters['channel_id']}"
        if key not in self._buckets:
            limit, window = REACTIONS if "/reactions" in route else FIGURES.get(route, OTHERS)
            name = "reactions" if "/reactions" in route else route
            digest = hashlib.sha256(name.encode()).hexdigest()[:32]
            self._buckets[key] = Bucket(limit, window, digest)
        return self._buckets[key]

    @staticmethod
    def _use(bucket: Bucket, now: float) -> float:
        """Count one request; the seconds to wait when the bucket is empty, else 0."""
        if now >= bucket.opened + bucket.window:
            bucket.opened, bucket.used = now, 0
        if bucket.used >= bucket.limit:
            return bucket.opened + bucket.window - now
        bucket.used += 1
        return 0.0

    def count_invalid(self, status: int, scope: str | None) -> None:
        """Note an answer: 401, 403 and 429 (but for shared scope) count as invalid requests."""
        if status in {401, 403} or (status == 429 and scope != "shared"):
            self._invalid.append(time.monotonic())

    @property
    def invalid(self) -> int:
        """Invalid answers in the last ten minutes."""
        since = time.monotonic() - INVALID[1]
        while self._invalid and self._invalid[0] < since:
            self._invalid.popleft()
        return len(self._invalid)

    @property
    def banned(self) -> bool:
        """Whether Cloudflare has cut this address off: too many invalid requests in ten minutes."""
        return self.enabled and self.invalid >= self.invalid_limit
