"""The emulated OpenAI held against OpenAI's published document: the SDK's requests and its own answers.

`talking` is how the tests beside this one reach the service: the real SDK over a real socket, every request judged
at the end where the contract is at hand.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI, DefaultAioHttpClient
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from emulators.openai import OpenAIService, Reply, ToolCall, errors
from emulators.recording import RecordedRequest

CONTRACT = Path(__file__).parents[2].parent / "shared" / "contract"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all: loading certificates for each client takes longest
KEY = "sk-emulated-key"
MODEL = "gpt-4o-mini"
with_contract = pytest.mark.skipif(
    not (CONTRACT / "contract.py").exists(), reason="../shared/contract is not there: answers cannot be judged"
)


@functools.cache
def contract() -> ModuleType | None:
    """The judge of requests, or None where the folder is not there."""
    spec = importlib.util.spec_from_file_location("contract", CONTRACT / "contract.py")
    if spec is None or spec.loader is None or not (CONTRACT / "contract.py").exists():
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def offences(requests: list[RecordedRequest]) -> list[str]:
    """What the contract objects to in these requests."""
    judge = contract()
    if judge is None:
        return []
    return [
        problem
        for seen in requests
        for problem in judge.check("openai", seen.method, seen.path, seen.query, dict(seen.headers), seen.body)
    ]


@asynccontextmanager
async def talking(
    service: OpenAIService | None = None, *, key: str = KEY, timeout: float = 5.0, judged: bool = True
) -> AsyncIterator[tuple[OpenAIService, AsyncOpenAI]]:
    """A running service and the SDK's client for it; `judged` false where a test sends nonsense on purpose."""
    async with (
        service or OpenAIService() as openai,
        AsyncOpenAI(
            api_key=key,
            base_url=openai.url,
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAioHttpClient(verify=TLS),
        ) as client,
    ):
        yield openai, client
        if judged:
            assert offences(openai.requests) == []


def user(text: str) -> list[Any]:
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


async def raw_stream(openai: OpenAIService, **body: Any) -> list[str]:
    """The lines of a stream as they come over the wire, without the SDK in between."""
    body = {"model": MODEL, "messages": user("hello"), "stream": True, **body}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{openai.url}/chat/completions", json=body, headers=headers) as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        return (await response.text()).splitlines()


@functools.cache
def published(schema: str) -> Draft202012Validator:
    """A validator of one of the document's schemas; its `nullable`, which is no JSON Schema, is put into words."""

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        inner = {name: put(value) for name, value in node.items() if name != "nullable"}
        return {"anyOf": [inner, {"type": "null"}]} if node.get("nullable") is True else inner

    document = put(json.loads((CONTRACT / "openai-openapi.json").read_text()))
    registry: Registry[Any] = Registry().with_resource("urn:openai", DRAFT202012.create_resource(document))
    return Draft202012Validator({"$ref": f"urn:openai#/components/schemas/{schema}"}, registry=registry)


def problems(schema: str, value: Any) -> list[str]:
    """Where a value departs from a published schema."""
    return [error.message for error in published(schema).iter_errors(value)]


REPLIES = [
    Reply("Some **text** with an emoji 🎈."),
    Reply("", tool_calls=(ToolCall("look_up", '{"what": "tea"}'), ToolCall("look_up", '{"what": "milk"}'))),
    Reply(refusal="I'm sorry, I can't help with that."),
    Reply("Half of", finish_reason="content_filter"),
]
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]


@with_contract
@pytest.mark.parametrize("reply", REPLIES)
async def test_every_event_of_a_stream_has_the_published_shape(reply: Reply) -> None:
    async with OpenAIService() as openai:
        openai.script(reply)
        lines = await raw_stream(openai, stream_options={"include_usage": True}, tools=TOOLS)
        assert lines[1::2] == [""] * (len(lines) // 2)
        assert lines[-2] == "data: [DONE]"
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2:2]]
        assert [problem for chunk in chunks for problem in problems("CreateChatCompletionStreamResponse", chunk)] == []


@with_contract
@pytest.mark.parametrize("reply", REPLIES)
async def test_a_whole_completion_has_the_published_shape(reply: Reply) -> None:
    async with talking() as (openai, client):
        openai.script(reply)
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=user("hi"))
        assert problems("CreateChatCompletionResponse", json.loads(raw.text)) == []


@with_contract
async def test_the_list_of_models_has_the_published_shape() -> None:
    async with talking() as (_, client):
        raw = await client.models.with_raw_response.list()
        assert problems("ListModelsResponse", json.loads(raw.text)) == []


@with_contract
@pytest.mark.parametrize(
    "fault", [errors.rate_limited(), errors.invalid_api_key(), errors.server_error(), errors.unsupported_parameter("x")]
)
def test_errors_have_the_published_shape(fault: Any) -> None:
    assert problems("ErrorResponse", fault.body) == []


@with_contract
async def test_the_contract_catches_a_request_that_is_off_it() -> None:
    async with talking(judged=False) as (openai, client):
        await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert offences(openai.requests) == []
        openai.faults.add("/chat/completions", errors.bad_request("no"))
        with pytest.raises(Exception, match="no"):
            await client.post("/chat/completions", body={"model": MODEL, "messages": []}, cast_to=object)
        assert offences(openai.requests) != []
