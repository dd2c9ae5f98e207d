"""What a client sees of a healthy OpenAI: models, whole and streamed completions, tool calls, ends and headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AuthenticationError, BadRequestError, NotFoundError

from emulators.openai import ChatRequest, OpenAIService, Reply, ToolCall
from tests.emulators.test_openai_contract import KEY, MODEL, TOOLS, raw_stream, talking, user

USAGE: Any = {"include_usage": True}
ALL_TOOLS: Any = TOOLS


async def test_models_are_listed_and_shown_one_by_one() -> None:
    async with talking() as (_, client):
        names = [model.id async for model in client.models.list()]
        assert {"gpt-4o-mini", "gpt-5.4-mini", "gpt-5.5"} <= set(names)
        assert (await client.models.retrieve("gpt-5.4-mini")).owned_by == "system"
        with pytest.raises(NotFoundError) as refused:
            await client.models.retrieve("gpt-0")
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


async def test_only_the_models_asked_for_are_served() -> None:
    async with talking(OpenAIService(models=["gpt-4o"], windows={"local": 4_096})) as (_, client):
        assert {model.id async for model in client.models.list()} == {"gpt-4o", "local"}
        with pytest.raises(NotFoundError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert refused.value.code == "model_not_found"
        assert (await client.chat.completions.create(model="local", messages=user("hi"))).model == "local"


def test_a_model_without_a_known_window_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="windows="):
        OpenAIService(models=["nobody-knows"])


async def test_a_completion_comes_whole_with_its_usage_and_the_dated_model() -> None:
    async with talking() as (openai, client):
        openai.script("Good morning to you.")
        answer = await client.chat.completions.create(model=MODEL, messages=user("hello"), temperature=0.4)
        assert answer.choices[0].message.content == "Good morning to you."
        assert answer.choices[0].finish_reason == "stop"
        assert answer.model == "gpt-4o-mini-2024-07-18"
        assert answer.usage is not None
        # "hello" as one user message costs 8 tokens at OpenAI: 3 + role + text, and 3 for the reply.
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (8, 5, 13)


async def test_a_stream_sends_role_then_text_then_finish_then_usage() -> None:
    text = "Streams carry *every* word, 漢字 and 🎈🧵 too."
    async with talking() as (openai, client):
        openai.script(text)
        stream = await client.chat.completions.create(
            model=MODEL, messages=user("hello"), stream=True, stream_options=USAGE
        )
        chunks = [chunk async for chunk in stream]
        first, *said, finish, usage = chunks
        assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
        assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == text
        assert all(chunk.choices[0].finish_reason is None and chunk.usage is None for chunk in said)
        assert finish.choices[0].finish_reason == "stop"
        assert usage.choices == []
        assert usage.usage is not None
        assert usage.usage.prompt_tokens == 8
        assert len({(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}) == 1


async def test_usage_and_obfuscation_are_sent_as_the_stream_options_say() -> None:
    async with OpenAIService() as openai:
        plain = [json.loads(line[6:]) for line in await raw_stream(openai) if line.startswith("data: {")]
        assert all("usage" not in chunk and chunk["obfuscation"] for chunk in plain)
        options = {"include_usage": True, "include_obfuscation": False}
        lines = await raw_stream(openai, stream_options=options)
        asked = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert all("obfuscation" not in chunk for chunk in asked)
        assert [chunk["usage"] is None for chunk in asked] == [True] * (len(asked) - 1) + [False]


async def test_tool_calls_come_whole_and_in_pieces() -> None:
    calls = (ToolCall("look_up", '{"what": "tea"}', id="call_1"), ToolCall("look_up", '{"what": "milk"}'))
    async with talking() as (openai, client):
        openai.script(Reply(tool_calls=calls), Reply(tool_calls=calls))
        whole = await client.chat.completions.create(model=MODEL, messages=user("hi"), tools=ALL_TOOLS)
        assert whole.choices[0].finish_reason == "tool_calls"
        assert whole.choices[0].message.content is None
        asked = whole.choices[0].message.tool_calls or []
        assert next(call.id for call in asked if call.type == "function") == "call_1"
        stream = await client.chat.completions.create(
            model=MODEL, messages=user("hi"), tools=ALL_TOOLS, tool_choice="auto", stream=True
        )
        names: dict[int, str] = {}
        arguments = {0: "", 1: ""}
        finish = None
        async for chunk in stream:
            finish = chunk.choices[0].finish_reason
            for call in chunk.choices[0].delta.tool_calls or []:
                assert call.function is not None
                if call.id is not None:
                    names[call.index] = call.function.name or ""
                arguments[call.index] += call.function.arguments or ""
        assert (names, finish) == ({0: "look_up", 1: "look_up"}, "tool_calls")
        assert arguments == {0: '{"what": "tea"}', 1: '{"what": "milk"}'}


async def test_the_answers_of_tools_go_back_into_the_conversation() -> None:
    seen: list[ChatRequest] = []

    def respond(request: ChatRequest) -> str:
        seen.append(request)
        return "Tea it is."

    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Tea?"}], "name": "Ada"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "yes"},
    ]
    async with talking(OpenAIService(responder=respond)) as (_, client):
        await client.chat.completions.create(model=MODEL, messages=messages, tools=ALL_TOOLS)
    assert (seen[0].system, seen[0].last, seen[0].messages[1].name) == ("Be brief.", "Tea?", "Ada")
    assert "look_up" in seen[0].messages[2].text


async def test_a_refusal_streams_as_a_refusal() -> None:
    async with talking() as (openai, client):
        openai.script(Reply(refusal="I can't help with that."))
        stream = await client.chat.completions.create(model=MODEL, messages=user("hi"), stream=True)
        deltas = [chunk.choices[0].delta async for chunk in stream]
        assert "".join(delta.refusal or "" for delta in deltas) == "I can't help with that."
        assert not any(delta.content for delta in deltas)


async def test_a_content_filter_ends_the_answer_with_its_reason() -> None:
    async with talking() as (openai, client):
        openai.script(Reply("Up to here", finish_reason="content_filter"))
        answer = await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Up to here", "content_filter")


@pytest.mark.parametrize("limit", ["max_completion_tokens", "max_tokens"])
async def test_the_token_limit_cuts_the_answer_and_says_so(limit: str) -> None:
    async with talking() as (openai, client):
        openai.script("one two three four five six")
        limits: Any = {limit: 3}
        answer = await client.chat.completions.create(model=MODEL, messages=user("hi"), **limits)
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one two three", "length")
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 3


async def test_an_answer_that_fits_its_limit_to_the_token_is_not_cut() -> None:
    async with talking() as (openai, client):
        openai.script("one two three")
        answer = await client.chat.completions.create(model=MODEL, messages=user("hi"), max_completion_tokens=3)
        assert answer.choices[0].finish_reason == "stop"


async def test_reasoning_counts_against_the_limit_and_in_the_usage() -> None:
    async with talking() as (openai, client):
        openai.script("one two three", Reply("one two three", reasoning_tokens=2))
        thought = await client.chat.completions.create(
            model="gpt-5-mini", messages=user("hi"), reasoning_effort="low", max_completion_tokens=64
        )
        assert (thought.choices[0].message.content, thought.choices[0].finish_reason) == ("", "length")
        assert thought.usage is not None
        assert thought.usage.completion_tokens_details is not None
        assert (thought.usage.completion_tokens, thought.usage.completion_tokens_details.reasoning_tokens) == (64, 64)
        brief = await client.chat.completions.create(model="gpt-5-mini", messages=user("hi"))
        assert brief.usage is not None
        assert brief.usage.completion_tokens == 5


async def test_stop_sequences_end_the_text_before_them() -> None:
    async with talking() as (openai, client):
        openai.script("alpha\nbeta\ngamma")
        answer = await client.chat.completions.create(model=MODEL, messages=user("hi"), stop=["\ngamma", "beta"])
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("alpha\n", "stop")


async def test_every_answer_carries_openais_headers() -> None:
    async with talking() as (_, client):
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=user("hi"))
        assert raw.headers["x-request-id"].startswith("req_")
        assert int(raw.headers["openai-processing-ms"]) > 0
        assert raw.headers["x-ratelimit-limit-requests"] == "500"
        # What was taken may be back before it is told: the limits are a minute's, and fill evenly.
        assert raw.headers["x-ratelimit-remaining-requests"] in ("499", "500")
        assert raw.headers["x-ratelimit-reset-requests"].endswith("ms")
        assert 499_000 < int(raw.headers["x-ratelimit-remaining-tokens"]) <= 500_000
        assert raw.headers["x-ratelimit-limit-tokens"] == "500000"


async def test_an_unknown_key_is_refused_with_the_key_masked() -> None:
    async with talking(key="sk-proj-abcdefghijklmnop1234") as (_, client):
        with pytest.raises(AuthenticationError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")
        assert "sk-proj-****************1234." in refused.value.message
        assert refused.value.request_id is not None


async def test_a_revoked_key_is_refused_until_it_is_accepted_again() -> None:
    async with talking() as (openai, client):
        openai.revoke(KEY)
        with pytest.raises(AuthenticationError):
            await client.models.list()
        openai.accept_key(KEY)
        await client.models.list()


async def test_a_request_without_a_key_is_refused() -> None:
    async with talking() as (_, client):
        with pytest.raises(AuthenticationError, match="You didn't provide an API key"):
            await client.get("/models", cast_to=object, options={"headers": {"Authorization": ""}})


async def test_unknown_addresses_and_methods_are_refused() -> None:
    async with talking(judged=False) as (openai, client):
        with pytest.raises(NotFoundError, match=r"Invalid URL \(POST /v1/responses\)"):
            await client.responses.create(model=MODEL, input="hi")
        with pytest.raises(NotFoundError, match="Invalid URL"):
            await client.post(openai.url.removesuffix("/v1") + "/chat/completions", cast_to=object)
        with pytest.raises(Exception, match="Not allowed to GET") as refused:
            await client.get("/chat/completions", cast_to=object)
        assert getattr(refused.value, "status_code", None) == 405


async def test_a_responder_may_be_a_coroutine_and_scripts_go_before_it() -> None:
    async def respond(request: ChatRequest) -> Reply:
        return Reply(f"{request.key} asked {request.last}")

    async with talking(OpenAIService(responder=respond)) as (openai, client):
        openai.script("scripted")
        texts = []
        for _ in range(2):
            answer = await client.chat.completions.create(model=MODEL, messages=user("hi"))
            texts.append(answer.choices[0].message.content)
        assert texts == ["scripted", f"{KEY} asked hi"]
        assert openai.scripted == 0


async def test_a_refused_request_does_not_use_up_the_script() -> None:
    async with talking(judged=False) as (openai, client):
        openai.script("kept")
        with pytest.raises(BadRequestError):
            await client.chat.completions.create(model=MODEL, messages=[])
        answer = await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert answer.choices[0].message.content == "kept"
