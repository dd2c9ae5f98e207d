"""Tokens to the figure: prompts, cached prefixes, the service's own books, and the limits per minute."""

from __future__ import annotations

from typing import Any

import openai as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.completion_usage import CompletionUsage

from emulators.openai import OpenAIService, Rates, Reply, Usage
from emulators.openai.tokens import PART, count, cut, encode, encoding, pieces, prompt_tokens
from tests.emulators.test_openai_contract import KEY, MODEL, talking, user


@pytest.mark.parametrize(
    ("messages", "tokens"),
    [
        # 3 a message + role + text (+ 1 + name), + 3: OpenAI's cookbook, "How to count tokens with tiktoken".
        ([{"role": "user", "content": "hello"}], 8),
        ([{"role": "user", "content": ""}], 7),
        ([{"role": "user", "content": "hello", "name": "Ada"}], 10),
        ([{"role": "system", "content": "hello"}, {"role": "user", "content": "hello"}], 13),
        ([{"role": "user", "content": [{"type": "text", "text": "hello"}]}], 8),
        ([{"role": "user", "content": "<|endoftext|>"}], 14),
    ],
)
def test_prompts_are_counted_as_openai_counts_them(messages: list[dict[str, Any]], tokens: int) -> None:
    assert len(prompt_tokens({"messages": messages}, MODEL)) == tokens


def test_the_cookbooks_own_example_comes_to_its_figure() -> None:
    system, example = "system", "system"
    messages = [
        {
            "role": system,
            "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain "
            "English.",
        },
        {"role": example, "name": "example_user", "content": "New synergies will help drive top-line growth."},
        {
            "role": example,
            "name": "example_assistant",
            "content": "Things working well together will increase revenue.",
        },
        {
            "role": example,
            "name": "example_user",
            "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased "
            "leverage.",
        },
        {
            "role": example,
            "name": "example_assistant",
            "content": "Let's talk later when we're less busy about how to do better.",
        },
        {
            "role": "user",
            "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        },
    ]
    body = {"messages": messages}
    assert (len(prompt_tokens(body, "gpt-4")), len(prompt_tokens(body, "gpt-4o-mini"))) == (129, 124)


def test_a_long_text_counts_as_much_as_its_tokenizer_says() -> None:
    text = "Count the words, 漢字 too, all over again.\n" * 3_000
    assert len(text) > 2 * PART
    assert encode(text, MODEL) == encoding(MODEL).encode_ordinary(text)
    assert count("x" * 1_200_000, MODEL) > 100_000


@given(st.text(max_size=200))
def test_pieces_join_to_the_text(text: str) -> None:
    text = text.encode(errors="ignore").decode()
    assert "".join(pieces(text, MODEL)) == text


@given(st.text(max_size=100), st.integers(0, 40))
def test_a_cut_text_is_a_beginning_that_fits(text: str, most: int) -> None:
    text = text.encode(errors="ignore").decode()
    kept, used = cut(text, MODEL, most)
    assert text.startswith(kept)
    assert used <= most
    assert (kept == text) == (count(text, MODEL) <= most) or count(text[len(kept) :], MODEL) > 0


def cached(usage: CompletionUsage | None) -> int:
    """The cached tokens of a usage."""
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return usage.prompt_tokens_details.cached_tokens or 0


def conversation(*texts: str) -> list[Any]:
    """Texts as turns of a user and the assistant."""
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


async def test_the_shared_prefix_of_a_longer_prompt_is_cached_in_steps_of_128() -> None:
    async with talking(OpenAIService(keys=[KEY, "sk-other"])) as (_, client):

        async def ask(*texts: str, key: str = KEY, model: str = MODEL) -> int:
            messages = conversation(*texts)
            answer = await client.with_options(api_key=key).chat.completions.create(model=model, messages=messages)
            return cached(answer.usage)

        long = " word" * 1_300  # 3 + 1 + 1300: the first message; its whole prompt is 1,307 tokens
        assert await ask(long) == 0
        assert await ask(long) == 1_280
        assert await ask(long, "yes", "and now?") == 1_280
        assert await ask(long, "yes", " word" * 300) == 1_280
        assert await ask(long, "yes", " word" * 300, "no", "so?") == 1_536
        assert await ask("x" + long) == 0  # another first word: nothing shared
        assert await ask(" word" * 1_100 + " other" * 400) == 1_024
        assert await ask(long, key="sk-other") == 0
        assert await ask(long, model="gpt-4o") == 0
        assert await ask("short") == await ask("short") == 0


async def test_a_prefix_grows_cold() -> None:
    async with talking(OpenAIService(cache_seconds=0.0)) as (_, client):
        for _ in range(2):
            answer = await client.chat.completions.create(model=MODEL, messages=user(" word" * 1_300))
            assert cached(answer.usage) == 0


async def test_the_services_books_are_the_clients_to_the_token() -> None:
    async with talking(OpenAIService(keys=[KEY, "sk-other"])) as (service, client):
        sums = {KEY: 0, "sk-other": 0}
        for i, key in enumerate((KEY, "sk-other", KEY)):
            stream = await client.with_options(api_key=key).chat.completions.create(
                model=("gpt-5-mini", MODEL, MODEL)[i],
                messages=user("write 3 paragraphs about tea"),
                stream=True,
                stream_options={"include_usage": True},
            )
            sums[key] += sum([chunk.usage.total_tokens async for chunk in stream if chunk.usage])
        assert {key: usage.total for key, usage in service.tokens_by_key.items()} == sums
        assert set(service.tokens_by_model) == {"gpt-5-mini", MODEL}
        assert service.tokens_by_model["gpt-5-mini"].reasoning > 0
        assert service.tokens_reported == service.tokens_by_model


async def test_a_cut_stream_is_billed_for_what_was_said_and_not_reported() -> None:
    async with talking() as (service, client):
        service.script(Reply("one two three four", cut_after=len("one two")))
        with pytest.raises(sdk.APIConnectionError):
            async for _ in await client.chat.completions.create(model=MODEL, messages=user("hello"), stream=True):
                pass
        assert service.tokens_by_key == {KEY: Usage(prompt=8, completion=2)}
        assert service.tokens_reported == {}


async def test_a_usage_given_goes_before_the_one_counted() -> None:
    async with talking() as (service, client):
        service.script(Reply("hi", usage=Usage(prompt=300_000, completion=10, cached=1_024)))
        answer = await client.chat.completions.create(model="gpt-5.5", messages=user("hello"))
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, cached(answer.usage)) == (300_000, 1_024)


