"""What happened to each request for a completion, kept for tests that compare it with the bot's own books."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.openai.tokens import Usage


@dataclass(slots=True)
class Call:
    """One `POST /v1/chat/completions`; times are `time.monotonic()` seconds, None while they have not come.

    `status` is what was answered, 0 before that; `usage` what OpenAI would bill, for a stream that was cut or left by
    the client up to that point; `usage_reported` whether the client was told it. `disconnected` is when the client
    left before its answer was complete. `body` is the parsed JSON, empty where it was none.
    """

    key: str
    body: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    first_byte: float | None = None
    finished: float | None = None
    disconnected: float | None = None
    status: int = 0
    error_code: str | None = None
    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    usage_reported: bool = False

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))

    @property
    def model(self) -> str:
        """The model asked for, or an empty text."""
        return str(self.body.get("model") or "")

    @property
    def open(self) -> bool:
        """Whether its first byte has left and its last has not."""
        return self.first_byte is not None and self.finished is None


def totals(calls: Iterable[Call], name: Callable[[Call], str], *, reported: bool = False) -> dict[str, Usage]:
    """Tokens used, added up by `name(call)`; with `reported` only of the calls whose client was told the figures."""
    sums: defaultdict[str, Usage] = defaultdict(Usage)
    for call in calls:
        if call.usage is not None and (call.usage_reported or not reported):
            sums[name(call)] += call.usage
    return dict(sums)
