"""What a model's server may answer: streams of events in pieces of any size, sound at first and then spoiled."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from emulators.openai import errors
from tests.fuzz.spoiling import JUNK, MARK, TEXTS, spoiled

FINISHES = ["stop", "length", "content_filter", "tool_calls", "error", "eos_token", "", None]
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 2,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
ENDS = [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n"]
_texts = TEXTS.map(lambda text: text[:6_000])  # what takes minutes to show is no fault of the reader


def chunk(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One event of a stream, as OpenAI writes it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-fuzz", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4-mini"}
    return {**head, "choices": [choice], "usage": None, **more}


def _sound_chunks() -> st.SearchStrategy[Any]:
    return st.one_of(
        _texts.map(lambda text: chunk({"content": text})),
        _texts.map(lambda text: chunk({"content": text})),
        _texts.map(lambda text: chunk({"role": "assistant", "content": [{"type": "text", "text": text}]})),
        _texts.map(lambda text: chunk({"reasoning_content": text})),
        st.just(chunk({"role": "assistant", "content": "", "refusal": None})),
        st.sampled_from(FINISHES).map(lambda finish: chunk({}, finish)),
        st.just({**chunk({}), "choices": [], "usage": USAGE}),
        st.just({"error": {"message": MARK, "type": "server_error", "param": None, "code": None}}),
    )


def chunks() -> st.SearchStrategy[Any]:
    """The JSON value of one event, spoiled."""
    return st.one_of(spoiled(_sound_chunks()), JUNK)


@st.composite
def _events(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from(ENDS))
    match draw(
        st.sampled_from(["data", "data", "data", "data", "data", "raw", "comment", "named", "bytes", "split", "done"])
    ):
        case "data":
            return b"data: " + written(draw(chunks()), escaped=draw(st.booleans())) + end
        case "raw":
            return b"data: " + draw(_texts).encode("utf8", "surrogatepass") + end
        case "comment":
            return b": " + MARK.encode() + end
        case "named":
            return b"event: error\nid: 7\nretry: 0\ndata: " + written(draw(chunks())) + end
        case "bytes":
            return draw(st.binary(max_size=40)) + end
        case "split":
            return b"data: {\ndata:\n" + end
        case _:
            return b"data: [DONE]" + end


def written(value: Any, *, escaped: bool = True) -> bytes:
    """A value as JSON; unless `escaped`, its characters as they are, halves of surrogate pairs included."""
    return json.dumps(value, ensure_ascii=escaped).encode("utf8", "surrogatepass")


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """The body of a stream in the pieces it is written in; it may end anywhere, in the midst of a character too."""
    body = b"".join(draw(st.lists(_events(), max_size=8)))
    if draw(st.booleans()):
        body += b"data: " + written(chunk({"content": "end."}, "stop")) + b"\n\ndata: [DONE]\n\n"
    body = body[: draw(st.integers(0, len(body)))] if draw(st.sampled_from([False, False, True])) else body
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    return [piece for low, high in itertools.pairwise([0, *cuts, len(body)]) if (piece := body[low:high])]


STATUSES = [200, 200, 200, 200, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529]
TYPES = [
    *("text/event-stream", "text/event-stream; charset=utf-8", "text/event-stream; charset=latin-1"),
    *("application/json", "text/html; charset=utf-16", "text/plain; charset=no-such", "garbage", ""),
]


KEEPS_THE_KEY: list[Any] = ["rate_limit_exceeded", "unsupported_parameter", "server_error", "content_filter", None, ""]
CODES: list[Any] = [*KEEPS_THE_KEY, "insufficient_quota", "invalid_api_key", 400, 403]


def error_bodies(codes: Sequence[Any] = CODES) -> st.SearchStrategy[Any]:
    """The body of a refusal by one of `codes`: OpenAI's, its imitators', spoiled."""
    words = st.sampled_from([MARK, "maximum context length is 5 tokens", "temperature is not supported", "stream", ""])
    openai = st.builds(
        lambda said, code: {"error": {"message": said, "type": code, "param": "temperature", "code": code}},
        words,
        st.sampled_from(codes),
    )
    fast_api = words.map(
        lambda said: {"detail": [{"loc": ["body", "temperature"], "msg": said, "type": "value_error"}]}
    )
    router = words.map(lambda said: {"error": {"message": said, "code": 400, "metadata": {"flagged_input": said}}})
    azure = words.map(lambda said: {"error": {"message": said, "code": "content_filter", "innererror": {"code": said}}})
    ours = st.just(errors.server_error().body)
    return spoiled(st.one_of(openai, fast_api, router, azure, ours, words.map(lambda said: {"message": said})))
