"""What the model took of one question, as the row that is counted: as the provider reported, else by our own count."""

from __future__ import annotations

from collections.abc import Sequence

from bot.backend import models, tokens
from bot.backend.completion import CompletionRequest, Usage
from bot.backend.models import Price
from storage.money import UsageRow

# The label of what no key is known for.
NO_KEY = ""


class Tally:
    """Counts what the calls for one question took. Guards what was asked, and what is void of it."""

    def __init__(self, user_id: str, asked: str, price: Price | None) -> None:
        """`asked` is the model's name in the settings, and `price` what somebody says that it costs."""
        self._user_id = user_id
        self._model = asked
        self._price = price
        self._request: CompletionRequest | None = None
        # What attempts took whose words are void, and what the provider reported of the last one.
        self._voided: list[Usage] = []
        self._reported: UsageRow | None = None

    def ask(self, request: CompletionRequest) -> None:
        """A call begins."""
        self._request = request

    def void(self, text: str) -> None:
        """What was said so far, `text`, is void, and paid for all the same."""
        self._voided += self._begun(text)

    def finish(self, usage: Usage, model: str, key_label: str, requests: int = 1) -> UsageRow:
        """A call came to its end after so many requests, and `usage` was reported by what calls itself `model`."""
        self._reported = self._row(model, key_label, requests, [*self._voided, usage])
        return self._reported

    def used(self, text: str) -> UsageRow | None:
        """All that was taken so far, where `text` is what was said and is not void.

        None where the model had not begun: then there is nothing to be paid for.
        """
        if self._reported is not None:
            return self._reported
        used = [*self._voided, *self._begun(text)]
        return self._row(self._model, NO_KEY, len(used), used) if used else None

    def voided_micros(self) -> int:
        """What the void words cost, in micro-dollars, as far as that is known."""
        return sum(self._cost(self._model, each) or 0 for each in self._voided)

    def _begun(self, text: str) -> Sequence[Usage]:
        """What the attempt under way has taken by our own count, once it has said something."""
        request = self._request
        if request is None or not text:
            return ()
        prompt = tokens.count_messages(request.messages, request.model)
        return [Usage(prompt, 0, tokens.count(text, request.model), estimated=True)]

    def _row(self, model: str, key_label: str, requests: int, used: Sequence[Usage]) -> UsageRow:
        costs = [self._cost(model, each) for each in used]
        return UsageRow(
            user_id=self._user_id,
            model=model,
            key_label=key_label,
            requests=requests,
            prompt_tokens=sum(each.prompt_tokens for each in used),
            cached_tokens=sum(each.cached_tokens for each in used),
            completion_tokens=sum(each.completion_tokens for each in used),
            reasoning_tokens=sum(each.reasoning_tokens for each in used),
            estimated=any(each.estimated for each in used),
            cost_micros=None if None in costs else sum(cost for cost in costs if cost is not None),
        )

    def _cost(self, model: str, used: Usage) -> int | None:
        """By the name of what answered, else of what was asked: a service may call it by a name of its own."""
        cost = models.cost_micros(model, used)
        return models.cost_micros(self._model, used, self._price) if cost is None else cost
