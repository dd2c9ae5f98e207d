"""What OpenAI documents of its models' parameters, by the families of their names. Pure.

Only names as OpenAI writes them, dated ones and fine-tuned ones included, are of a family: `openai/gpt-4o` is somebody
else's route to it, who may take more or less. What is not documented for certain is left open, and may be asked.

Sources, read in 2026-11: https://platform.openai.com/docs/guides/reasoning (o-series and gpt-5 take no temperature;
efforts), https://platform.openai.com/docs/api-reference/chat/create (`reasoning_effort`: none from gpt-5.1 on, xhigh
after it), https://platform.openai.com/docs/guides/latest-model (from gpt-5.2 on temperature without reasoning alone),
https://platform.openai.com/docs/models (output limits).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DATED = r"(-\d{4}-\d\d-\d\d)?"
_LOW_TO_HIGH = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model takes.

    `temperature`: whether another than 1, None where that is open. `reasons_or_varies`: it takes one only while it does
    not reason. `efforts`: the values of `reasoning_effort`, none at all, or None where that is open. `most_output`: the
    longest answer in tokens, 0 where nobody says.
    """

    temperature: bool | None = None
    efforts: tuple[str, ...] | None = None
    most_output: int = 0
    reasons_or_varies: bool = False


_SILENT = Abilities(temperature=True, efforts=())
_O_SERIES = Abilities(temperature=False, efforts=_LOW_TO_HIGH, most_output=100_000)
_LATER = Abilities(efforts=("none", *_LOW_TO_HIGH, "xhigh"), most_output=128_000, reasons_or_varies=True)
_FAMILIES: tuple[tuple[str, Abilities], ...] = (
    (r"gpt-3\.5-turbo(-\d{4})?(-16k)?", Abilities(True, (), 4_096)),
    (r"gpt-4(-\d{4})?", Abilities(True, (), 8_192)),
    (rf"gpt-4-turbo(-preview)?{_DATED}", Abilities(True, (), 4_096)),
    (rf"gpt-4o(-mini)?{_DATED}", Abilities(True, (), 16_384)),
    (rf"gpt-4\.1(-mini|-nano)?{_DATED}", Abilities(True, (), 32_768)),
    (r"(gpt-4|gpt-3\.5)(?!.*(audio|realtime|search))[\w.-]*", _SILENT),
    (rf"o(1|3|3-mini|4-mini){_DATED}", _O_SERIES),
    (rf"gpt-5(-mini|-nano)?{_DATED}", Abilities(False, ("minimal", *_LOW_TO_HIGH), 128_000)),
    (
        rf"gpt-5\.1{_DATED}",
        Abilities(efforts=("none", *_LOW_TO_HIGH), most_output=128_000, reasons_or_varies=True),
    ),
    (rf"gpt-5\.([2-9]|\d\d)(-mini|-nano)?{_DATED}", _LATER),
)
_FINE_TUNED = re.compile(r"ft:([^:]+):.*")
OPEN = Abilities()


def documented(model: str) -> Abilities:
    """What is documented of a model; nothing where it is none of OpenAI's, or not known here."""
    tuned = _FINE_TUNED.fullmatch(model)
    name = tuned[1] if tuned else model
    return next((abilities for pattern, abilities in _FAMILIES if re.fullmatch(pattern, name)), OPEN)
