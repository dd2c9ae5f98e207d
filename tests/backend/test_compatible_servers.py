"""Servers that speak OpenAI's protocol nearly: Ollama, vLLM, OpenRouter, Azure, LiteLLM, llama.cpp and their like."""

from __future__ import annotations

from typing import Any

import pytest

from bot.backend import exchange
from bot.errors import (
    ContentRefused,
    ModelRateLimited,
    ModelUnavailable,
    StreamCut,
    StreamStalled,
)
from tests.backend.asking import ask, backend, request
from tests.backend.imitator import Event, Plain, Stream, delta, imitating

SAID = {"role": "assistant", "content": "Hello"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@pytest.mark.parametrize(
    "events",
    [
        (delta("Hel"), delta("lo", "stop")),
        ({"choices": [], "prompt_filter_results": []}, delta(""), delta("Hello"), delta(None, "stop")),
        (delta("Hello"), delta("", "stop"), {"choices": [], "usage": None}),
        (delta("Hello"), delta(None, "eos_token")),
        (delta("Hello"), {"object": "chat.completion.chunk"}, {"choices": None}, delta("", "end_turn")),
        (": OPENROUTER PROCESSING", delta("Hello"), ": OPENROUTER PROCESSING", delta(None, "stop")),
        (delta([{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "Hello"}]), delta(None, "stop")),
        (delta("Hello"), "data: 7", "data:", delta(None, "stop")),
        ({"choices": [{"delta": None}]}, delta("Hello"), {"choices": [{"finish_reason": "stop"}]}),
        (delta("Hello"),),
        (delta("Hel"), delta("lo"), {"choices": [{"delta": {}, "message": SAID, "finish_reason": "stop"}]}),
        (delta("Hel"), delta("lo"), {"choices": [{"message": SAID, "finish_reason": "stop"}]}),
        ({"choices": [{"delta": None, "message": {"content": "Hel"}}]}, {"choices": [{"message": {"content": "lo"}}]}),
        (delta("Hello"), delta(None, "stop"), "data: {broken"),
        (delta("Hello"), delta(None, "stop"), {"error": {"message": "too late"}}),
    ],
    ids=[
        "no role",
        "Azure's filter results first",
        "usage null",
        "eos_token",
        "choices missing",
        "comments",
        "parts",
        "odd data",
        "delta null",
        "no finish reason but [DONE]",
        "all of it again beside an empty delta",
        "all of it again instead of a delta",
        "messages instead of deltas",
        "garbage after the end",
        "error after the end",
    ],
)
async def test_an_odd_stream_is_read(events: tuple[Event, ...]) -> None:
    async with imitating(Stream(events)) as server, backend(server.url) as asked:
        answer = await ask(asked, request(model="llama"))
    assert answer.text == "Hello"
    assert answer.finished.reason == "stop"
    assert answer.finished.attempts == 1
    assert answer.finished.usage.estimated
    assert answer.finished.usage.completion_tokens == 1
    assert answer.finished.model == "llama"


@pytest.mark.parametrize("at", ["", "/v1", "/openai/v1"])
async def test_a_server_is_asked_at_its_own_address_with_or_without_a_path(at: str) -> None:
    async with imitating(Stream((delta("Hello", "stop"),)), at=at) as server, backend(server.url) as asked:
        assert (await ask(asked)).text == "Hello"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
async def test_a_stream_under_another_content_type_is_read(content_type: str | None) -> None:
    async with imitating(Stream((delta("Grüße", "stop"),), content_type)) as server, backend(server.url) as asked:
        assert (await ask(asked)).text == "Grüße"


@pytest.mark.parametrize(
    ("last", "cached", "reasoning"),
    [
        ({"choices": [], "usage": USAGE}, 0, 0),
        (delta(None, "stop", usage=USAGE), 0, 0),
        ({"choices": [], "usage": {**USAGE, "prompt_cache_hit_tokens": 5}}, 5, 0),
        ({"choices": [], "usage": {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}}, 0, 0),
        ({"choices": [], "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 99},
                                   "completion_tokens_details": {"reasoning_tokens": 1}}}, 7, 1),
    ],
    ids=["alone", "with the finish", "DeepSeek's cache", "null details", "more cached than sent"],
)  # fmt: skip
async def test_usage_is_taken_wherever_it_comes(last: dict[str, Any], cached: int, reasoning: int) -> None:
    async with imitating(Stream((delta("Hello"), last), done=False)) as server, backend(server.url) as asked:
        used = (await ask(asked)).finished.usage
    assert (used.prompt_tokens, used.completion_tokens, used.estimated) == (7, 2, False)
    assert (used.cached_tokens, used.reasoning_tokens) == (cached, reasoning)


