"""What the emulated model is asked and what it shall answer: plain data, and the type of a responder.

How a reply goes over the wire is in `wire.py`; the assistant that answers by default is in `assistant.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from emulators.openai.tokens import Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a request: role, its text (parts joined by line breaks), and its `name` where given."""

    role: str
    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A valid request for a completion, as a responder sees it; `body` is the parsed JSON, whole."""

    key: str
    model: str
    messages: tuple[Message, ...]
    body: Mapping[str, Any]
    prompt_tokens: int

    @property
    def last(self) -> str:
        """The text of the last user message, or an empty text."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def system(self) -> str:
        """The text of the system and developer messages."""
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function; `arguments` is the JSON text the model writes. An empty `id` gets one."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model and how it comes. Delays in seconds, positions in characters of the text.

    - `text`, `refusal`, `tool_calls`: the content; `finish_reason` is derived where None.
    - `first_token_delay`: silence before the first byte; `chunk_delay`: between chunks. None: by the service's speed.
    - Chunks are tokens, as OpenAI's are; or `chunk_chars` characters each, or whole words (`by_words`).
    - `cut_after`: after so many characters the connection is aborted (a client that lags behind loses what it had not
      read by then), or with `cut="end"` ended politely without a finish reason and without `[DONE]`.
    - `stall_after`: after so many characters silence, with the connection open until the client leaves.
    - `error_after`: after so many characters the event `error` (see `errors.stream_error`), then the end.
    - `reasoning_tokens`, `usage`: instead of the figures computed.
    Without streaming, a cut breaks off in the JSON, a stall never answers, and an error is a 500.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish_reason: FinishReason | None = None
    first_token_delay: float | None = None
    chunk_delay: float | None = None
    chunk_chars: int | None = None
    by_words: bool = False
    cut_after: int | None = None
    cut: Literal["abort", "end"] = "abort"
    stall_after: int | None = None
    error_after: int | None = None
    error: Mapping[str, Any] | None = None
    reasoning_tokens: int | None = None
    usage: Usage | None = None


Answer = Reply | str
Responder = Callable[[ChatRequest], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast answers come; all zero: at once.

    `words_per_second`: the rate of a stream; `stream_seconds`: instead of it the whole time of any stream, its chunks
    spread evenly; `first_token`: seconds before the first byte.
    """

    words_per_second: float = 0.0
    stream_seconds: float = 0.0
    first_token: float = 0.0

    def duration(self, text: str) -> float:
        """Seconds that streaming `text` takes."""
        if self.stream_seconds or not self.words_per_second:
            return self.stream_seconds
        return len(text.split()) / self.words_per_second


def text_of(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    """The text of a message's `content`, which is a text, parts, or nothing."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.get("text") or part.get("refusal") or "" for part in content)


def as_request(body: Mapping[str, Any], key: str, prompt_tokens: int) -> ChatRequest:
    """A checked body as a `ChatRequest`; an assistant's tool calls are read as their JSON where it said nothing."""
    messages = tuple(
        Message(
            role=message["role"],
            text=text_of(message.get("content")) or json.dumps(message.get("tool_calls") or "")[1:-1],
            name=message.get("name"),
        )
        for message in body["messages"]
    )
    return ChatRequest(key=key, model=body["model"], messages=messages, body=body, prompt_tokens=prompt_tokens)
