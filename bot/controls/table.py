"""The one table of settings. Grammar, options, help, validation, README's lists and the host's defaults derive from it.

A setting's values come from the environment (`variable`), a workspace, a channel and a thread; the nearest wins. Where
it may be set, and by whom, stands here too; who somebody is decides `bot.policy`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from bot.controls.kinds import (
    Choice,
    Dollars,
    Ids,
    Kind,
    Name,
    Number,
    Price,
    SecretName,
    Switch,
    Whole,
    Words,
)

Level = Literal["workspace", "channel", "thread"]
Who = Literal["rights", "admins"]

EVERYWHERE: tuple[Level, ...] = ("workspace", "channel", "thread")
PLACES: tuple[Level, ...] = ("workspace", "channel")
WORKSPACE: tuple[Level, ...] = ("workspace",)

# OpenAI's, from no thinking to the most; each model takes some of them:
# https://platform.openai.com/docs/guides/reasoning
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
# The forms of ids: Slack's, and Discord's, which are numbers. https://docs.slack.dev/reference/objects/user-object
PERSON = r"[UW][A-Z0-9]+|\d+"
CHANNEL = r"[CGD][A-Z0-9]+|\d+"
ROLE = r"owner|admin|member|guest|\d+"
# What the autocomplete offers first; any other name may be typed.
MODELS = ("gpt-5.4-mini", "gpt-5.4", "gpt-5.5", "gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "o4-mini")
LANGUAGES = ("English", "Deutsch", "Español", "Français", "Italiano", "Português", "Nederlands", "Polski", "日本語")


@dataclass(frozen=True, slots=True)
class Control:
    """One setting.

    `variable`: the environment's, which holds everywhere until something nearer is set. `unset`: what is said where it
    has no value at all; a setting without this always has one. `parameter`: what it becomes in a request to the model,
    which the model may refuse. `who`: `rights` lets the setting of that name decide, `admins` are admins alone.
    """

    name: str
    kind: Kind
    help: str
    example: str
    variable: str
    unset: str | None = None
    levels: tuple[Level, ...] = EVERYWHERE
    who: Who = "rights"
    parameter: str = ""

    @property
    def field(self) -> str:
        """The host's setting of the same meaning."""
        return self.variable.lower()


