"""The parameters of a call, and the memory of those that a model refused, of forms of the prompt too.

That is learnt from refusals, never guessed from a model's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.backend.completion import CompletionRequest
from bot.backend.forms import forms_of, written

LIMITS = ("max_completion_tokens", "max_tokens")
"""OpenAI's name for the limit on the answer, and the older one that many compatible servers know alone."""
DROPPABLE = {"temperature", "reasoning_effort", "stream_options", "stream", *LIMITS}
"""What an answer can be had without."""


@dataclass(slots=True)
class Refusals:
    """What one model at one address does not take: a parameter, one value of it as `reasoning_effort=minimal`, a form.

    `thinks`: at first it is silent for longer than the idle timeout.
    """

    refused: set[str] = field(default_factory=set)
    thinks: bool = False

    def takes(self, name: str, value: object) -> bool:
        """Whether the model has not refused this yet."""
        return name not in self.refused and f"{name}={value}" not in self.refused

    @property
    def limit(self) -> str:
        """By what name the model takes a limit on its answer; empty where it takes none."""
        return next((name for name in LIMITS if name not in self.refused), "")


def arguments(request: CompletionRequest, refusals: Refusals) -> dict[str, Any]:
    """The body of a chat completion, without what the model refused before."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": written(request.messages, refusals.refused),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.reasoning_effort is not None:
        body["reasoning_effort"] = request.reasoning_effort
    if request.max_output_tokens is not None:
        body[refusals.limit or LIMITS[0]] = request.max_output_tokens
    for name in [name for name in DROPPABLE & body.keys() if not refusals.takes(name, body[name])]:
        del body[name]
    if "stream" not in body:
        body.pop("stream_options", None)
    return body


def dispensable(body: Mapping[str, Any]) -> set[str]:
    """What the request could be sent again without: parameters, and forms of its prompt."""
    return (DROPPABLE & body.keys()) | forms_of(body["messages"])
