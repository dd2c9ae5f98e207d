"""What a provider lists of its models: `GET /models` and `GET /models/NAME`, which cost nothing.

Compatible servers often have neither: that says nothing of a model or a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import openai
import orjson

from bot.backend.exchange import WIRE
from bot.backend.failures import UNKNOWN_MODEL, diagnose
from bot.errors import KeyRefused, ModelFailure, ModelRateLimited, ModelUnavailable, QuotaExhausted

_NOT_OFFERED = (404, 405, 501)


async def is_unknown(client: openai.AsyncOpenAI, model: str, now: datetime) -> bool:
    """Whether the provider says, by its code for it, that there is no such model for the key.

    No other answer counts. Raises the `ModelFailure` that is of the key or of the provider, and not of the model.
    """
    failure: ModelFailure | None = None
    try:
        await client.models.with_raw_response.retrieve(model)
    except openai.APIStatusError as error:
        diagnosis = diagnose(error, (), now)
        if error.status_code == 404:
            return diagnosis.code in UNKNOWN_MODEL
        failure = diagnosis.failure
    except WIRE as error:
        failure = ModelUnavailable(type(error).__name__)
    _raise_telling(failure)
    return False


async def listed(client: openai.AsyncOpenAI, now: datetime) -> Sequence[str]:
    """The names of the provider's models, none where it has no such list. Raises as `is_unknown`."""
    failure: ModelFailure | None = None
    try:
        answer = await client.models.with_raw_response.list()
        return _names(answer.http_response.content)
    except openai.APIStatusError as error:
        if error.status_code not in _NOT_OFFERED:
            failure = diagnose(error, (), now).failure
    except WIRE as error:
        failure = ModelUnavailable(type(error).__name__)
    _raise_telling(failure)
    return ()


def _raise_telling(failure: ModelFailure | None) -> None:
    """Raised out here so that the exception has no context to print: the SDK's may quote a key."""
    if isinstance(failure, KeyRefused | QuotaExhausted | ModelRateLimited | ModelUnavailable):
        raise failure


def _names(raw: bytes) -> Sequence[str]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ()
    models = body.get("data") if isinstance(body, dict) else None
    names = [model.get("id") for model in models if isinstance(model, dict)] if isinstance(models, list) else []
    return [name for name in names if isinstance(name, str)]
