"""How the model is doing is learned from the exchanges that take place, and from nothing else."""

from __future__ import annotations

import pytest

from bot.backend.standing import Standing
from bot.errors import (
    ContentRefused,
    ContextTooLong,
    KeyRefused,
    ModelFailure,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
    ModelUnknown,
    ParameterRefused,
    QuotaExhausted,
    StreamCut,
)
from emulators.openai import OpenAIService, errors
from tests.backend.asking import PATH, ask, backend


@pytest.mark.parametrize(
    ("failure", "lasting"),
    [
        (KeyRefused(), True),
        (QuotaExhausted(), True),
        (ModelUnknown(), False),
        (ModelRateLimited(), False),
        (ModelUnavailable(), False),
        (StreamCut(), False),
    ],
)
def test_a_failure_stays_until_an_answer(failure: ModelFailure, lasting: bool) -> None:
    standing = Standing()
    standing.answered(1.0)
    standing.failed(failure, 2.0)
    standing.failed(failure, 3.0)
    assert standing == Standing(1.0, type(failure).__name__, 2.0, lasting)
    standing.answered(4.0)
    assert standing == Standing(4.0)


@pytest.mark.parametrize(
    "refusal", [ContextTooLong(), ParameterRefused(), ContentRefused(), ModelRefused()], ids=lambda r: type(r).__name__
)
def test_a_refused_question_shows_that_key_and_provider_work(refusal: ModelFailure) -> None:
    standing = Standing()
    standing.failed(KeyRefused(), 1.0)
    standing.failed(refusal, 2.0)
    assert standing == Standing(2.0)


async def test_the_backends_own_exchanges_tell(service: OpenAIService) -> None:
    async with backend(service.url) as asked:
        assert asked.standing == Standing()
        assert (await ask(asked)).finished.reason == "stop"
        assert asked.standing.answered_at is not None
        service.faults.add(PATH, errors.insufficient_quota())
        assert isinstance((await ask(asked)).failure, QuotaExhausted)
        assert (asked.standing.failure, asked.standing.lasting) == ("QuotaExhausted", True)
        service.faults.add(PATH, errors.server_error(503))
        assert (await ask(asked)).finished.reason == "stop"
        assert asked.standing.failure == ""
        assert asked.standing.failing_since is None
