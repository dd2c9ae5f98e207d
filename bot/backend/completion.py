"""What is asked of a model and what comes back: plain frozen data, the one language between the engine and the backend.

Nothing of the SDK is in here, and nothing that talks to a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.errors import ModelFailure

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a data URL, and what it counts in tokens."""

    url: str
    tokens: int


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One message of the prompt, with the images that came with it."""

    role: Role
    content: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One question to a model. `temperature` 0–2, `max_output_tokens` and `reasoning_effort` are sent only where given.

    `keys` names the ring of keys to ask with; the empty name is the host's own.
    """

    model: str
    messages: tuple[ModelMessage, ...]
    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one completion, as billed.

    `cached_tokens` is the part of `prompt_tokens` that came from the provider's prefix cache, `reasoning_tokens` the
    part of `completion_tokens` that was thought and not said. `estimated`: the provider reported none, so we counted.
    """

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """Every `Text` so far is void.

    Said just before the first `Text` of the new attempt, so that what a reader sees stays until there is better.
    """


@dataclass(frozen=True, slots=True)
class Waiting:
    """Said before a wait of at most `seconds`, and why."""

    seconds: float
    failure: ModelFailure


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a whole answer: always the last event. `model` is the provider's name for what answered."""

    reason: FinishReason
    usage: Usage
    model: str
    attempts: int
    key_label: str


CompletionEvent = Text | Restarted | Waiting | Finished
