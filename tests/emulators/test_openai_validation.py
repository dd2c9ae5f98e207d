"""Requests that OpenAI refuses, and what it says to each."""

from __future__ import annotations

from typing import Any

import aiohttp
import openai as sdk
import pytest

from emulators.openai import OpenAIService
from tests.emulators.test_openai_contract import KEY, MODEL, TOOLS, talking, user

HI = user("hi")
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
REFUSED: list[tuple[dict[str, Any], str, str | None, str | None]] = [
    # what is sent beside a good model and message, what is said, code, param
    ({"model": None}, "you must provide a model parameter", None, None),
    ({"model": 4}, "expected a string, but got an integer", "invalid_type", "model"),
    ({"colour": "red"}, "Unrecognized request argument supplied: colour", None, None),
    ({"a": 1, "b": 2}, "Unrecognized request arguments supplied: a, b", None, None),
    ({"messages": None}, "Missing required parameter: 'messages'", "missing_required_parameter", "messages"),
    ({"messages": []}, "Invalid 'messages': empty array", "empty_array", "messages"),
    ({"messages": "hi"}, "expected an array of objects, but got a string", "invalid_type", "messages"),
    ({"messages": ["hi"]}, "expected an object, but got a string", "invalid_type", "messages[0]"),
    ({"messages": [{"content": "hi"}]}, "'messages[0].role'", "missing_required_parameter", "messages[0].role"),
    ({"messages": [{"role": "bot", "content": "hi"}]}, "Invalid value: 'bot'", "invalid_value", "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "'messages[0].content'", "missing_required_parameter", "messages[0].content"),
    ({"messages": [{"role": "user", "content": None}]}, "got null", None, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 7}]}, "got an integer", "invalid_type", "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "empty array", "empty_array", "messages[0].content"),
    (
        {"messages": [{"role": "user", "content": "hi", "ts": "1"}]},
        "Unknown parameter: 'messages[0].ts'",
        "unknown_parameter",
        "messages[0].ts",
    ),
    (
        {"messages": [{"role": "user", "content": "hi", "name": "Ada Lovelace"}]},
        "string does not match pattern",
        "invalid_value",
        "messages[0].name",
    ),
    (
        {"messages": [{"role": "user", "content": "hi", "name": "a" * 65}]},
        "string too long",
        "string_above_max_length",
        "messages[0].name",
    ),
    (
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "Invalid value: 'image_url'",
        "invalid_value",
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "call_9"}]},
        "must be a response to a preceeding message",
        None,
        "messages.[0].role",
    ),
    (
        {"messages": [*HI, {"role": "assistant", "tool_calls": [CALL]}, *HI]},
        "must be followed by tool messages",
        None,
        "messages.[2].role",
    ),
    ({"temperature": "warm"}, "expected a decimal, but got a string", "invalid_type", "temperature"),
    ({"temperature": True}, "expected a decimal, but got a boolean", "invalid_type", "temperature"),
    ({"temperature": 2.1}, "Expected a value <= 2, but got 2.1", "decimal_above_max_value", "temperature"),
    ({"temperature": -0.1}, "Expected a value >= 0", "decimal_below_min_value", "temperature"),
    ({"top_p": 1.5}, "Expected a value <= 1", "decimal_above_max_value", "top_p"),
    ({"max_completion_tokens": 0}, "Expected a value >= 1", "integer_below_min_value", "max_completion_tokens"),
    ({"max_completion_tokens": 1.5}, "expected an integer", "invalid_type", "max_completion_tokens"),
    ({"max_completion_tokens": 20_000}, "is too large: 20000", "invalid_value", "max_completion_tokens"),
    (
        {"max_tokens": 5, "max_completion_tokens": 5},
        "at the same time",
        "invalid_parameter_combination",
        "max_tokens",
    ),
    ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'", None, "stream_options"),
    (
        {"stream": True, "stream_options": {"usage": True}},
        "Unknown parameter",
        "unknown_parameter",
        "stream_options.usage",
    ),
    ({"stream": "yes"}, "expected a boolean", "invalid_type", "stream"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "array too long", "array_above_max_length", "stop"),
    ({"tools": []}, "empty array", "empty_array", "tools"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter", "tools[0].function"),
    (
        {"tools": [{"type": "function", "function": {"name": "no spaces"}}]},
        "does not match pattern",
        "invalid_value",
        "tools[0].function.name",
    ),
    ({"tool_choice": "auto"}, "only allowed when 'tools' are specified", None, "tool_choice"),
    (
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "not found in 'tools'",
        "invalid_value",
        "tool_choice",
    ),
    ({"metadata": {"a": "b"}}, "only allowed when 'store'", None, "metadata"),
    ({"reasoning_effort": "huge"}, "Invalid value: 'huge'", "invalid_value", "reasoning_effort"),
    ({"reasoning_effort": "low"}, "Unrecognized request argument supplied: reasoning_effort", None, None),
    ({"verbosity": "low"}, "'verbosity' does not support 'low'", "unsupported_value", "verbosity"),
    ({"n": 2}, "does not act on 'n'", "emulator_unsupported", "n"),
    ({"response_format": {"type": "json_object"}}, "does not act on", "emulator_unsupported", "response_format.type"),
    ({"logit_bias": {"5": 1}}, "does not act on", "emulator_unsupported", "logit_bias"),
]