@pytest.mark.parametrize("charset", ["utf-16", "utf-32", "idna", "zlib", "no-such", "utf-8"])
async def test_a_refusal_in_another_charset_than_it_says_is_a_refusal(charset: str) -> None:
    headers = {"Content-Type": f"text/html; charset={charset}"}
    refused = [Plain(b"\xffoops\xf0", 503, headers), Plain(b'{"error": {"code": "content_filter"}}', 400, headers)]
    async with imitating(*refused) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert isinstance(answer.waits[0].failure, ModelUnavailable)
    assert type(answer.failure) is ContentRefused


@pytest.mark.parametrize("name", ["what people said", "x" * 129, "\n", 5, None, []])
async def test_a_model_by_no_name_is_the_one_asked_for(name: Any) -> None:
    async with imitating(Stream((delta("Hello", "stop", model=name),))) as server, backend(server.url) as asked:
        assert (await ask(asked, request(model="llama"))).finished.model == "llama"


@pytest.mark.parametrize(
    "usage",
    [
        *({"prompt_tokens": None}, {}, [], {"prompt_tokens": "7", "completion_tokens": "2"}),
        {"prompt_tokens": 2**63, "completion_tokens": 2},
        {"prompt_tokens": 7, "completion_tokens": -2},
        {"prompt_tokens": True, "completion_tokens": 2},
    ],
)
async def test_a_usage_that_makes_no_sense_is_estimated(usage: Any) -> None:
    async with imitating(Stream((delta("Hello", "stop", usage=usage),))) as server, backend(server.url) as asked:
        assert (await ask(asked)).finished.usage.estimated


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("tool_calls", "stop"),
    ],
)
async def test_finish_reasons_by_other_names(finish: str, reason: str) -> None:
    async with imitating(Stream((delta("Hello", finish),))) as server, backend(server.url) as asked:
        assert (await ask(asked)).finished.reason == reason


