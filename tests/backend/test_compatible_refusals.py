"""What servers refuse that speak OpenAI's protocol nearly, in their own shapes and words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.backend.failures import diagnose_event
from bot.backend.parameters import LIMITS
from bot.errors import (
    ContentRefused,
    ContextTooLong,
    KeyRefused,
    ModelFailure,
    ModelRateLimited,
    ModelRefused,
    ModelUnknown,
    QuotaExhausted,
    RequestTooLarge,
)
from tests.backend.asking import ask, backend, request
from tests.backend.imitator import Plain, Stream, delta, imitating

LIMIT = "max_completion_tokens"
EXTRA = [{"type": "extra_forbidden", "loc": ["body", LIMIT], "msg": "Extra inputs are not permitted"}]
TOO_LONG = "This model's maximum context length is 4096 tokens."
TOO_LONG_TOGETHER = (
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 8192 tokens "
    "and your request has 5000 input tokens (4096 > 8192 - 5000)."
)
KEPT_TOO_LONG = "The number of tokens to keep from the initial prompt is greater than the context length."


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
        (400, {"error": {"code": 400, "param": "input_tokens", "message": TOO_LONG}}, ContextTooLong),
        (400, {"error": {"code": 400, "message": "is longer than the maximum model length of 9"}}, ContextTooLong),
        (400, {"error": {"message": KEPT_TOO_LONG}}, ContextTooLong),
        (400, {"error": {"code": "odd", "param": "x", "message": TOO_LONG}}, ModelRefused),
        (400, {"error": {"code": 400, "param": "stop", "message": TOO_LONG}}, ModelRefused),
        (413, {"error": {"code": "rate_limit_exceeded", "type": "tokens", "message": "too large"}}, RequestTooLarge),
        (413, "<html>Request Entity Too Large</html>", ModelRefused),
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


@pytest.mark.parametrize("param", ["max_tokens", "max_completion_tokens", "input_tokens", None])
async def test_a_limit_that_is_too_large_beside_the_prompt_is_no_parameter_that_is_refused(param: str | None) -> None:
    error = {"message": TOO_LONG_TOGETHER, "type": "BadRequestError", "param": param, "code": 400}
    fine = Stream((delta("Hello", "stop"),))
    async with imitating(Plain({"error": error}, 400), fine) as server, backend(server.url) as asked:
        assert type((await ask(asked, request(max_output_tokens=4096))).failure) is ContextTooLong
        assert (await ask(asked, request(max_output_tokens=100))).text == "Hello"
    assert server.bodies[-1][LIMIT] == 100


async def test_a_prompt_that_is_too_long_is_said_to_be_within_a_stream_as_well() -> None:
    error = {"error": {"message": KEPT_TOO_LONG}}
    said = f"event: error\ndata: {json.dumps(error)}"
    answers = (Stream((said,), done=False), Stream((error,), done=False))
    async with (
        imitating(*answers, Stream((delta("Hello", "stop"),))) as server,
        backend(server.url, breaker_threshold=1) as asked,
    ):
        for _ in answers:
            assert type((await ask(asked)).failure) is ContextTooLong
        assert (await ask(asked)).waits == []


async def test_a_word_that_only_contains_a_parameters_name_does_not_name_it() -> None:
    refusal = Plain({"error": {"message": "bad temperatures and max_completion_tokens_x", "code": None}}, 400)
    async with imitating(refusal) as server, backend(server.url) as asked:
        answer = await ask(asked, request(max_output_tokens=9, temperature=0.1))
    assert type(answer.failure) is ModelRefused


async def test_what_a_provider_writes_into_its_codes_does_not_reach_the_detail() -> None:
    refusal = Plain({"error": {"code": "key sk-abc is bad", "type": "x\ny", "param": "ok_param"}}, 400)
    async with imitating(refusal) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert isinstance(answer.failure, ModelFailure)
    assert answer.failure.detail == "400 ok_param"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Rate limit reached on tokens per min (TPM): Limit 30000, Requested 36278.", RequestTooLarge),
        ("Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 1800.", ModelRateLimited),
        ("concurrency limit: 2, you requested: 3 concurrent requests", ModelRateLimited),
        ("Limit: 5 requests per min. Requested 8", ModelRateLimited),
    ],
)
def test_only_what_asks_for_more_tokens_than_there_are_in_a_minute_is_too_large(
    words: str, expected: type[ModelFailure]
) -> None:
    said = {"code": "rate_limit_exceeded", "message": words}
    assert type(diagnose_event(said, ()).failure) is expected
