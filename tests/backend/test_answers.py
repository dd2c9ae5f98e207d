"""An answer that comes as it should: what is asked, what is told, exact usage, and how it is broken off."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest
from yarl import URL

from bot.backend import tokens
from bot.backend.client import Backend, BackendConfig
from bot.backend.completion import CompletionRequest, Finished, ModelMessage, Text
from emulators.openai import OpenAIService, Reply, Speed, Usage
from tests.backend.asking import KEY, Answer, ask, backend, request

LONG = "one two three four five " * 20


async def test_the_answer_comes_in_pieces_and_ends_with_the_exact_usage(service: OpenAIService) -> None:
    usage = Usage(prompt=2000, completion=120, cached=1920, reasoning=20)
    service.script(Reply(LONG, chunk_delay=0.005, usage=usage))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == LONG
    assert sum(isinstance(event, Text) for event in answer.events) > 10
    used = answer.finished.usage
    assert (used.prompt_tokens, used.cached_tokens, used.completion_tokens, used.reasoning_tokens) == (
        2000,
        1920,
        120,
        20,
    )
    assert not used.estimated
    assert answer.finished.reason == "stop"
    assert answer.finished.model == "gpt-4o-mini-2024-07-18"
    assert answer.finished.attempts == 1


async def test_what_comes_at_once_is_said_at_once(service: OpenAIService) -> None:
    service.script(Reply(LONG))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == LONG
    assert sum(isinstance(event, Text) for event in answer.events) < 10


async def test_many_answers_at_once_come_in_larger_pieces_and_whole(service: OpenAIService) -> None:
    many = 40
    service.speed = Speed(stream_seconds=0.4)
    for _ in range(1 + many):
        service.script(Reply(LONG))
    async with backend(service.url, concurrency=many) as asked:
        alone = await ask(asked)
        together = await asyncio.gather(*(ask(asked) for _ in range(many)))
    assert {answer.text for answer in together} == {LONG}

    def pieces(answer: Answer) -> int:
        return sum(isinstance(event, Text) for event in answer.events)

    # Each of the many is read every 40 ms: some ten times while it lasts.
    assert max(map(pieces, together)) < pieces(alone) / 2


async def test_the_request_streams_with_usage_and_carries_only_what_is_set(service: OpenAIService) -> None:
    messages = (ModelMessage("system", "Be short."), ModelMessage("assistant", "Hi"), ModelMessage("user", "Go on"))
    async with backend(service.url) as asked:
        await ask(asked, CompletionRequest("gpt-4o-mini", messages, temperature=0.0, max_output_tokens=64))
        await ask(asked)
    first, second = (call.body for call in service.calls)
    assert first == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": "Go on"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "max_completion_tokens": 64,
    }
    assert set(second) == {"model", "messages", "stream", "stream_options"}


async def test_counting_a_prompt_gives_what_is_billed(service: OpenAIService) -> None:
    messages = (ModelMessage("system", "Be short. 🦜"), ModelMessage("user", "Wie spät ist es?"))
    async with backend(service.url) as asked:
        answer = await ask(asked, CompletionRequest("gpt-4o-mini", messages))
    assert answer.finished.usage.prompt_tokens == tokens.count_messages(messages, "gpt-4o-mini")


async def test_an_answer_cut_at_its_limit_says_so(service: OpenAIService) -> None:
    service.script(Reply(LONG))
    async with backend(service.url) as asked:
        answer = await ask(asked, request(max_output_tokens=20))
    assert answer.finished.reason == "length"
    assert 0 < len(answer.text) < len(LONG)


async def test_an_answer_stopped_by_the_content_filter_says_so(service: OpenAIService) -> None:
    service.script(Reply("Some of it", finish_reason="content_filter"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.finished.reason == "content_filter"
    assert answer.text == "Some of it"


async def test_a_refusal_of_the_model_is_an_answer(service: OpenAIService) -> None:
    service.script(Reply(refusal="I would rather not."))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == "I would rather not."
    assert answer.finished.reason == "stop"


async def test_closing_the_generator_ends_the_call_at_once(service: OpenAIService) -> None:
    service.script(Reply(LONG, chunk_delay=0.05))
    async with backend(service.url) as asked:
        async with aclosing(asked.stream(request())) as events:
            async for event in events:
                if isinstance(event, Text):
                    break
        await service.wait_for(lambda: service.calls[0].disconnected, timeout=10.0)
    assert service.calls[0].text != LONG


async def test_cancelling_the_reader_ends_the_call_at_once(service: OpenAIService) -> None:
    service.script(Reply(LONG, first_token_delay=5.0))
    async with backend(service.url, first_token_timeout=10.0) as asked:
        task = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: service.calls)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await service.wait_for(lambda: service.calls[0].disconnected, timeout=10.0)


async def test_no_more_calls_run_at_once_than_the_bound_allows(service: OpenAIService) -> None:
    service.responder = lambda _: Reply("Yes", first_token_delay=0.1)
    async with backend(service.url, concurrency=2) as asked, asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(asked)) for _ in range(6)]
    assert all(task.result().text == "Yes" for task in tasks)
    spans = [(call.started, call.finished or 0.0) for call in service.calls]
    assert max(sum(start <= moment < end for start, end in spans) for moment, _ in spans) == 2


async def test_a_slow_reader_is_not_taken_for_a_stalled_stream(service: OpenAIService) -> None:
    service.script(Reply("a b c", by_words=True))
    async with backend(service.url, idle_timeout=0.1) as asked:
        text = ""
        async with aclosing(asked.stream(request())) as events:
            async for event in events:
                await asyncio.sleep(0.15)
                text += event.text if isinstance(event, Text) else ""
    assert text == "a b c"
    assert isinstance(event, Finished)
    assert len(service.calls) == 1


async def test_connections_are_used_again(service: OpenAIService) -> None:
    connections = 0

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", URL(service.url).port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pipe(reader, there_writer))
            group.create_task(pipe(there_reader, writer))

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as between:
        port = between.sockets[0].getsockname()[1]
        async with backend(f"http://127.0.0.1:{port}/v1") as asked:
            for _ in range(3):
                assert (await ask(asked)).text
    assert connections == 1


async def test_the_doctor_is_told_that_all_is_well(service: OpenAIService) -> None:
    async with backend(service.url, KEY, "sk-second-key") as asked:
        await asked.check("gpt-5.4-mini")
    assert [call.key for call in service.calls] == [KEY, "sk-second-key"]


def test_a_backend_needs_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        BackendConfig(())


async def test_a_key_shows_in_no_repr_and_in_no_log(
    service: OpenAIService, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.revoke(KEY)
    config = BackendConfig((KEY,), service.url)
    async with Backend(config) as asked:
        answer = await ask(asked, request("a secret question"))
    seen = capsys.readouterr()
    everything = repr(config) + repr(answer.failure) + str(answer.failure) + seen.out + seen.err
    assert "key_label" in everything
    assert KEY not in everything
    assert KEY[-6:] not in everything
    assert "secret question" not in everything + caplog.text.replace(service.url, "")
    assert KEY not in caplog.text
    assert answer.failure is not None
    assert answer.failure.__context__ is None
    assert answer.failure.__cause__ is None