TABLE = (
    Control(
        "system",
        Words(20_000),
        "what the model is told before each conversation",
        "You answer as a patient SQL tutor.",
        "PARLEY_SYSTEM_MESSAGE",
    ),
    Control(
        "model",
        Name("a model's name", MODELS),
        "the model that answers",
        "gpt-4o-mini",
        "OPENAI_MODEL",
    ),
    Control(
        "temperature",
        Number(0, 2, ("0", "0.2", "0.5", "0.7", "1", "1.5")),
        "how freely the model words its answers",
        "0.2",
        "OPENAI_TEMPERATURE",
        unset="the model's own",
        parameter="temperature",
    ),
    Control(
        "max_tokens",
        Whole(16, 200_000, ("500", "1000", "2000", "4096", "16000")),
        "the longest answer, in tokens",
        "1000",
        "OPENAI_MAX_OUTPUT_TOKENS",
        parameter="max_completion_tokens",
    ),
    Control(
        "reasoning_effort",
        Choice(EFFORTS),
        "how long a reasoning model thinks",
        "low",
        "OPENAI_REASONING_EFFORT",
        unset="the model's own",
        parameter="reasoning_effort",
    ),
    Control(
        "reply_mode",
        Choice(("mention", "thread", "all")),
        "what I answer in a channel: only mentions, also what follows in my threads, or everything",
        "mention",
        "PARLEY_REPLY_MODE",
    ),
    Control(
        "reply_in",
        Choice(("auto", "thread", "channel")),
        "where I answer a mention: in a thread, in the channel, or as the platform is used to",
        "thread",
        "PARLEY_REPLY_IN",
        levels=PLACES,
    ),
    Control(
        "streaming",
        Switch(),
        "whether an answer shows while it grows, or only when it is whole",
        "off",
        "PARLEY_STREAMING",
    ),
    Control(
        "buttons",
        Switch(),
        "whether buttons stand under my answers: stop, regenerate, continue, thumbs up and down",
        "off",
        "PARLEY_BUTTONS",
        levels=WORKSPACE,
    ),
    Control(
        "language",
        Words(60, one_line=True, choices=LANGUAGES),
        "the language of the answers",
        "Deutsch",
        "PARLEY_LANGUAGE",
        unset="that of the question",
    ),
    Control(
        "history_tokens",
        Whole(500, 1_000_000, ("2000", "8000", "16000", "64000")),
        "how much of a conversation the model reads, in tokens",
        "8000",
        "PARLEY_HISTORY_TOKENS",
    ),
    Control(
        "history_messages",
        Whole(1, 1_000, ("20", "50", "200")),
        "how many earlier messages I read when I'm called into a thread",
        "50",
        "PARLEY_HISTORY_MESSAGES",
    ),
    Control(
        "channel_messages",
        Whole(0, 50, ("0", "5", "10", "20")),
        "how many of a channel's last messages I take along when a mention begins something there; 0 is none",
        "10",
        "PARLEY_CHANNEL_MESSAGES",
        levels=PLACES,
    ),
    Control(
        "summaries",
        Switch(),
        "whether what a long conversation leaves behind is summed up for the model, or forgotten",
        "off",
        "PARLEY_SUMMARIES",
    ),
    Control(
        "summary_model",
        Name("a model's name", MODELS),
        "the model that sums up",
        "gpt-4o-mini",
        "PARLEY_SUMMARY_MODEL",
        unset="the one that answers",
    ),
    Control(
        "vision",
        Switch(),
        "whether the model sees images that are attached",
        "off",
        "PARLEY_VISION",
    ),
    Control(
        "files",
        Switch(),
        "whether the model reads files that are attached: text, code, PDF, Word, CSV, Excel",
        "off",
        "PARLEY_FILES",
    ),
    Control(
        "max_messages",
        Whole(1, 50, ("1", "3", "5", "10", "20")),
        "the most messages an answer takes; what is longer comes as a file",
        "5",
        "PARLEY_MAX_MESSAGES",
    ),
    Control(
        "rights",
        Choice(("admins", "everyone")),
        "who may change the settings",
        "everyone",
        "PARLEY_RIGHTS",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "allow_users",
        Ids("people", PERSON),
        "who alone may ask me",
        "U024BE7LH, U0G9QF9C6",
        "PARLEY_ALLOW_USERS",
        unset="everyone",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "block_users",
        Ids("people", PERSON),
        "whom I don't answer",
        "U024BE7LH",
        "PARLEY_BLOCK_USERS",
        unset="nobody",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "allow_roles",
        Ids("roles", ROLE),
        "which roles alone may ask me: a Discord role's id; on Slack owner, admin, member or guest",
        "member",
        "PARLEY_ALLOW_ROLES",
        unset="every role",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "block_roles",
        Ids("roles", ROLE),
        "which roles I don't answer",
        "guest",
        "PARLEY_BLOCK_ROLES",
        unset="none",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "allow_channels",
        Ids("channels", CHANNEL),
        "in which channels alone I answer; direct messages are not among them",
        "C024BE91L",
        "PARLEY_ALLOW_CHANNELS",
        unset="every channel",
        levels=WORKSPACE,
        who="admins",
    ),
    Control(
        "block_channels",
        Ids("channels", CHANNEL),
        "in which channels I don't answer",
        "C024BE91L",
        "PARLEY_BLOCK_CHANNELS",
        unset="none",
        levels=WORKSPACE,
        who="admins",
    ),
    Control(
        "budget",
        Dollars(1_000_000),
        "what this channel, or the workspace, may spend in a month, in US dollars",
        "25",
        "PARLEY_MONTHLY_BUDGET_USD",
        unset="none",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "user_budget",
        Dollars(1_000_000),
        "what each person may spend in a month, in US dollars",
        "2.50",
        "PARLEY_USER_MONTHLY_BUDGET_USD",
        unset="none",
        levels=WORKSPACE,
        who="admins",
    ),
    Control(
        "price",
        Price(),
        "what the model costs, where I don't know it: dollars per million tokens, IN/OUT or IN/CACHED/OUT",
        "0.15/0.60",
        "PARLEY_PRICE",
        unset="the published one",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "key",
        SecretName(),
        "the name of the secret that holds the key to pay with",
        "team_research",
        "PARLEY_KEY",
        unset="the host's own",
        levels=PLACES,
        who="admins",
    ),
    Control(
        "admins_exempt",
        Switch(),
        "whether the limits on messages per minute leave admins alone",
        "on",
        "PARLEY_ADMINS_EXEMPT",
        levels=WORKSPACE,
        who="admins",
    ),
)
CONTROLS = {control.name: control for control in TABLE}


def nearest(name: str, most: int = 3) -> list[str]:
    """The settings whose names are closest to a mistyped one, the closest first; none where none is near."""
    return difflib.get_close_matches(name.strip().lower(), CONTROLS, n=most, cutoff=0.6)