@pytest.mark.parametrize(("sent", "said", "code", "param"), REFUSED, ids=[str(row[0])[:60] for row in REFUSED])
async def test_a_wrong_request_is_refused_in_openais_words(
    sent: dict[str, Any], said: str, code: str | None, param: str | None
) -> None:
    async with talking(judged=False) as (_, client):
        with pytest.raises(sdk.BadRequestError) as refused:
            await client.post("/chat/completions", body={"model": MODEL, "messages": HI, **sent}, cast_to=object)
        error = refused.value
        assert said in error.message
        assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")


@pytest.mark.parametrize("model", ["gpt-5.4-mini", "gpt-5", "o3"])
@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        ({"temperature": 0.7, "reasoning_effort": "low"}, "unsupported_value", "temperature"),
        ({"max_tokens": 100}, "unsupported_parameter", "max_tokens"),
        ({"top_p": 0.5, "reasoning_effort": "low"}, "unsupported_parameter", "top_p"),
        ({"presence_penalty": 1}, "unsupported_parameter", "presence_penalty"),
        ({"stop": "\n"}, "unsupported_parameter", "stop"),
        ({"reasoning_effort": "max"}, "unsupported_value", "reasoning_effort"),
    ],
)
async def test_reasoning_models_refuse_sampling_and_the_old_limit(
    model: str, sent: dict[str, Any], code: str, param: str
) -> None:
    async with talking() as (_, client):
        with pytest.raises(sdk.BadRequestError) as refused:
            await client.chat.completions.create(model=model, messages=HI, **sent)
        assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize(
    ("model", "taken"), [("gpt-5.4-mini", True), ("gpt-5.1", True), ("gpt-5", False), ("o3", False)]
)
async def test_a_model_takes_a_temperature_where_it_can_do_without_reasoning(model: str, taken: bool) -> None:
    async with talking() as (service, client):
        try:
            await client.chat.completions.create(model=model, messages=HI, temperature=0.7)
        except sdk.BadRequestError as refused:
            assert refused.param == "temperature"
        assert [call.status for call in service.calls] == [200 if taken else 400]


async def test_what_a_chat_bot_sends_is_taken() -> None:
    async with talking() as (_, client):
        await client.chat.completions.create(
            model="gpt-5.4-mini",
            messages=[
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": "hi", "name": "Ada-Lovelace"},
                {"role": "assistant", "content": "hello"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]},
            ],
            max_completion_tokens=500,
            temperature=1,
            reasoning_effort="low",
            verbosity="low",
            service_tier="auto",
            safety_identifier="u1",
            prompt_cache_key="c1",
            store=False,
        )
        await client.chat.completions.create(
            model=MODEL, messages=HI, temperature=0, top_p=1, n=1, presence_penalty=0, stop="END", max_tokens=50, seed=7
        )


@pytest.mark.parametrize(
    ("data", "content_type", "said"),
    [
        (b"{", "application/json", "could not parse the JSON body"),
        (b"[]", "application/json", "could not parse the JSON body"),
        (b'{"temperature": NaN}', "application/json", "could not parse the JSON body"),
        (b"model=gpt", "application/x-www-form-urlencoded", "Unsupported content type"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(data: bytes, content_type: str, said: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": content_type}
    async with (
        OpenAIService() as service,
        aiohttp.ClientSession() as session,
        session.post(f"{service.url}/chat/completions", data=data, headers=headers) as response,
    ):
        assert response.status == 400
        assert said in (await response.json())["error"]["message"]
        assert service.calls[0].status == 400


async def test_a_prompt_over_the_window_is_refused_and_one_that_fills_it_is_not() -> None:
    async with talking(OpenAIService(windows={MODEL: 100})) as (service, client):
        with pytest.raises(sdk.BadRequestError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("word " * 100))
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")
        assert "maximum context length is 100 tokens" in refused.value.message
        # "hello" costs 8: with 92 for the answer the window is full, with 93 it is over.
        service.script("word " * 200)
        full = await client.chat.completions.create(model=MODEL, messages=user("hello"), max_completion_tokens=92)
        assert full.usage is not None
        assert full.usage.total_tokens == 100
        with pytest.raises(sdk.BadRequestError, match="you requested 101 tokens") as over:
            await client.chat.completions.create(model=MODEL, messages=user("hello"), max_completion_tokens=93)
        assert over.value.code == "context_length_exceeded"


async def test_the_windows_end_is_the_end_of_an_answer_without_a_limit() -> None:
    async with talking(OpenAIService(windows={MODEL: 20})) as (service, client):
        service.script("word " * 50)
        answer = await client.chat.completions.create(model=MODEL, messages=user("hello"))
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.total_tokens == 20


async def test_gpt_5_keeps_its_outputs_share_of_the_window_free() -> None:
    async with talking(OpenAIService(limits="none"), timeout=20) as (_, client):
        with pytest.raises(sdk.BadRequestError, match="configured limit of 272000 tokens") as refused:
            await client.chat.completions.create(model="gpt-5-mini", messages=user(" a" * 272_000))
        assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize("model", ["gpt-3.5-turbo", "gpt-4", "o3-mini"])
async def test_a_model_for_text_alone_takes_no_images(model: str) -> None:
    image: Any = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    parts: Any = [{"type": "text", "text": "what is this?"}, image]
    async with talking() as (_, client):
        with pytest.raises(sdk.BadRequestError) as refused:
            await client.chat.completions.create(
                model=model, messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": parts}]
            )
    assert refused.value.param == "messages.[1].content.[1].type"
