"""Asking the backend in tests: short timings, and what came back in one piece."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from bot.backend.client import Backend, BackendConfig
from bot.backend.clock import SystemClock
from bot.backend.completion import (
    CompletionEvent,
    CompletionRequest,
    Finished,
    ModelMessage,
    Restarted,
    Text,
    Waiting,
)
from bot.errors import ModelFailure

KEY = "sk-emulated-key"
SECOND = "sk-second-key"
QUICK: dict[str, Any] = {
    "retry_base": 0.02,
    "retry_cap": 0.05,
    "retry_for": 6.0,
    "idle_timeout": 2.0,
    "first_token_timeout": 4.0,
}
PATH = "/chat/completions"


class Ahead(SystemClock):
    """The machine's clock, `ahead` seconds of it gone by since."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def backend(url: str, *keys: str, **settings: Any) -> Backend:
    """A backend of short patience for the server at `url`."""
    return Backend(BackendConfig(keys or (KEY,), url, **{**QUICK, **settings}))


def request(text: str = "Hello", model: str = "gpt-4o-mini", **settings: Any) -> CompletionRequest:
    """One user message."""
    return CompletionRequest(model, (ModelMessage("user", text),), **settings)


@dataclass(slots=True)
class Answer:
    """What a reader would see at the end, and all events on the way."""

    events: list[CompletionEvent] = field(default_factory=list)
    text: str = ""
    failure: ModelFailure | None = None
    took: float = 0.0

    @property
    def finished(self) -> Finished:
        """The end; fails the test if there was none."""
        assert self.failure is None, repr(self.failure)
        last = self.events[-1]
        assert isinstance(last, Finished)
        assert sum(isinstance(event, Finished) for event in self.events) == 1
        return last

    @property
    def waits(self) -> list[Waiting]:
        return [event for event in self.events if isinstance(event, Waiting)]

    @property
    def restarts(self) -> int:
        return sum(isinstance(event, Restarted) for event in self.events)


async def ask(asked: Backend, question: CompletionRequest | None = None) -> Answer:
    """Ask and gather everything, a failure too."""
    answer = Answer()
    start = time.monotonic()
    try:
        async with aclosing(asked.stream(question or request())) as events:
            async for event in events:
                answer.events.append(event)
                if isinstance(event, Text):
                    assert event.text
                    answer.text += event.text
                elif isinstance(event, Restarted):
                    answer.text = ""
    except ModelFailure as failure:
        answer.failure = failure
    answer.took = time.monotonic() - start
    return answer