async def test_requests_over_the_rate_are_refused_with_the_time_to_wait() -> None:
    async with talking(OpenAIService(rates=Rates(requests=2, tokens=10_000))) as (_, client):
        for _ in range(2):
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        with pytest.raises(sdk.RateLimitError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "requests")
        headers = refused.value.response.headers
        assert int(headers["retry-after"]) in range(25, 31)
        assert int(headers["retry-after-ms"]) in range(25_000, 30_001)
        await client.chat.completions.create(model="gpt-4o", messages=user("hi"))  # another model has its own


async def test_tokens_over_the_rate_are_refused_and_too_many_for_any_minute_too() -> None:
    async with talking(OpenAIService(rates=Rates(requests=100, tokens=1_000))) as (_, client):
        await client.chat.completions.create(model=MODEL, messages=user("hi"), max_completion_tokens=900)
        with pytest.raises(sdk.RateLimitError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"), max_completion_tokens=900)
        assert refused.value.type == "tokens"
        with pytest.raises(sdk.RateLimitError, match="Request too large"):
            await client.chat.completions.create(model=MODEL, messages=user("hi"), max_completion_tokens=1_001)


async def test_no_rate_is_enforced_where_limits_are_none() -> None:
    async with talking(OpenAIService(rates=Rates(requests=1, tokens=10), limits="none")) as (_, client):
        for _ in range(5):
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