@pytest.mark.parametrize(
    "broken",
    [
        Stream((delta("Hal"), delta(None, "error"))),
        Stream((delta("Hal"), delta(None, "abort"))),
        Stream((delta("Hal"), {"error": "overloaded"})),
        Stream((delta("Hal"), {"object": "error", "message": "oops", "code": 500})),
        Stream((delta("Hal"), 'event: error\ndata: {"message": "oops"}')),
        Stream((delta("Hal"), 'event: error\ndata: "oops"')),
        Stream((delta("Hal"), {"choices": [{"delta": {}, "error": {"code": 502, "message": "oops"}}]})),
        Stream((delta("Hal"), "data: {broken")),
        Stream((delta("Hal"),), done=False),
        Stream((delta(None),)),
        Stream(()),
    ],
    ids=[
        "error",
        "abort",
        "text",
        "vLLM",
        "event",
        "event with text",
        "OpenRouter",
        "garbage",
        "no end",
        "empty",
        "nothing",
    ],
)
async def test_a_stream_that_breaks_is_tried_again(broken: Stream) -> None:
    async with imitating(broken, Stream((delta("Hello", "stop"),))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.finished.attempts == 2
    assert isinstance(answer.waits[0].failure, ModelUnavailable)


@pytest.mark.parametrize("how", ["ended", "silent", "reset"])
async def test_a_usage_in_every_chunk_does_not_make_a_cut_answer_whole(how: str) -> None:
    halves: tuple[Event, ...] = (
        delta("The first", usage=USAGE),
        delta(" half of", usage={**USAGE, "total_tokens": 10}),
    )
    broken = Stream((*halves, 1.0) if how == "silent" else halves, done=False, reset=how == "reset")
    whole = Stream((delta("Hello", usage=USAGE), delta(None, "stop", usage=USAGE)))
    async with imitating(broken, whole) as server, backend(server.url, idle_timeout=0.2) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.finished.attempts == 2
    assert isinstance(answer.waits[0].failure, StreamStalled if how == "silent" else StreamCut)


async def test_a_usage_alone_after_which_more_is_said_is_no_end() -> None:
    broken = Stream((delta("Hal"), {"choices": [], "usage": USAGE}, delta("lo")), done=False)
    async with imitating(broken, Stream((delta("Hello", "stop"),))) as server, backend(server.url) as asked:
        assert (await ask(asked)).finished.attempts == 2


async def test_a_stream_that_stalls_after_a_usage_alone_is_not_taken_for_whole() -> None:
    stalled = Stream((delta("Hal"), {"choices": [], "usage": USAGE}, 1.0), done=False)
    settings = {"idle_timeout": 0.2}
    async with (
        imitating(stalled, Stream((delta("Hello", "stop"),))) as server,
        backend(server.url, **settings) as asked,
    ):
        assert (await ask(asked)).finished.attempts == 2


async def test_a_whole_completion_needs_no_finish_reason() -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": "Hello"}}], "usage": USAGE}
    async with imitating(Plain(whole)) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.finished.attempts == 1


async def test_an_error_in_mid_stream_that_is_final_ends_it() -> None:
    error = {"error": {"code": "content_filter", "message": "no"}}
    async with imitating(Stream((delta("Hal"), error))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is ContentRefused


async def test_a_model_that_opens_and_then_thinks_silently_gets_its_time_at_the_second_try_and_from_then_on() -> None:
    thinking = Stream((delta(""), 0.4, delta("Hello", "stop")))
    settings = {"idle_timeout": 0.15, "first_token_timeout": 1.0}
    async with imitating(*[thinking] * 3) as server, backend(server.url, **settings) as asked:
        attempts = [(await ask(asked)).finished.attempts for _ in range(2)]
    assert attempts == [2, 1]


async def test_empty_chunks_do_not_keep_a_stalled_stream_alive() -> None:
    empty: tuple[Event, ...] = (delta(""), 0.05)
    dribbling = Stream((delta("Hal"), *empty * 12, delta("lo", "stop")))
    async with (
        imitating(dribbling, Stream((delta("Hello", "stop"),))) as server,
        backend(server.url, idle_timeout=0.2) as asked,
    ):
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert isinstance(answer.waits[0].failure, StreamStalled)


async def test_an_answer_with_its_finish_reason_is_whole_though_nothing_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "TRAILER", 0.1)
    async with imitating(Stream((delta("Hello", "stop"), 0.5))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.finished.attempts == 1
    assert answer.took < 0.45


async def test_a_server_that_keeps_the_response_open_after_its_end_does_not_hold_the_answer_up() -> None:
    async with imitating(Stream((delta("Hello", "stop"), "data: [DONE]", 0.5))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.took < 0.45


async def test_garbage_instead_of_a_whole_completion_is_tried_again() -> None:
    garbage = Plain("{", headers={"content-type": "application/json"})
    async with imitating(garbage, Stream((delta("Hello", "stop"),))) as server, backend(server.url) as asked:
        assert (await ask(asked)).finished.attempts == 2


async def test_a_server_that_does_not_stream_is_read_whole() -> None:
    whole = {"object": "chat.completion", "model": "llama", "usage": USAGE,
             "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}  # fmt: skip
    async with imitating(Plain(whole)) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.finished.usage.completion_tokens == 2


async def test_a_model_that_thinks_aloud_is_not_taken_for_a_stalled_one() -> None:
    thoughts = [{"choices": [{"delta": {"reasoning_content": "hm"}}]}, {"choices": [{"delta": {"reasoning": "hm"}}]}]
    async with imitating(Stream((*thoughts, delta("Hello", "stop")))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"


async def test_a_rate_limit_in_mid_stream_by_number_alone() -> None:
    limited = Stream((delta("Hal"), {"error": {"code": 429, "message": "slow"}}))
    async with imitating(limited, Stream((delta("Hello", "stop"),))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.waits == [] or isinstance(answer.waits[0].failure, ModelRateLimited)


async def test_a_cut_stream_of_such_a_server_is_a_cut_one() -> None:
    async with imitating(*[Stream((delta("Hal"),), done=False)] * 3) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is StreamCut
