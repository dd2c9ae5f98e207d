"""Whatever a model's server writes is read without an error, by the readers alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import openai
import orjson
from hypothesis import given
from hypothesis import strategies as st

from bot import logs
from bot.backend import tokens
from bot.backend.chunks import read_chunk
from bot.backend.completion import Usage
from bot.backend.failures import diagnose, diagnose_event
from bot.backend.models import cost_micros
from bot.backend.parameters import DROPPABLE
from bot.backend.waits import retry_after
from bot.errors import ModelFailure
from bot.splitting import close_open, split, split_stable
from tests.fuzz.budget import count, examples
from tests.fuzz.checks import is_count, is_text
from tests.fuzz.model_streams import STATUSES, chunks, error_bodies
from tests.fuzz.spoiling import IDS, JUNK, MARKED, TEXTS, TIMES

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MOST_TOKENS = 2**31


def check_usage(usage: Usage | None) -> None:
    """Its counts are counts, small enough for any column."""
    if usage is not None:
        counts = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
        assert all(is_count(n, MOST_TOKENS) for n in counts)
        micros = cost_micros("gpt-5.4-mini", usage)
        assert micros is None or 0 <= micros < 2**63


@examples(0.1, quick=120)
@given(chunks(), st.sampled_from(["", "message", "error"]))
def test_any_event_of_a_stream_is_read(data: Any, event: str) -> None:
    chunk = read_chunk(data, event)
    assert is_text(chunk.text)
    assert chunk.finish in (None, "stop", "length", "content_filter")
    assert len(chunk.model) <= 128 and MARKED not in chunk.model
    check_usage(chunk.usage)
    if chunk.error:
        assert isinstance(diagnose_event(chunk.error, DROPPABLE).failure, ModelFailure)
    count("model events, read")


@examples(0.05, quick=80)
@given(
    error_bodies() | JUNK,
    st.sampled_from(STATUSES),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.sampled_from([*IDS[:8], *map(str, TIMES)])),
)
def test_any_refusal_is_named_without_its_words(body: Any, status: int, headers: dict[str, str]) -> None:
    named = retry_after(headers, NOW)
    assert named is None or named >= 0
    response = httpx2.Response(status, request=httpx2.Request("POST", "http://127.0.0.1/"))
    inner = body.get("error", body) if isinstance(body, dict) else body
    diagnosis = diagnose(openai.APIStatusError("refused", response=response, body=inner), DROPPABLE, NOW)
    assert isinstance(diagnosis.failure, ModelFailure)
    assert MARKED not in diagnosis.failure.detail and MARKED not in str(diagnosis.failure)
    count("model refusals, named")


@examples(0.04, quick=60)
@given(TEXTS, st.integers(1, 4_000))
def test_any_text_is_split_counted_and_searched_for_secrets(text: str, most: int) -> None:
    text = text[:20_000]
    parts = split(text, lambda part: len(part) <= most)
    assert bool(parts) == bool(text.strip())
    split_stable(text, lambda part: len(part) <= most)
    assert isinstance(close_open(text), str)
    assert tokens.count(text, "gpt-5.4-mini") >= 0
    assert isinstance(tokens.truncate(text, most, "gpt-5.4-mini"), str)
    logs.hide_secrets(None, "info", {"event": text, "held": {"deep": [text]}})
    count("model texts, split")


def test_what_is_no_json_is_read_as_a_stream_that_broke() -> None:
    for raw in (b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'):
        try:
            orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue
        raise AssertionError(raw)
