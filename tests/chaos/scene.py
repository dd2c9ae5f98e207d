"""The stage of one round: the three emulators, one database, and the model that answers by `answers.py`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulators.discord import DiscordServer, DiscordTiming
from emulators.openai import ChatRequest, OpenAIService, Reply
from emulators.slack import SlackWorkspace, Timing
from tests.chaos import rows
from tests.chaos.answers import QUESTION, Answer, compose
from tests.chaos.plan import Round
from tests.chaos.shown import Eyes
from tests.nursery import Nursery, nursery

SLOW_SECONDS = 8.0
LEASE_SECONDS = 2.0
# Slack's at once, a minute and five minutes, shortened: the last comes when a process that stood still is awake again.
REDELIVERY = (0.0, 2.0, 20.0)
# Chunks of a stream; what its pace is measured by.
CHUNKS = 60


@dataclass
class Scene:
    """Where a round takes place. `answers` is every try of the model so far; `hurt` counts the model's own faults."""

    plan: Round
    folder: Path
    slack: SlackWorkspace
    discord: DiscordServer
    openai: OpenAIService
    nursery: Nursery
    answers: dict[tuple[str, int], Answer] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    hurt: Counter[str] = field(default_factory=Counter)
    stood_still: list[tuple[int, int]] = field(default_factory=list)
    """From when until when a process did, in microseconds since the epoch."""
    slow: bool = False
    """Whether the model takes its time now, and comes to no harm: longer than a process has to finish its answers."""

    eyes: Eyes = field(init=False)

    def __post_init__(self) -> None:
        self.eyes = Eyes(self.slack, self.discord)

    @property
    def database(self) -> Path:
        """The file that outlives every process of the round."""
        return self.folder / "parley.db"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that turn a process to this stage."""
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.url,
            "DISCORD_BOT_TOKEN": self.discord.token,
            "DISCORD_API_URL": self.discord.url,
            "OPENAI_API_KEY": "sk-emulated-key",
            "OPENAI_BASE_URL": self.openai.url,
            "DATABASE_URL": f"sqlite:///{self.database}",
            # Its words are made of many tokens each.
            "OPENAI_MAX_OUTPUT_TOKENS": "60000",
            "PARLEY_HISTORY_TOKENS": "60000",
            # The longest of its answers is whole in its messages on Discord too.
            "PARLEY_MAX_MESSAGES": "20",
            "PARLEY_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
            "PARLEY_SHUTDOWN_GRACE": "0.7",
            "PARLEY_OPENAI_FIRST_TOKEN_TIMEOUT": "5",
            "PARLEY_OPENAI_IDLE_TIMEOUT": "4",
            "PARLEY_PLATFORM_LIMITS": self.plan.limits,
            "PARLEY_THREAD_MESSAGES_PER_MINUTE": "100000",
            "PARLEY_BUTTONS": str(self.plan.buttons),
            "PARLEY_LOG_FORMAT": "json",
        }

    @property
    def served(self) -> bool:
        """Whether somebody is connected to both platforms."""
        return bool(self.slack.connections) and self.discord.connected

    def reply(self, request: ChatRequest) -> Reply:
        """The model: it answers the questions of one turn, at some pace, and its odd tries may come to harm.

        The last question of a prompt is of the turn that asks. Which others are, only the bot knows; it must have put
        them into the prompt for the model to see them.
        """
        seen = [
            token for message in request.messages if message.role == "user" for token in QUESTION.findall(message.text)
        ]
        of_turn = rows.questions_beside(self.database, seen[-1])
        tokens = tuple(dict.fromkeys(token for token in seen if token in of_turn)) or (seen[-1],)
        self.versions[tokens[0]] += 1
        answer = compose(self.plan.seed, tokens, self.versions[tokens[0]])
        self.answers[tokens[0], answer.version] = answer
        return self._spoken(answer)

    def _spoken(self, answer: Answer) -> Reply:
        dice = random.Random(f"pace {self.plan.seed} {answer.tokens[0]} {answer.version}")
        text = answer.text
        seconds = dice.choice((0.0, 0.3, dice.uniform(0.5, 2.0), dice.uniform(2.0, 5.0)))
        harm = dice.choice(("", "", "", "cut", "end", "stall", "error")) if answer.version % 3 == 1 else ""
        at = dice.randint(0, len(text))
        if self.slow:
            seconds, harm = SLOW_SECONDS, ""
        if harm:
            self.hurt[f"model stream {harm}"] += 1
        return Reply(
            text,
            chunk_chars=max(20, len(text) // CHUNKS),
            chunk_delay=seconds / CHUNKS,
            first_token_delay=dice.choice((0.0, 0.0, dice.uniform(0.1, 0.8))),
            cut_after=at if harm in {"cut", "end"} else None,
            cut="end" if harm == "end" else "abort",
            stall_after=at if harm == "stall" else None,
            error_after=at if harm == "error" else None,
        )


@asynccontextmanager
async def raise_scene(plan: Round, folder: Path) -> AsyncIterator[Scene]:
    """Build the stage of a round in a folder of its own."""
    timing = Timing(redelivery=REDELIVERY, ack_deadline=1.5, disconnect_warning=1.0)
    async with AsyncExitStack() as stack:
        scene = Scene(
            plan,
            folder,
            await stack.enter_async_context(
                SlackWorkspace(timing=timing, limits="none", drop_unconnected=plan.drop_unconnected)
            ),
            await stack.enter_async_context(DiscordServer(limits="none", timing=DiscordTiming(identify_spacing=0))),
            await stack.enter_async_context(OpenAIService(limits="none", keep=False)),
            await stack.enter_async_context(nursery()),
        )
        scene.openai.responder = scene.reply
        yield scene
