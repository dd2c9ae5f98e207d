"""Servers that speak OpenAI's protocol nearly: Ollama, vLLM, OpenRouter, Azure, LiteLLM, llama.cpp and their like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.backend import exchange
from bot.backend.parameters import LIMITS
from bot.errors import (
    ContentRefused,
    ContextTooLong,
    KeyRefused,
    ModelFailure,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
    ModelUnknown,
    QuotaExhausted,
    StreamCut,
    StreamStalled,
)
from tests.backend.asking import ask, backend, request
from tests.backend.imitator import Event, Plain, Stream, delta, imitating

LIMIT = "max_completion_tokens"
EXTRA = [{"type": "extra_forbidden", "loc": ["body", LIMIT], "msg": "Extra inputs are not permitted"}]
TOO_LONG = "This model's maximum context length is 4096 tokens."
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


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (402, {"error": {"message": "Insufficient credits", "code": 402}}, QuotaExhausted),
        (403, {"error": {"message": "flagged", "code": 403, "metadata": {"flagged_input": "x"}}}, ContentRefused),
        (400, {"error": {"code": "?", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, ContentRefused),
        (404, {"error": {"code": "DeploymentNotFound", "message": "no"}}, ModelUnknown),
        (404, {"error": "model 'llama' not found, try pulling it first"}, ModelUnknown),
        (404, "404 page not found", ModelUnknown),
        (401, {"detail": "Unauthorized"}, KeyRefused),
        (400, {"object": "error", "code": 400, "param": None, "message": TOO_LONG}, ContextTooLong),
        (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "long"}}, ContextTooLong),
        (400, {"error": {"message": "nope", "code": 400}}, ModelRefused),
        (400, {"error": {"message": "max_tokens of what?", "code": 400}}, ModelRefused),
        (400, {"error": {"message": "temperature", "code": "odd"}}, ModelRefused),
        (422, {"detail": "I do not stream today"}, ModelRefused),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "no"}, 7]}, ModelRefused),
        (422, {"detail": [{"loc": 7, "msg": "no"}, {"loc": {"a": 1}}]}, ModelRefused),
        (422, {"object": "error", "message": {"detail": None}}, ModelRefused),
        (422, {"object": "error", "message": "{not JSON"}, ModelRefused),
        (422, {"object": "error", "message": "{}"}, ModelRefused),
        (400, [], ModelRefused),
    ],
)
async def test_refusals_in_other_shapes_mean_the_same(status: int, body: Any, expected: type[ModelFailure]) -> None:
    async with imitating(Plain(body, status)) as server, backend(server.url) as asked:
        assert type((await ask(asked)).failure) is expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": f"Unrecognized request argument supplied: {LIMIT}", "param": None, "code": None}}),
        (422, {"detail": EXTRA}),
        (422, {"object": "error", "message": {"detail": EXTRA}, "type": "invalid_request_error", "param": None}),
        (422, {"object": "error", "message": json.dumps({"detail": EXTRA}), "type": "invalid_request_error"}),
        (400, {"detail": f"unexpected keyword '{LIMIT}'"}),
        (400, {"object": "error", "message": f"{LIMIT}: unknown", "type": "BadRequestError", "code": 400}),
        (400, f"unknown field {LIMIT}"),
        (400, {"error": {"message": "no", "param": LIMIT, "code": "unknown_parameter"}}),
        (400, {"error": {"message": "no", "param": "max_tokens", "code": "unsupported_parameter"}}),
    ],
    ids=["Azure", "FastAPI", "Mistral", "Mistral, written out", "detail", "vLLM", "text", "param", "the other name"],
)
async def test_a_refused_parameter_is_found_without_openais_fields(status: int, body: Any) -> None:
    fine = Stream((delta("Hello", "stop"),))
    async with imitating(Plain(body, status), fine, fine) as server, backend(server.url) as asked:
        for _ in range(2):
            assert (await ask(asked, request(max_output_tokens=9, temperature=0.1))).text == "Hello"
    assert [body.get("max_tokens") for body in server.bodies] == [None, 9, 9]
    assert all(body["temperature"] == 0.1 for body in server.bodies)


async def test_a_model_that_takes_no_limit_on_its_answer_by_either_name_is_known() -> None:
    refusals = [Plain({"error": {"message": "no", "param": name, "code": "unknown_parameter"}}, 400) for name in LIMITS]
    async with imitating(*refusals, Stream((delta("Hello", "stop"),))) as server, backend(server.url) as asked:
        assert asked.limits_length("gpt-4o-mini")
        assert (await ask(asked, request(max_output_tokens=9))).text == "Hello"
        assert not asked.limits_length("gpt-4o-mini")
        assert asked.limits_length("another")


async def test_a_word_that_only_contains_a_parameters_name_does_not_name_it() -> None:
    refusal = Plain({"error": {"message": "bad temperatures and max_completion_tokens_x", "code": None}}, 400)
    async with imitating(refusal) as server, backend(server.url) as asked:
        answer = await ask(asked, request(max_output_tokens=9, temperature=0.1))
    assert type(answer.failure) is ModelRefused


async def test_a_rate_limit_in_mid_stream_by_number_alone() -> None:
    limited = Stream((delta("Hal"), {"error": {"code": 429, "message": "slow"}}))
    async with imitating(limited, Stream((delta("Hello", "stop"),))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Hello"
    assert answer.waits == [] or isinstance(answer.waits[0].failure, ModelRateLimited)


async def test_what_a_provider_writes_into_its_codes_does_not_reach_the_detail() -> None:
    refusal = Plain({"error": {"code": "key sk-abc is bad", "type": "x\ny", "param": "ok_param"}}, 400)
    async with imitating(refusal) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert isinstance(answer.failure, ModelFailure)
    assert answer.failure.detail == "400 ok_param"


async def test_a_cut_stream_of_such_a_server_is_a_cut_one() -> None:
    async with imitating(*[Stream((delta("Hal"),), done=False)] * 3) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is StreamCut
