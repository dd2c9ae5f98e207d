"""Counting as OpenAI bills: tokens of a prompt, usage figures, and which part of a prompt was cached.

Here are no limits and no prices: the windows are in `models.py`, the request limits in `ratelimits.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import bpe_openai

PER_MESSAGE = 3  # OpenAI's cookbook, "How to count tokens": each message costs 3 beside its role and text,
PER_REPLY = 3  # the reply is primed with 3,
PER_NAME = 1  # and a name costs 1 beside its own tokens.
IMAGE_TOKENS = {"low": 85, "high": 765, "auto": 765, "original": 765}  # the vision guide, a 1,024 px square
CACHE_FROM, CACHE_STEP = 1_024, 128  # the prompt caching guide
CACHE_SECONDS = 600.0  # the same guide: 5 to 10 minutes without use
PART = 50_000  # characters, four bytes and so four tokens each at the worst
BETWEEN_WORDS = re.compile(r"[a-z](?= [a-z])")
_MARK = 0xFFFF_FFF0  # stands for the tokens between messages, which are no text


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, or of several added up: `cached` is a part of `prompt`, `reasoning` one of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion together."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
        )

    def described(self) -> dict[str, Any]:
        """The `usage` object of the API."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.total,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


@cache
def _named(encoding_name: str) -> bpe_openai.Encoding:
    return bpe_openai.get_encoding(encoding_name)  # reads its ranks anew at each call: a tenth of a second


def encoding(model: str) -> bpe_openai.Encoding:
    """The encoding of a model: o200k_base from gpt-4o on, cl100k_base for the older gpt-4 and gpt-3.5."""
    old = model.startswith(("gpt-3.5", "gpt-4")) and not model.startswith(("gpt-4o", "gpt-4.1", "gpt-4.5"))
    return _named("cl100k_base" if old else "o200k_base")


def encode(text: str, model: str) -> list[int]:
    """The tokens of a text of any length; special tokens in it are plain text.

    The tokenizer takes no more than 200,000 tokens at once, so a long text goes in parts. A part ends between two
    words, where no token reaches across; a text without words is parted anywhere and may count a few tokens more.
    """
    coder, found, start = encoding(model), list[int](), 0
    while start < len(text):
        end = start + PART
        if end < len(text) and (gaps := [*BETWEEN_WORDS.finditer(text, end - 1_000, end)]):
            end = gaps[-1].start() + 1
        found += coder.encode_ordinary(text[start:end])
        start = end
    return found


def count(text: str, model: str) -> int:
    """Tokens of a text."""
    return len(encode(text, model))


def pieces(text: str, model: str) -> list[str]:
    """A text in the pieces a stream sends: one a token, several where a character spans tokens.

    Joined they are the text again; the number of tokens may be larger than the number of pieces.
    """
    coder = encoding(model)
    found: list[str] = []
    held = b""
    for token in encode(text, model):
        held += coder.decode_single_token_bytes(token)
        try:
            found.append(held.decode())
        except UnicodeDecodeError:
            continue  # the rest of the character is in the next token
        held = b""
    return found


def cut(text: str, model: str, most: int) -> tuple[str, int]:
    """The start of `text` that `most` tokens hold, and how many tokens that is (an unfinished character is left)."""
    coder = encoding(model)
    tokens = encode(text, model)
    if len(tokens) <= most:
        return text, len(tokens)
    raw = b"".join(coder.decode_single_token_bytes(token) for token in tokens[:most])
    return raw.decode(errors="ignore"), most


def _message(message: Mapping[str, Any], model: str) -> Iterator[Iterable[int]]:
    yield [_MARK] * PER_MESSAGE
    for field, value in message.items():
        if value is None:
            continue
        if field == "content" and not isinstance(value, str):
            for part in value:
                if part["type"] == "image_url":
                    seen = hashlib.blake2b(part["image_url"]["url"].encode(), digest_size=4).digest()
                    detail = part["image_url"].get("detail", "auto")
                    yield [int.from_bytes(seen)] * IMAGE_TOKENS[detail]
                else:
                    yield encode(part.get("text") or part.get("refusal") or "", model)
        elif field == "tool_calls":
            yield encode(json.dumps([call.get("function") for call in value], separators=(",", ":")), model)
        elif isinstance(value, str):
            yield encode(value, model)
        if field == "name":
            yield [_MARK + 1] * PER_NAME


def prompt_tokens(body: Mapping[str, Any], model: str) -> array[int]:
    """The prompt of a request body as token numbers, the tools first; its length is `prompt_tokens`.

    Messages are counted exactly as OpenAI counts them. OpenAI does not publish how it writes tools into the prompt:
    they are counted as compact JSON, close to and never the same as the real figure.
    """
    tokens: array[int] = array("L")
    if tools := body.get("tools"):
        tokens.extend(encode(json.dumps(tools, separators=(",", ":")), model))
    for message in body["messages"]:
        for part in _message(message, model):
            tokens.extend(part)
    tokens.extend([_MARK + 2] * PER_REPLY)
    return tokens


class PromptCache:
    """Which prefixes have been seen: exact ones only, per key and model, from 1,024 tokens on in steps of 128."""

    def __init__(self, seconds: float = CACHE_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[bytes, float] = {}

    def admit(self, owner: str, tokens: array[int]) -> int:
        """Remember a prompt of `owner` (a key and model); answers how many of its first tokens were known."""
        now = time.monotonic()
        digest = hashlib.blake2b(owner.encode(), digest_size=16)
        raw, size = memoryview(tokens).cast("B"), tokens.itemsize
        cached = start = 0
        for end in range(CACHE_FROM, len(tokens) + 1, CACHE_STEP):
            digest.update(raw[start * size : end * size])
            start = end
            prefix = digest.digest()
            if now - self._seen.get(prefix, -self._seconds) < self._seconds:
                cached = end
            self._seen[prefix] = now
        if len(self._seen) > 100_000:
            self._seen = {prefix: at for prefix, at in self._seen.items() if now - at < self._seconds}
        return cached
