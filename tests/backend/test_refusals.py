"""What is refused for good: no second call, one failure of the closed list; and the parameters that a model refuses."""

from __future__ import annotations

import pytest

from bot.errors import (
    ContentRefused,
    ContextTooLong,
    KeyRefused,
    ModelFailure,
    ModelRefused,
    ModelUnknown,
    ParameterRefused,
    QuotaExhausted,
)
from emulators.faults import Fault
from emulators.openai import OpenAIService, errors
from tests.backend.asking import PATH, ask, backend, request


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (errors.insufficient_quota(), QuotaExhausted),
        (errors.credit_balance_exhausted(), QuotaExhausted),
        (errors.spend_limit_exceeded("project"), QuotaExhausted),
        (errors.spend_limit_exceeded("organization"), QuotaExhausted),
        (errors.usage_limit_exceeded(), QuotaExhausted),
        (errors.invalid_api_key(), KeyRefused),
        (errors.missing_api_key(), KeyRefused),
        (errors.forbidden(), KeyRefused),
        (errors.context_length_exceeded(), ContextTooLong),
        (errors.content_policy_violation(), ContentRefused),
        (errors.model_not_found("gpt-99"), ModelUnknown),
        (errors.unsupported_value("messages", "x"), ModelRefused),
        (
            errors.bad_request("temperature is too high", param="temperature", code="decimal_above_max_value"),
            ParameterRefused,
        ),
        (errors.bad_request("No."), ModelRefused),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_refusal_is_not_tried_again(service: OpenAIService, fault: Fault, expected: type[ModelFailure]) -> None:
    service.faults.add(PATH, fault)
    async with backend(service.url) as asked:
        answer = await ask(asked, request(temperature=0.5))
        assert type(answer.failure) is expected
        assert answer.events == []
        assert len(service.calls) == 1
        # And it does not stand in the way of the next question.
        assert (await ask(asked)).text


async def test_the_model_set_wrongly_is_unknown(service: OpenAIService) -> None:
    async with backend(service.url) as asked:
        answer = await ask(asked, request(model="gpt-99"))
    assert type(answer.failure) is ModelUnknown


async def test_a_prompt_that_is_too_long_is_said_to_be(service: OpenAIService) -> None:
    async with backend(service.url) as asked:
        answer = await ask(asked, request("word " * 200_000))
    assert type(answer.failure) is ContextTooLong


async def test_a_refused_temperature_is_left_out_and_remembered_per_model(service: OpenAIService) -> None:
    async with backend(service.url) as asked:
        first = await ask(asked, request(model="gpt-5-mini", temperature=0.3))
        second = await ask(asked, request(model="gpt-5-mini", temperature=0.3))
        other = await ask(asked, request(model="gpt-4o-mini", temperature=0.3))
    assert all(answer.text and not answer.waits for answer in (first, second, other))
    assert ["temperature" in call.body for call in service.calls] == [True, False, False, True]


async def test_of_the_efforts_a_model_is_spared_the_refused_one_alone(service: OpenAIService) -> None:
    async with backend(service.url) as asked:
        answers = [
            await ask(asked, request(model="gpt-5-mini", reasoning_effort=effort))
            for effort in ("none", "none", "low", "minimal")
        ]
    assert all(answer.text for answer in answers)
    assert [call.body.get("reasoning_effort") for call in service.calls] == ["none", None, None, "low", "minimal"]


async def test_the_name_of_the_output_limit_is_swapped_where_the_newer_one_is_refused(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.unsupported_parameter("max_completion_tokens"))
    async with backend(service.url) as asked:
        assert (await ask(asked, request(max_output_tokens=50))).text
        assert (await ask(asked, request(max_output_tokens=50))).text
    names = [[name for name in call.body if name.startswith("max_")] for call in service.calls]
    assert names == [["max_completion_tokens"], ["max_tokens"], ["max_tokens"]]


async def test_the_output_limit_is_left_out_where_both_names_are_refused(service: OpenAIService) -> None:
    service.faults.add(
        PATH, errors.unsupported_parameter("max_completion_tokens"), errors.unsupported_parameter("max_tokens")
    )
    async with backend(service.url) as asked:
        assert (await ask(asked, request(max_output_tokens=50))).text
    assert not {"max_tokens", "max_completion_tokens"} & set(service.calls[-1].body)


async def test_without_stream_options_the_usage_is_counted_and_said_to_be_an_estimate(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.unsupported_parameter("stream_options.include_usage"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    billed = service.calls[-1].usage
    used = answer.finished.usage
    assert "stream_options" not in service.calls[-1].body
    assert used.estimated
    assert billed is not None
    assert used.prompt_tokens == billed.prompt
    assert abs(used.completion_tokens - billed.completion) <= 1


async def test_an_account_that_may_not_stream_gets_its_answer_in_one_piece(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.unsupported_value("stream", "true"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text
    assert not service.calls[-1].stream
    assert not answer.finished.usage.estimated


async def test_the_doctor_is_told_what_is_wrong(service: OpenAIService) -> None:
    async with backend(service.url, "sk-revoked") as asked:
        with pytest.raises(KeyRefused):
            await asked.check("gpt-4o-mini")
        assert len(service.calls) == 1
    async with backend(service.url) as asked:
        service.faults.add(PATH, errors.unsupported_parameter("max_completion_tokens"))
        await asked.check("gpt-4o-mini")
        with pytest.raises(ModelUnknown):
            await asked.check("gpt-99")
