"""Streams that come slowly, break off, fall silent, fail half-way or are left by their reader."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import nullcontext
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI

from emulators.openai import OpenAIService, Reply, Speed, errors
from tests.emulators.test_openai_contract import MODEL, raw_stream, talking, user

TEXT = "The quick brown fox jumps over the lazy dog, and nobody minds."


async def read(client: AsyncOpenAI, into: list[str], **options: Any) -> str | None:
    """Read a stream's text piece by piece; returns its finish reason, None where it never came."""
    finish: str | None = None
    stream = await client.chat.completions.create(model=MODEL, messages=user("hi"), stream=True, **options)
    async for chunk in stream:
        for choice in chunk.choices:
            into.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
    return finish


@pytest.mark.parametrize("at", [0, 1, 21, len(TEXT), 10_000])
async def test_a_cut_stream_ends_in_a_connection_error_after_exactly_so_many_characters(at: int) -> None:
    async with talking() as (service, client):
        service.script(Reply(TEXT, cut_after=at))
        got: list[str] = []
        with pytest.raises(sdk.APIConnectionError):
            await read(client, got)
        assert "".join(got) == TEXT[:at]
        call = service.calls[0]
        assert (call.text, call.finish_reason, call.disconnected) == (TEXT[:at], None, None)
        assert call.usage is not None
        assert not call.usage_reported


async def test_a_stream_that_ends_politely_half_way_raises_nothing_and_has_no_finish_reason() -> None:
    async with talking() as (service, client):
        service.script(Reply(TEXT, cut_after=9, cut="end"), Reply(TEXT, cut_after=9, cut="end"))
        got: list[str] = []
        assert await read(client, got) is None
        assert "".join(got) == TEXT[:9]
        assert "[DONE]" not in "".join(await raw_stream(service))


async def test_a_stalled_stream_stays_open_until_the_reader_leaves_and_the_service_sees_that() -> None:
    async with talking() as (service, client):
        service.script(Reply(TEXT, stall_after=9))
        stream = await client.chat.completions.create(model=MODEL, messages=user("hi"), stream=True)
        got = ""
        while got != TEXT[:9]:
            got += (await anext(stream)).choices[0].delta.content or ""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(stream)
        await stream.close()
        call = await service.wait_for(lambda: next((call for call in service.calls if call.disconnected), None))
        assert call is not None
        assert call.disconnected is not None
        assert call.first_byte is not None
        assert call.disconnected > call.first_byte
        assert service.open_streams == []


async def test_the_sdks_own_timeout_ends_a_stalled_stream() -> None:
    async with talking(timeout=0.2) as (service, client):
        service.script(Reply(TEXT, stall_after=0))
        with pytest.raises(sdk.APITimeoutError):
            await read(client, [])
        await service.wait_for(lambda: any(call.disconnected for call in service.calls))


async def test_an_error_event_in_mid_stream_raises_with_its_message_and_code() -> None:
    async with talking() as (service, client):
        service.script(Reply(TEXT, error_after=9, error=errors.stream_error("Too busy.", code="rate_limit_exceeded")))
        got: list[str] = []
        with pytest.raises(sdk.APIError, match="Too busy") as failed:
            await read(client, got)
        assert not isinstance(failed.value, sdk.APIStatusError)
        assert failed.value.code == "rate_limit_exceeded"
        assert "".join(got) == TEXT[:9]
        service.script(Reply(TEXT, error_after=9))
        with pytest.raises(sdk.APIError, match="had an error"):
            await read(client, [])


async def test_a_slow_first_token_keeps_the_client_waiting() -> None:
    async with talking() as (service, client):
        service.script(Reply(TEXT, first_token_delay=0.15))
        start = time.monotonic()
        assert await read(client, []) == "stop"
        assert time.monotonic() - start >= 0.15
        call = service.calls[0]
        assert call.first_byte is not None
        assert call.first_byte - call.started >= 0.15


