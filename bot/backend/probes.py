"""Whether a model takes certain values of its parameters, asked of the provider by one tiny completion.

A probe never waits: where the provider is busy, paused or silent it comes back with nothing found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from bot.backend import tokens
from bot.backend.clock import Clock
from bot.backend.completion import CompletionRequest, ModelMessage, Usage
from bot.backend.exchange import Accepted, Ending, ExchangeFailed, exchange
from bot.backend.failures import UNKNOWN_MODEL, Diagnosis
from bot.backend.keys import Key
from bot.backend.parameters import Refusals, arguments
from bot.backend.retries import Retries
from bot.backend.rings import Rings
from bot.errors import KeyRefused, ModelUnknown, ParameterRefused, QuotaExhausted

MOST_REMEMBERED = 1_000
# A few keys may be refused, and the limit's older name be wanted, before there is an answer.
MOST_CALLS = 6
PROMPT = (ModelMessage("user", "Reply with OK."),)
LONGEST = 16
"""Tokens: the least that OpenAI's newer models allow."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one call of a probe took; `model` is the provider's name for what answered."""

    model: str
    key_label: str
    usage: Usage


@dataclass(slots=True)
class Probed:
    """What a probe found: a parameter that was refused, or that there is no such model, or neither of them."""

    refused: str = ""
    unknown: bool = False
    answers: list[Answered] = field(default_factory=list)


class Probes:
    """Asks, and remembers what was found for as long as the process runs."""

    def __init__(self, rings: Rings, retries: Retries, slots: asyncio.Semaphore, clock: Clock) -> None:
        self._rings = rings
        self._retries = retries
        self._slots = slots
        self._clock = clock
        self._found: dict[CompletionRequest, str] = {}

    async def ask(
        self, request: CompletionRequest, watched: Collection[str], known: Refusals, seconds: float
    ) -> Probed:
        """Ask with the model, parameters and keys of `request`, whose text is not sent, for `seconds` at most.

        A refusal of one of the `watched` parameters ends it; another one is left out, as it is in every question.
        """
        asked = replace(request, messages=PROMPT, max_output_tokens=LONGEST)
        remembered = self._found.get(asked, "")
        if asked in self._found and (not remembered or remembered in watched):
            return Probed(remembered)
        probed = Probed()
        try:
            async with asyncio.timeout(seconds), self._slots:
                if await self._settled(asked, watched, known, probed):
                    self._remember(asked, probed.refused)
        except TimeoutError:
            pass  # nothing is claimed
        return probed

    async def _settled(
        self, request: CompletionRequest, watched: Collection[str], known: Refusals, probed: Probed
    ) -> bool:
        """Whether it is clear now what the model takes."""
        refusals = Refusals({name for name in known.refused if name.partition("=")[0] not in watched})
        ring, spent = self._rings.ring(request.keys), list[Key]()
        for _ in range(MOST_CALLS):
            now = self._clock.monotonic()
            key = ring.choose(request.model, now, spent)
            if key is None or key.failure or key.pace(request.model).wait(now):
                return False
            if ring.crowded(key, now) or not self._retries.calm:
                return False
            ring.take(key, request.model, now)
            try:
                diagnosis = await self._call(key, request, refusals, probed)
            finally:
                ring.give_back(key)
            if diagnosis is None:
                # It would be left out of questions still, had they learnt so in other circumstances.
                known.refused -= {name for name in known.refused if name.partition("=")[0] in watched}
                return True
            failure = diagnosis.failure
            if isinstance(failure, KeyRefused | QuotaExhausted):
                spent.append(key)
                self._retries.set_aside(key, diagnosis)
            elif isinstance(failure, ParameterRefused) and failure.parameter in watched:
                probed.refused = failure.parameter
                return True
            elif isinstance(failure, ParameterRefused) and diagnosis.droppable:
                refusals.refused.add(failure.parameter)
            else:
                probed.unknown = isinstance(failure, ModelUnknown) and diagnosis.code in UNKNOWN_MODEL
                return False
        return False

    async def _call(self, key: Key, request: CompletionRequest, refusals: Refusals, probed: Probed) -> Diagnosis | None:
        said: list[str] = []
        ending: Ending | None = None
        windows = self._retries.windows(0, Refusals())
        began = self._clock.monotonic()
        try:
            async with (
                self._rings.lend(key) as client,
                aclosing(exchange(client, arguments(request, refusals), windows, self._clock.now())) as chunks,
            ):
                async for chunk in chunks:
                    if isinstance(chunk, Accepted):
                        key.accepted(began)
                    elif isinstance(chunk, Ending):
                        ending = chunk
                    else:
                        said.append(chunk.text)
        except ExchangeFailed as error:
            return error.diagnosis
        finally:
            # What was begun is paid for, even where the time was up before its end.
            model = (ending and ending.model) or request.model
            usage = ending.usage if ending else None
            if usage is None and (ending or any(said)):
                counted = tokens.count("".join(said), model)
                usage = Usage(tokens.count_messages(PROMPT, model), 0, counted, estimated=True)
            if usage is not None:
                probed.answers.append(Answered(model, key.label, usage))
        return None

    def _remember(self, request: CompletionRequest, refused: str) -> None:
        if len(self._found) >= MOST_REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[request] = refused
