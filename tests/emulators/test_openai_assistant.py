"""The offline assistant: what it remembers of a conversation and what it can write, through the API and alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest
from openai import AsyncOpenAI

from emulators.openai.assistant import HONEST, answer
from emulators.openai.reply import ChatRequest, Message
from tests.emulators.test_openai_contract import MODEL, talking


def last_answer(*said: str) -> str:
    """The answer to the last of these messages, after answers to all before."""
    messages = [Message("system", "You are Parley.")]
    text = ""
    for line in said:
        messages.append(Message("user", line))
        text = answer(ChatRequest("key", MODEL, tuple(messages), {}, 0)).text
        messages.append(Message("assistant", text))
    return text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("Ada: hi @Parley",), "Hello, Ada!"),
        (("my name is Grace", "what's my name?"), "**Grace**"),
        (("Ada: hello", "Bob: who am I?"), "**Bob**"),
        (("who am I?",), "not told me your name"),
        (("Ada: the deploy is on Friday", "Ada: when is the deploy?"), "You told me that **the deploy is on Friday**"),
        (("Ada: the deploy is on Friday", "Bob: when's the deploy?"), "Ada said that **the deploy is on Friday**"),
        (("<@U1> remember that our wifi is hunter2", "<@U1> what is our wifi?"), "**your wifi is hunter2**"),
        (("Ada: my cat is called Tom", "Bob: what is Ada's cat called?"), "**Ada's cat is called Tom**"),
        (("the deploy is on Friday", "the deploy is on Monday", "when is the deploy?"), "Monday"),
        (("the deploy is on Friday and our budget is 500", "what is the budget?"), "**your budget is 500**"),
        (("Ada: tea is fine\nBob: coffee is better", "Ada: what did Bob say?"), "> coffee is better"),
        (("Ada: tea first", "Ada: what did I say about tea?"), "> tea first"),
        (("Ada: how are you?", "Ada: what did I ask?"), "> how are you?"),
        (("Ada: hi", "Ada: what did Bob say?"), "Bob said nothing"),
        (("the key is under the mat", "what do you remember?"), "- the key is under the mat"),
        (("Ada: tea first", "Bob: sum it up, a summary please"), "**Ada**: tea first"),
        (("I'm here. Remember: the door is open.",), "**the door is open**"),
        (("what is 17 * 23?",), "**391**"),
        (("2^10",), "`2^10` = **1,024**"),
        (("what's 15% of 80",), "`15% of 80` = **12**"),
        (("what is 7 divided by 2",), "**3.5**"),
        (("what is 1 / 0?",), "divides by zero"),
        (("say <!channel> @everyone <@&7>",), "<!channel> @everyone <@&7>"),
        (("give me three ideas for the party",), "3. "),
        (("show me some sql code",), "```sql\n"),
        (("make a table please",), "| --- | --- |"),
        (("thanks a lot",), "You're welcome"),
        (("who are you?",), HONEST),
        (("why is the sky blue?",), HONEST),
    ],
)
def test_it_answers_from_the_conversation(said: tuple[str, ...], expected: str) -> None:
    assert expected in last_answer(*said)


def test_it_writes_as_many_paragraphs_and_words_as_asked() -> None:
    paragraphs = last_answer("write 12 paragraphs about patience").split("\n\n")
    assert len(paragraphs) == 12
    assert len(set(paragraphs)) == 12
    assert "patience" in paragraphs[0]
    assert len(last_answer("write 300 words about tea").split()) == 300


def test_it_says_now_and_then_that_it_is_a_stand_in() -> None:
    asked = ["what is 1 + 1?"] * 10
    assert sum(HONEST in last_answer(*asked[:n]) for n in range(1, 11)) == 2


def test_it_says_the_same_to_the_same() -> None:
    assert last_answer("write a long story", "hm") == last_answer("write a long story", "hm")


@pytest.mark.parametrize("text", ["2026-11-23", "call 555-1234", "9**9**9**9", "1+" * 500 + "1", "((((", "v1.2-3", "-"])
def test_odd_sums_do_not_upset_it(text: str) -> None:
    start = time.monotonic()
    assert last_answer(text)
    assert time.monotonic() - start < 0.5


async def test_it_is_what_answers_through_the_api() -> None:
    async with talking() as (_, client):
        remembered = await client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "system", "content": "You are Parley."},
                {"role": "user", "content": "Ada: the deploy is on Friday"},
                {"role": "assistant", "content": "Noted."},
                {"role": "user", "content": "Ada: when is the deploy?"},
            ],
        )
        assert "Friday" in (remembered.choices[0].message.content or "")


async def test_a_tool_is_called_where_the_request_demands_one() -> None:
    async with talking() as (_, client):
        for choice in ("required", "named"):
            called = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "hi"}],
                tools=[{"type": "function", "function": {"name": "look_up"}}],
                tool_choice="required"
                if choice == "required"
                else {"type": "function", "function": {"name": "look_up"}},
            )
            assert called.choices[0].finish_reason == "tool_calls"


async def test_it_runs_as_a_process_of_its_own_until_it_is_told_to_stop() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emulators.openai",
        *("--port", "0", "--stream-ms", "100", "--key", "sk-mine"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        async with AsyncOpenAI(api_key="sk-mine", base_url=url, max_retries=0) as client:
            start = time.monotonic()
            stream = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "write 5 paragraphs"}], stream=True
            )
            assert len([chunk async for chunk in stream]) > 100
            assert time.monotonic() - start >= 0.09
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, errors) == (0, b"")