async def test_a_reader_that_leaves_before_the_first_token_is_seen_too() -> None:
    async with talking(timeout=0.3) as (service, client):
        service.script(Reply(TEXT, first_token_delay=30))
        with pytest.raises(sdk.APITimeoutError):
            await read(client, [])
        await service.wait_for(lambda: any(call.disconnected for call in service.calls))
        assert service.calls[0].status == 0


async def test_a_stream_takes_the_time_of_its_words() -> None:
    async with talking(OpenAIService(speed=100.0)) as (service, client):
        service.script(" ".join(["word"] * 20))
        start = time.monotonic()
        stream = await client.chat.completions.create(model=MODEL, messages=user("hi"), stream=True)
        stamps = [time.monotonic() - start async for _ in stream]
        assert 0.18 <= stamps[-1] < 3
        assert stamps[0] < stamps[len(stamps) // 2] < stamps[-1]


async def test_a_stream_is_spread_over_the_time_set_however_long_it_is() -> None:
    async with talking(OpenAIService(speed=Speed(stream_seconds=0.2))) as (service, client):
        for words in (3, 300):
            service.script(" ".join(["word"] * words))
            start = time.monotonic()
            await read(client, [])
            assert 0.18 <= time.monotonic() - start < 3


async def test_open_streams_are_listed_while_they_run() -> None:
    async with talking() as (service, client):
        service.script(Reply(TEXT, chunk_delay=0.01, by_words=True))
        async with asyncio.TaskGroup() as group:
            group.create_task(read(client, []))
            running = await service.wait_for(lambda: [call for call in service.open_streams if len(call.text) > 4])
            assert TEXT.startswith(running[0].text)
        await service.wait_for(lambda: not service.open_streams)


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        (Reply("naïve 🎈 tea", chunk_chars=4), ["naïv", "e 🎈 ", "tea"]),
        (Reply("naïve 🎈 tea\n", by_words=True), ["naïve", " 🎈", " tea", "\n"]),
        (Reply("one two three"), ["one", " two", " three"]),
        (Reply("one two three", error_after=5), ["one", " t"]),
        (Reply(""), []),
    ],
)
async def test_pieces_are_tokens_words_or_characters(reply: Reply, pieces: list[str]) -> None:
    async with talking() as (service, client):
        service.script(reply)
        got: list[str] = []
        with pytest.raises(sdk.APIError) if reply.error_after else nullcontext():
            await read(client, got)
        assert [piece for piece in got if piece] == pieces


async def test_at_full_speed_a_stream_leaves_in_one_write() -> None:
    async with OpenAIService() as service:
        service.script(TEXT * 50)
        lines = await raw_stream(service)
        said = [json.loads(line[6:])["choices"][0]["delta"] for line in lines if line.startswith("data: {")]
        assert "".join(delta.get("content") or "" for delta in said) == TEXT * 50
        assert len(said) > 500


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(TEXT, cut_after=3), sdk.APIConnectionError),
        (Reply(TEXT, stall_after=3), sdk.APITimeoutError),
        (Reply(TEXT, error_after=3), sdk.InternalServerError),
    ],
)
async def test_a_whole_answer_can_break_too(reply: Reply, kind: type[sdk.APIError]) -> None:
    async with talking(timeout=0.3) as (service, client):
        service.script(reply)
        with pytest.raises(kind):
            await client.chat.completions.create(model=MODEL, messages=user("hi"))


async def test_leaving_the_service_ends_its_open_streams_at_once() -> None:
    start = time.monotonic()
    async with AsyncOpenAI(api_key="sk-emulated-key", base_url="http://127.0.0.1:9", max_retries=0) as client:
        async with OpenAIService() as service:
            service.script(Reply(TEXT, stall_after=3))
            stream = await client.with_options(base_url=service.url).chat.completions.create(
                model=MODEL, messages=user("hi"), stream=True
            )
            await anext(aiter(stream))
        with pytest.raises(sdk.APIConnectionError):
            async for _ in stream:
                pass
        assert service.calls[0].disconnected is None
    assert time.monotonic() - start < 2
