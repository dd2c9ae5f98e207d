"""Whether a model exists and takes the parameters set for it, said when one is set and not at the next question.

What is documented, or was refused before, is known at once. The rest is asked of the provider within three seconds, by
a completion so small that it costs next to nothing; where that gives no clear answer, nothing is claimed.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from bot.backend import models
from bot.backend.abilities import Abilities, documented
from bot.backend.client import Backend
from bot.backend.completion import CompletionRequest
from bot.backend.parameters import Refusals
from bot.controls.effective import Effective
from bot.controls.kinds import Number
from bot.controls.table import Control
from bot.messages import Address
from bot.reservations import Reservations
from bot.tally import Tally
from bot.wording import listed, quotable
from storage.money import Spender
from storage.usage import Usage

SECONDS = 3.0
MOST_NAMES = 3
# What a setting is called in a request, where a provider may refuse it.
_PARAMETERS = ("temperature", "reasoning_effort")
_ASKED = (*_PARAMETERS, "max_tokens", "model")
_IN_CHAT = ("workspace", "channel", "thread")


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """A `Check` of the settings that a model has a say in.

    What its questions to the provider take is counted; where a budget is used up, it asks none, and claims nothing.
    """

    backend: Backend
    usage: Usage
    reservations: Reservations

    async def __call__(self, control: Control, after: Effective, address: Address) -> str:
        """Why the model does not take what would hold then, empty where it does. Raises `StorageFailed`."""
        if control.name not in _ASKED:
            return ""
        loop = asyncio.get_running_loop()
        until = loop.time() + SECONDS
        if control.name == "model" and (objection := await self._unknown(after, until)):
            return objection
        known = documented(after.model)
        said = _known(control, after, known, self.backend.refused_by(after.model))
        if said or not _open(control, after, known):
            return said
        return await self._asked(control, after, address, until - loop.time())

    async def _unknown(self, after: Effective, until: float) -> str:
        ring = after.key or ""
        try:
            async with asyncio.timeout_at(until):
                if not await self.backend.is_unknown(after.model, ring):
                    return ""
        except TimeoutError:
            return ""
        return await self._no_such_model(after, until)

    async def _no_such_model(self, after: Effective, until: float) -> str:
        names: Sequence[str] = ()
        try:
            async with asyncio.timeout_at(until):
                names = await self.backend.models(after.key or "")
        except TimeoutError:
            pass  # without them, then
        near = difflib.get_close_matches(after.model, names, n=MOST_NAMES, cutoff=0.5)
        nearest = f"; the nearest are {listed([f'`{name}`' for name in near])}" if near else ""
        return f"the provider has no model `{quotable(after.model)}` for our key{nearest}"

    async def _asked(self, control: Control, after: Effective, address: Address, seconds: float) -> str:
        """What the provider itself says of the values that are open."""
        spender = Spender(address.platform, address.workspace, address.channel, "")
        if not await self.reservations.is_open(spender, after):
            return ""
        request = CompletionRequest(
            after.model,
            (),
            temperature=after.temperature,
            reasoning_effort=after.reasoning_effort,
            keys=after.key or "",
        )
        watched = [name for name in _PARAMETERS if _stands(control, after, name)]
        probed = await self.backend.probe(request, watched, max(0.0, seconds))
        for answer in probed.answers:
            used = Tally("", after.model, after.price).finish(answer.usage, answer.model, answer.key_label)
            await self.usage.add(spender, "probe", used)
        if probed.unknown and control.name == "model":
            return await self._no_such_model(after, asyncio.get_running_loop().time() + max(0.0, seconds))
        return _objection(control, after, probed.refused, documented(after.model)) if probed.refused else ""


def _known(control: Control, after: Effective, known: Abilities, refusals: Refusals) -> str:
    """What is known without asking."""
    for name in (*_PARAMETERS, "max_tokens"):
        if not _stands(control, after, name):
            continue
        value = getattr(after, name)
        if name == "max_tokens":
            refused = value > (longest_answer(after.model) or value)
        elif name == "temperature":
            learnt = not refusals.takes(name, value) and not known.reasons_or_varies
            refused = value != 1 and (known.temperature is False or learnt)
        else:
            refused = value not in known.efforts if known.efforts is not None else not refusals.takes(name, value)
        if refused:
            return _objection(control, after, name, known)
    return ""


def _open(control: Control, after: Effective, known: Abilities) -> bool:
    """Whether something is set of which only the provider knows if the model takes it."""
    temperature = _stands(control, after, "temperature") and known.temperature is None
    effort = _stands(control, after, "reasoning_effort") and known.efforts is None
    return effort or (temperature and (after.temperature != 1 or not known.reasons_or_varies))


def _stands(control: Control, after: Effective, name: str) -> bool:
    """Whether a setting is looked at when `control` changes: itself, and what else was set in chat for the model.

    What the host set for all models stands in nobody's way: a model that does not know it is asked without it. The
    longest answer alone is never left out, so a new model has to take that wherever it comes from.
    """
    if getattr(after, name) is None:
        return False
    if name == control.name:
        return True
    if name == "max_tokens":
        return control.name == "model"
    return control.name in ("model", *_PARAMETERS) and after.sources[name] in _IN_CHAT


def longest_answer(model: str) -> int:
    """The most tokens that a model writes in one answer, as far as that is known; else 0."""
    return documented(model).most_output or models.known_window(model)


def _objection(control: Control, after: Effective, name: str, known: Abilities) -> str:
    said = _cannot(after, name, known)
    if name == control.name:
        return said
    source, value = after.sources[name], after.shown(name)
    if source not in _IN_CHAT:
        return f"{said}, and here it may be {value}: `set {name}` to less first"
    scope = "" if source == "channel" else f"{source} "
    return f"{said}, and here it is {value}, set for this {source}: `reset {scope}{name}` first"


def _cannot(after: Effective, name: str, known: Abilities) -> str:
    """Which model does not take which value, and what it does take as far as that is documented."""
    model = f"`{quotable(after.model)}`"
    if name == "max_tokens":
        return f"{model} writes at most {longest_answer(after.model):,} tokens in one answer"
    if name == "temperature":
        if known.temperature is False:
            return f"{model} takes no temperature but 1"
        only = ""
        if known.reasons_or_varies and after.reasoning_effort not in (None, "none"):
            only = f" while it reasons, with reasoning_effort {after.reasoning_effort}"
        return f"{model} does not take the temperature {Number(0, 2).write(after.temperature or 0.0)}{only}"
    if known.efforts == ():
        return f"{model} takes no reasoning_effort"
    takes = f"; it takes {listed(known.efforts, 'or')}" if known.efforts else ""
    return f"{model} does not take the reasoning_effort {after.reasoning_effort}{takes}"
