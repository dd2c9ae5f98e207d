"""Every failure of OpenAI's table, ordered as a fault and met through the SDK."""

from __future__ import annotations

import asyncio
import json
import time

import openai as sdk
import pytest

from emulators.faults import Fault
from emulators.openai import OpenAIService, errors
from tests.emulators.test_openai_contract import KEY, MODEL, talking, user

CHAT = "/chat/completions"
REQUEST = "invalid_request_error"
QUOTA = "insufficient_quota"
# the fault, the SDK's exception, and its status, code, param and type
TABLE: list[tuple[Fault, type[sdk.APIStatusError], tuple[int, str | None, str | None, str]]] = [
    (errors.rate_limited(), sdk.RateLimitError, (429, "rate_limit_exceeded", None, "requests")),
    (errors.rate_limited(on="tokens"), sdk.RateLimitError, (429, "rate_limit_exceeded", None, "tokens")),
    (errors.slow_down(), sdk.RateLimitError, (429, "slow_down", None, "rate_limit_error")),
    (errors.insufficient_quota(), sdk.RateLimitError, (429, "insufficient_quota", None, QUOTA)),
    (errors.credit_balance_exhausted(), sdk.RateLimitError, (429, "credit_balance_exhausted", None, QUOTA)),
    (errors.spend_limit_exceeded(), sdk.RateLimitError, (429, "organization_spend_limit_exceeded", None, QUOTA)),
    (errors.spend_limit_exceeded("project"), sdk.RateLimitError, (429, "project_spend_limit_exceeded", None, QUOTA)),
    (errors.usage_limit_exceeded(), sdk.RateLimitError, (429, "organization_usage_limit_exceeded", None, QUOTA)),
    (errors.server_error(), sdk.InternalServerError, (500, None, None, "server_error")),
    (errors.server_error(504), sdk.InternalServerError, (504, None, None, "server_error")),
    (errors.overloaded(), sdk.InternalServerError, (503, None, None, "service_unavailable_error")),
    (errors.request_timeout(), sdk.APIStatusError, (408, "timeout", None, "server_error")),
    (errors.conflict(), sdk.ConflictError, (409, "conflict", None, REQUEST)),
    (errors.invalid_api_key(), sdk.AuthenticationError, (401, "invalid_api_key", None, REQUEST)),
    (errors.missing_api_key(), sdk.AuthenticationError, (401, None, None, REQUEST)),
    (
        errors.forbidden(),
        sdk.PermissionDeniedError,
        (403, "unsupported_country_region_territory", None, "request_forbidden"),
    ),
    (errors.model_not_found("gpt-0"), sdk.NotFoundError, (404, "model_not_found", None, REQUEST)),
    (errors.context_length_exceeded(), sdk.BadRequestError, (400, "context_length_exceeded", "messages", REQUEST)),
    (errors.unsupported_parameter("stop"), sdk.BadRequestError, (400, "unsupported_parameter", "stop", REQUEST)),
    (errors.unsupported_value("top_p"), sdk.BadRequestError, (400, "unsupported_value", "top_p", REQUEST)),
    (errors.content_policy_violation(), sdk.BadRequestError, (400, "content_policy_violation", None, REQUEST)),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("fault", "kind", "shown"), TABLE, ids=[f"{row[2][0]}-{row[2][1]}" for row in TABLE])
async def test_each_failure_reaches_the_client_as_the_sdks_exception(
    fault: Fault, kind: type[sdk.APIStatusError], shown: tuple[int, str | None, str | None, str], stream: bool
) -> None:
    async with talking() as (service, client):
        service.faults.add(CHAT, fault)
        with pytest.raises(kind) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"), stream=stream)
        error = refused.value
        assert (error.status_code, error.code, error.param, error.type) == shown
        assert error.request_id is not None
        assert (service.calls[0].status, service.calls[0].error_code) == shown[:2]
        assert service.requests[0].status == shown[0]
        await client.chat.completions.create(model=MODEL, messages=user("hi"))  # a fault happens once


