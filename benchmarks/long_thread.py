"""A thread of 200 turns: whether a fact told in turn 3 is still read at its end, and how little is read anew.

`python -m benchmarks.long_thread` prints both figures and fails where they are not met. A provider bills what it has
read before at a discount; so the second figure is the share of all prompt tokens that lie in the prefix which a request
shares with the one before it, message by message. Parley runs whole in this process, against the emulators over HTTP
and websockets; the model that sums up is a script that keeps the fact where it is given it, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from bot import app
from bot.backend import tokens
from bot.backend.completion import ModelMessage
from bot.settings import Settings
from bot.summaries import INSTRUCTIONS
from emulators.openai import ChatRequest, OpenAIService, Reply
from emulators.openai.summing import summing_up
from emulators.slack import SlackWorkspace

TURNS = 200
TOLD_IN = 3
HISTORY_TOKENS = 4_000
LEAST_SHARE = 0.9
FACT = "the launch code is HERON-42"
# Usual lengths in a chat: a question of 30 tokens, an answer of 70.
QUESTION = "what do you make of item {number}, given what we said so far and that the rollout is on Friday?"
ANSWER = (
    "Item {number} can wait: the migration has to run on the replica first, the dashboards should show the new error "
    "rate next to the old one, and somebody who knows the billing jobs ought to be on call that evening. Nothing in it "
    "is urgent enough to lose a weekend over, so I would take it up on Monday."
)
ANSWERED_WITHIN_SECONDS = 60.0

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a thread came to. Tokens are those of the prompts of all questions, summaries aside."""

    turns: int
    knows_fact: bool
    prompt_tokens: int
    shared_tokens: int
    summaries: int
    seconds: float

    @property
    def share(self) -> float:
        """The share of the prompt tokens that the request before had in the same place."""
        return self.shared_tokens / self.prompt_tokens

    @property
    def met(self) -> bool:
        """Whether both promises are kept."""
        return self.knows_fact and self.share >= LEAST_SHARE

    def __str__(self) -> str:
        known = "in" if self.knows_fact else "NOT in"
        return (
            f"{self.turns} turns: the fact of turn {TOLD_IN} is {known} the last request, "
            f"{self.share:.1%} of {self.prompt_tokens:,} prompt tokens are shared with the request before "
            f"({self.summaries} summaries, {self.seconds:.0f} s)"
        )


def is_summary(request: ChatRequest) -> bool:
    """Whether a request is for a summary."""
    return _is_summary(request.body)


def _is_summary(body: Body) -> bool:
    return str(body["messages"][0]["content"]).startswith(INSTRUCTIONS[:40])


async def measure(turns: int = TURNS, history_tokens: int = HISTORY_TOKENS) -> Figures:
    """Have a thread of so many turns. Raises `TimeoutError` where a question is left unanswered."""
    answers = iter(range(1, turns + 1))
    responder = summing_up(is_summary, [FACT], lambda _: Reply(ANSWER.format(number=next(answers))))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parley-thread-") as folder:
        async with (
            SlackWorkspace(limits="none") as slack,
            OpenAIService(limits="none", responder=responder) as openai,
            app.build(_settings(slack, openai, Path(folder), history_tokens)) as worker,
        ):
            serving = asyncio.create_task(worker.serve())
            try:
                await slack.wait_connected()
                await _talk(slack, turns)
            finally:
                worker.stop()
                await serving
            return figures([call.body for call in openai.calls], turns, time.monotonic() - began)


def _settings(slack: SlackWorkspace, openai: OpenAIService, folder: Path, history_tokens: int) -> Settings:
    given: dict[str, Any] = {
        "slack_bot_token": slack.bot_token,
        "slack_app_token": slack.app_token,
        "slack_api_url": slack.url,
        "openai_api_key": "sk-emulated-key",
        "openai_base_url": openai.url,
        "database_url": f"sqlite:///{folder / 'parley.db'}",
        "parley_history_tokens": history_tokens,
        "parley_platform_limits": "none",
        "parley_streaming": False,
        "parley_user_messages_per_minute": 0,
        "parley_thread_messages_per_minute": 0,
        "parley_channel_messages_per_minute": 0,
    }
    return Settings(**given, _env_file=None)  # type: ignore[call-arg]


async def _talk(slack: SlackWorkspace, turns: int) -> None:
    """Two people by turns, each question once the answer before stands."""
    people, general = [slack.add_user("ada"), slack.add_user("ben")], slack.add_channel("general")
    thread: str | None = None
    for number in range(1, turns + 1):
        text = f"keep in mind: {FACT}" if number == TOLD_IN else QUESTION.format(number=number)
        said = await slack.say(people[number % 2], general, text, mention=True, thread_ts=thread)
        thread = thread or said.ts
        await slack.wait_for(
            lambda number=number, thread=thread: len(slack.bot_messages(general, thread)) >= number,  # type: ignore[misc]
            timeout=ANSWERED_WITHIN_SECONDS,
        )


def figures(bodies: Sequence[Body], turns: int, seconds: float) -> Figures:
    """What the requests to the model came to, in their order."""
    asked = [body for body in bodies if not _is_summary(body)]
    prompt = shared = 0
    before: Sequence[tuple[str, str]] = ()
    for body in asked:
        messages = [(str(m["role"]), str(m["content"])) for m in body["messages"]]
        common = next((i for i, (a, b) in enumerate(zip(before, messages, strict=False)) if a != b), len(before))
        prompt += _tokens(messages, body["model"])
        shared += _tokens(messages[:common], body["model"])
        before = messages
    return Figures(
        turns=len(asked),
        knows_fact=len(asked) == turns and any(FACT in text for _, text in before),
        prompt_tokens=prompt,
        shared_tokens=shared,
        summaries=len(bodies) - len(asked),
        seconds=seconds,
    )


def _tokens(messages: Sequence[tuple[str, str]], model: str) -> int:
    return tokens.count_messages([ModelMessage(role, text) for role, text in messages], model)  # type: ignore[arg-type]


def main(
    turns: Annotated[int, typer.Option(help="How many questions.")] = TURNS,
    history_tokens: Annotated[int, typer.Option(help="The budget for the history, in tokens.")] = HISTORY_TOKENS,
) -> None:
    """Have the thread, print both figures, and fail where they are not met."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = asyncio.run(measure(turns, history_tokens))
    sys.stdout.write(f"{found}\n")
    if not found.met:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
