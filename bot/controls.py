"""What a team can set for its channels: one table, from which parsing, help and the effective values derive."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.settings import Settings
from storage.records import StoredSetting


@dataclass(frozen=True, slots=True)
class Control:
    """One setting of a channel. `check` returns the value in its stored form or raises ValueError with a sentence."""

    name: str
    help: str
    example: str
    check: Callable[[str], str]
    default: Callable[[Settings], str]


@dataclass(frozen=True, slots=True)
class Effective:
    """The values that hold at one address; `sources` says of each where it comes from."""

    system: str
    model: str
    temperature: float | None
    max_tokens: int
    sources: Mapping[str, str]


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("it can't be empty")
    if len(value) > 20_000:
        raise ValueError(f"it has {len(value):,} characters, at most 20,000 are possible")
    return value.strip()


def _model(value: str) -> str:
    if not value.strip() or len(value.split()) != 1:
        raise ValueError("it must be a model's name, in one word")
    return value.strip()


def _temperature(value: str) -> str:
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 2:
        raise ValueError("it must be a number from 0 to 2")
    return f"{number:g}"


def _max_tokens(value: str) -> str:
    digits = value.replace(",", "").replace("_", "").strip()
    if not digits.isdecimal() or not 16 <= int(digits) <= 200_000:
        raise ValueError("it must be a whole number from 16 to 200,000")
    return str(int(digits))


CONTROLS = {
    control.name: control
    for control in (
        Control(
            "system",
            "what the model is told before each conversation",
            "You answer as a patient SQL tutor.",
            _text,
            lambda s: s.parley_system_message,
        ),
        Control("model", "the model that answers", "gpt-4o-mini", _model, lambda s: s.openai_model),
        Control(
            "temperature",
            "0 to 2: how freely the model words its answers",
            "0.2",
            _temperature,
            lambda s: "" if s.openai_temperature is None else f"{s.openai_temperature:g}",
        ),
        Control(
            "max_tokens",
            "16 to 200,000: the longest answer, in tokens",
            "1000",
            _max_tokens,
            lambda s: str(s.openai_max_output_tokens),
        ),
    )
}


def nearest(name: str) -> str:
    """The control whose name is closest to a mistyped one; empty where none is near."""
    return next(iter(difflib.get_close_matches(name.lower(), CONTROLS, n=1, cutoff=0.6)), "")


def effective(settings: Settings, stored: Iterable[StoredSetting]) -> Effective:
    """The environment's values, with the workspace's, the channel's and the thread's own over them, nearest last."""
    values = {name: control.default(settings) for name, control in CONTROLS.items()}
    sources = dict.fromkeys(CONTROLS, "default")
    for setting in stored:
        if setting.name in CONTROLS:
            scope = setting.scope
            values[setting.name] = setting.value
            sources[setting.name] = "this thread" if scope.thread else "this channel" if scope.channel else "workspace"
    return Effective(
        system=values["system"],
        model=values["model"],
        temperature=float(values["temperature"]) if values["temperature"] else None,
        max_tokens=int(values["max_tokens"]),
        sources=sources,
    )