@pytest.mark.parametrize(
    ("form", "name", "value"), [("seconds", "retry-after", "1.5"), ("milliseconds", "retry-after-ms", "1500")]
)
async def test_the_waiting_time_is_in_the_header_of_the_form_asked_for(form: str, name: str, value: str) -> None:
    fault = errors.rate_limited(1.5, form="seconds" if form == "seconds" else "milliseconds")
    async with talking() as (service, client):
        service.faults.add(CHAT, fault)
        with pytest.raises(sdk.RateLimitError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert refused.value.response.headers[name] == value


async def test_the_sdk_itself_waits_out_both_forms_and_dates() -> None:
    async with talking() as (service, client):
        for fault in (
            errors.rate_limited(0.05),
            errors.slow_down(0.05, form="milliseconds"),
            errors.overloaded(0.6, form="date"),
        ):
            service.faults.add(CHAT, fault)
            start = time.monotonic()
            await client.with_options(max_retries=1).chat.completions.create(model=MODEL, messages=user("hi"))
            assert time.monotonic() - start < 3
        assert [call.status for call in service.calls] == [429, 200, 429, 200, 503, 200]


async def test_a_bad_gateway_answers_a_page_instead_of_json() -> None:
    async with talking() as (service, client):
        service.faults.add(CHAT, errors.bad_gateway())
        with pytest.raises(sdk.InternalServerError) as refused:
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert (refused.value.status_code, refused.value.code) == (502, None)
        assert refused.value.response.headers["content-type"] == "text/html"


async def test_garbage_instead_of_json_breaks_the_sdks_reading() -> None:
    async with talking() as (service, client):
        service.faults.add(CHAT, errors.garbage_json(), errors.garbage_stream())
        with pytest.raises(json.JSONDecodeError):
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        with pytest.raises(json.JSONDecodeError):
            async for _ in await client.chat.completions.create(model=MODEL, messages=user("hi"), stream=True):
                pass


async def test_a_reset_connection_has_no_effect_and_a_lost_reply_has_one() -> None:
    async with talking() as (service, client):
        service.script("said once")
        service.faults.add(CHAT, Fault(kind="reset"), Fault(kind="lost_reply"))
        for pending in (1, 0):
            with pytest.raises(sdk.APIConnectionError):
                await client.chat.completions.create(model=MODEL, messages=user("hi"))
            assert service.scripted == pending
        assert [request.status for request in service.requests] == [0, 0]
        first, second = service.calls
        assert first.usage is None
        assert second.usage is not None
        assert not second.usage_reported


async def test_a_delay_makes_the_client_wait_and_then_answers() -> None:
    async with talking() as (service, client):
        service.faults.add(CHAT, Fault(kind="delay", seconds=0.1))
        start = time.monotonic()
        await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert time.monotonic() - start >= 0.1


async def test_one_key_may_be_out_of_quota_while_another_is_good() -> None:
    async with talking(OpenAIService(keys=[KEY, "sk-second"])) as (service, client):
        service.refuse_key(KEY, errors.insufficient_quota())
        for _ in range(2):
            with pytest.raises(sdk.RateLimitError) as refused:
                await client.chat.completions.create(model=MODEL, messages=user("hi"))
            assert refused.value.code == "insufficient_quota"
        await client.with_options(api_key="sk-second").chat.completions.create(model=MODEL, messages=user("hi"))
        service.accept_key(KEY)
        await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert [call.key for call in service.calls] == [KEY, KEY, "sk-second", KEY]


async def test_models_have_faults_of_their_own() -> None:
    async with talking() as (service, client):
        service.faults.add("/models", errors.server_error())
        await client.chat.completions.create(model=MODEL, messages=user("hi"))
        with pytest.raises(sdk.InternalServerError):
            await client.models.retrieve(MODEL)
        assert service.faults.pending == 0


async def test_waiting_in_vain_says_what_the_state_is() -> None:
    async with talking() as (service, client):
        service.faults.add(CHAT, errors.server_error())
        with pytest.raises(sdk.InternalServerError):
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        with pytest.raises(AssertionError, match="status=500"):
            await service.wait_for(lambda: len(service.calls) > 1, timeout=0.05)


async def test_waiting_ends_when_the_awaited_comes() -> None:
    async with talking() as (service, client):
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(service.wait_for(lambda: [call.finished for call in service.calls]))
            await client.chat.completions.create(model=MODEL, messages=user("hi"))
        assert len(waiting.result()) == 1
