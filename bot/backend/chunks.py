"""One event of a model's stream, read leniently: what OpenAI sends, and what its imitators make of it.

Pure functions; the stream itself is read in `exchange`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeGuard

from bot.backend.completion import FinishReason, Usage

_LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length"}
_FILTER = {"content_filter", "safety"}
_BROKEN = {"error", "abort", "insufficient_system_resource"}
"""The server gave up in the middle (OpenRouter, vLLM, DeepSeek)."""
_MODEL = re.compile(r"[\w.:/@+-]{1,128}")
"""A model's name as servers write it. It is stored and logged, so nothing else may ride in its field."""
_MOST_TOKENS = 2**31
"""What a completion may count at most: a figure beyond it is none, and no column would take it."""


class Chunk(NamedTuple):
    """One event, or some in a row. A tuple: there is one for each token, and it is made in half the time.

    `opened`: it belongs to an answer (Azure sends one before that has only filter results). `token`: the model is at
    work, visibly or not. `broken`: the server gave up, or wrote what nobody can read. `error`: the body of an error.
    `message`: its text stood in one, as that of a whole completion does; where deltas came before (MiniMax), they have
    said it.
    """

    text: str = ""
    opened: bool = False
    token: bool = False
    finish: FinishReason | None = None
    broken: bool = False
    usage: Usage | None = None
    model: str = ""
    error: object = None
    message: bool = False


def read_chunk(data: object, event: str = "") -> Chunk:
    """The event whose data were the JSON value `data`; a whole completion (not streamed) reads as one chunk."""
    if not isinstance(data, dict):
        return Chunk(error=data) if event == "error" else Chunk()
    if data.get("error") or event == "error" or data.get("object") == "error":
        return Chunk(error=data.get("error") or data)
    model = _name(data.get("model"))
    usage = read_usage(data["usage"]) if data.get("usage") else None
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    if choice is None:
        return Chunk(usage=usage, model=model)
    delta = choice.get("delta")
    message = not delta and "message" in choice
    if message:
        delta = choice["message"]
    if not isinstance(delta, dict):
        delta = {}
    content = delta.get("content")
    text = content if isinstance(content, str) else _said(content)
    if delta.get("refusal"):
        text += _said(delta["refusal"])
    token = bool(text or delta.get("reasoning_content") or delta.get("reasoning") or delta.get("tool_calls"))
    finish = choice.get("finish_reason")
    reason = finish.lower() if isinstance(finish, str) else ""
    broken = reason in _BROKEN
    ended = _reason(reason) if reason and not broken else None
    # By position: by name it takes twice as long, and there is one for each token.
    return Chunk(text, True, token, ended, broken, usage, model, choice.get("error"), message)


def joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same, with what is said in a row said at once: whoever reads on does so once for all that came together."""
    row: list[Chunk] = []
    for chunk in chunks:
        if chunk.finish or chunk.broken or chunk.error or chunk.usage or chunk.message:
            if row:
                yield _as_one(row)
                row = []
            yield chunk
        else:
            row.append(chunk)
    if row:
        yield _as_one(row)


def _as_one(row: Sequence[Chunk]) -> Chunk:
    return Chunk(
        "".join([chunk.text for chunk in row]),
        any(chunk.opened for chunk in row),
        any(chunk.token for chunk in row),
        model=next((chunk.model for chunk in reversed(row) if chunk.model), ""),
    )


def read_usage(usage: object) -> Usage | None:
    """The `usage` object of a completion, or None where it is missing or not usable."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return None
    # DeepSeek names cache hits at the top.
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
    return Usage(
        prompt, min(cached, prompt), completion, _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    )


def _count(details: object, name: str) -> int:
    value: object = details.get(name) if isinstance(details, dict) else 0
    return value if _is_count(value) else 0


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS


@lru_cache(maxsize=64)
def _known(model: str) -> str:
    return model if _MODEL.fullmatch(model) else ""


def _name(model: object) -> str:
    return _known(model) if isinstance(model, str) else ""


def _reason(reason: str) -> FinishReason:
    """`stop` for whatever else a server calls its end (eos, end_turn, tool_calls, …)."""
    return "length" if reason in _LENGTH else "content_filter" if reason in _FILTER else "stop"


def _said(content: object) -> str:
    """Text as a string, or as a list of parts (Mistral)."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
