"""A model that sums up: it keeps the facts it is told to keep, and nothing else, so that a test can look for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from emulators.openai.reply import Answer, ChatRequest, Responder

NOTHING = "Nothing of note was said."


def summing_up(is_summary: Callable[[ChatRequest], bool], facts: Sequence[str], otherwise: Responder) -> Responder:
    """Answers each request that `is_summary` with those of the `facts` that stand in it, the others by `otherwise`."""

    async def respond(request: ChatRequest) -> Answer:
        if is_summary(request):
            return "\n".join(fact for fact in facts if fact in request.last) or NOTHING
        answer = otherwise(request)
        return await answer if inspect.isawaitable(answer) else answer

    return respond
