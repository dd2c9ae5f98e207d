"""The models the emulated OpenAI serves: context window, output limit, and which parameters each one takes.

Ids, dated snapshots and context windows come from genai-prices' data; output limits and the reasoning rules, which
that data lacks, are OpenAI's model pages and API answers, written here by family.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genai_prices import data_snapshot

CHAT = re.compile(r"^(gpt-(3\.5-turbo|4|4-turbo|4o|4o-mini|4\.1(-mini|-nano)?|[5-9](\.\d+)?(-[a-z]+)?)|o\d(-mini)?)$")
NO_CHAT = re.compile(r"-(pro|image|audio|cyber|codex|rosalind|astra)$")
TEXT_ONLY = re.compile(r"^(gpt-3\.5-turbo|gpt-4(-\d{4})?$|o1-mini|o3-mini)")
REASONING = re.compile(r"^(o\d|gpt-[5-9])")
OUTPUT_LIMITS = (  # tokens; the last start that matches the id counts
    ("gpt-3.5", 4_096), ("gpt-4", 8_192), ("gpt-4-turbo", 4_096), ("gpt-4o", 16_384), ("gpt-4.1", 32_768),
    ("gpt-5", 128_000), ("gpt-6", 128_000), ("o1", 100_000), ("o1-mini", 65_536), ("o3", 100_000), ("o4", 100_000),
)  # fmt: skip
LAUNCH = 1_715_367_049  # `created` of a model whose snapshot carries no date: gpt-4o's own


@dataclass(frozen=True, slots=True)
class Model:
    """One model as the API sees it; `window` and `max_output` in tokens, `created` in Unix seconds.

    `input_limit` is what the prompt alone may hold: gpt-5 and later keep the output's share of the window free.
    `snapshot` is the dated id that answers carry in `model`; `efforts` are the values of `reasoning_effort` taken,
    none for a model that does not reason, the first being the default.
    """

    id: str
    snapshot: str
    created: int
    window: int
    max_output: int | None
    input_limit: int
    efforts: tuple[str, ...]

    @property
    def reasons(self) -> bool:
        """Whether this is a reasoning model: no `temperature`, no `max_tokens`."""
        return bool(self.efforts)

    @property
    def sees(self) -> bool:
        """Whether it takes images, as OpenAI's model pages say."""
        return TEXT_ONLY.match(self.id) is None

    def described(self) -> dict[str, Any]:
        """The model as `GET /v1/models` shows it."""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": "system"}


def _efforts(name: str) -> tuple[str, ...]:
    if not REASONING.match(name):
        return ()
    if name.startswith("o"):
        return ("medium", "low", "high")
    version = re.match(r"gpt-(\d+)(?:\.(\d+))?", name)
    major, minor = (int(part or 0) for part in version.groups()) if version else (5, 0)
    if (major, minor) == (5, 0):
        return ("medium", "minimal", "low", "high")
    if (major, minor) == (5, 1):
        return ("none", "low", "medium", "high")
    if major == 5:
        return ("none", "low", "medium", "high", "xhigh")
    return ("none", "low", "medium", "high", "xhigh", "max")


def _model(name: str, *, snapshot: str | None = None, window: int, override: bool = False) -> Model:
    efforts = _efforts(name)
    limits = [limit for start, limit in OUTPUT_LIMITS if name.startswith(start)]
    output = None if override or not limits else limits[-1]
    splits = bool(efforts) and name.startswith("gpt-")
    date = re.search(r"(\d{4})-(\d\d)-(\d\d)$", snapshot or name)
    created = calendar.timegm((*map(int, date.groups()), 0, 0, 0)) if date else LAUNCH
    return Model(
        id=name,
        snapshot=snapshot or name,
        created=created,
        window=window,
        max_output=output,
        input_limit=window - output if splits and output and output < window else window,
        efforts=efforts,
    )


def _equals(clause: Any) -> Iterator[str]:
    if (exact := getattr(clause, "equals", None)) is not None:
        yield str(exact)
    for inner in getattr(clause, "or_", ()):
        yield from _equals(inner)


def _published() -> Iterator[tuple[str, str, int]]:
    """Id, the dated snapshot it stands for, and window in tokens, of every chat model.

    An undated id stands for its first snapshot, as `gpt-4o` does.
    """
    openai = next(p for p in data_snapshot.get_snapshot().providers if p.id == "openai")
    for model in openai.models:
        if model.context_window is None or not CHAT.match(model.id) or NO_CHAT.search(model.id):
            continue
        snapshot = re.compile(rf"{re.escape(model.id)}-\d{{4}}-\d\d-\d\d")
        dated = sorted(name for name in _equals(model.match) if snapshot.fullmatch(name))
        for name in dated:
            yield name, name, model.context_window
        first = dated[0] if dated else model.id
        yield model.id, first, model.context_window


def catalogue(names: Iterable[str] | None = None, windows: Mapping[str, int] | None = None) -> dict[str, Model]:
    """Models by id: all published chat models, or only `names`; `windows` (tokens) goes before the published ones.

    A name that is not published needs a window; a window given replaces the published limits of that model whole
    (prompt and completion share it, no limit on the output alone). Raises ValueError for a name without a window.
    """
    windows = windows or {}
    models = {name: _model(name, snapshot=snapshot, window=window) for name, snapshot, window in _published()}
    if names is not None:
        wanted = set(names) | set(windows)
        if unknown := wanted - set(models) - set(windows):
            raise ValueError(f"no context window known for {sorted(unknown)}: give it in windows=")
        models = {name: model for name, model in models.items() if name in wanted}
    for name, window in windows.items():
        snapshot = models[name].snapshot if name in models else name
        models[name] = _model(name, snapshot=snapshot, window=window, override=True)
    return models
