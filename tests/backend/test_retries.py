"""Transient failures: what is tried again, after which wait, for how long, and what the asker hears."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from bot.backend.client import Backend, BackendConfig
from bot.backend.completion import Restarted, Text, Waiting
from bot.backend.limiter import LONGEST_PAUSE
from bot.errors import ModelFailure, ModelRateLimited, ModelUnavailable, RequestTooLarge, StreamCut, StreamStalled
from emulators.faults import Fault
from emulators.openai import OpenAIService, Reply, errors
from emulators.openai.ratelimits import Rates
from tests.backend.asking import KEY, PATH, QUICK, Ahead, ask, backend, request

LONG = "one two three four five " * 10


@pytest.mark.parametrize(
    "fault",
    [
        errors.server_error(500),
        errors.overloaded(),
        errors.bad_gateway(),
        errors.server_error(504),
        errors.request_timeout(),
        errors.conflict(),
        errors.garbage_json(),
        errors.garbage_stream(),
        Fault(kind="reset"),
        Fault(kind="lost_reply"),
    ],
    ids=["500", "503", "502 with HTML", "504", "408", "409", "garbage", "garbage in the stream", "reset", "lost reply"],
)
async def test_three_transient_failures_in_a_row_still_end_in_an_answer(service: OpenAIService, fault: Fault) -> None:
    service.faults.add(PATH, fault, fault, fault)
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text
    assert answer.finished.attempts == 4
    assert [type(wait.failure) for wait in answer.waits if not isinstance(wait.failure, ModelUnavailable)] == []
    assert len(answer.waits) == 3
    assert answer.restarts == 0


async def test_the_defaults_answer_after_three_failures_within_four_seconds(service: OpenAIService) -> None:
    service.faults.add(PATH, *[errors.server_error()] * 3)
    async with backend(service.url, retry_base=0.5, retry_cap=20.0, retry_for=60.0) as asked:
        answer = await ask(asked)
    assert answer.text
    assert answer.took < 4.0


async def test_a_wait_is_told_before_it_is_waited(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.overloaded(0.3))
    async with backend(service.url) as asked:
        events = asked.stream(request())
        first = await anext(events)
        told = time.monotonic()
        await anext(events)
        assert isinstance(first, Waiting)
        assert 0.3 <= first.seconds <= 0.4
        assert time.monotonic() - told >= 0.29
        await events.aclose()
    await service.wait_for(lambda: not service.open_streams)


async def test_patience_ends_in_a_failure(service: OpenAIService) -> None:
    service.responder = lambda _: Reply(error_after=0, error=errors.stream_error())
    async with backend(service.url, retry_for=0.3, breaker_threshold=1000) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is ModelUnavailable
    assert 0.3 <= answer.took < 1.0
    assert len(service.calls) > 3


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with backend("http://127.0.0.1:9/v1", retry_for=0.1) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is ModelUnavailable
    assert "Error" in answer.failure.detail


# ---- rate limits


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "date"])
async def test_a_named_wait_is_never_cut_short(service: OpenAIService, form: errors.RetryForm) -> None:
    service.faults.add(PATH, errors.rate_limited(1, form=form))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    first, second = service.calls
    assert answer.text
    # A date has whole seconds only, so that up to one of them is gone before it is read.
    assert (0.0 if form == "date" else 1.0) <= second.started - (first.finished or 0.0) < 1.5
    assert form == "date" or isinstance(answer.waits[0].failure, ModelRateLimited)


async def test_two_waits_of_two_seconds_are_both_waited_out_though_patience_is_shorter(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.rate_limited(2), errors.rate_limited(2))
    async with backend(service.url, retry_for=1.0) as asked:
        answer = await ask(asked)
    first, second, third = service.calls
    assert answer.text
    assert second.started - (first.finished or 0.0) >= 2.0
    assert third.started - (second.finished or 0.0) >= 2.0
    assert answer.took < 5.0
    assert len(answer.waits) == 2


async def test_slow_down_is_a_rate_limit(service: OpenAIService) -> None:
    # By waits that tell it from an outage however slow the machine is: the short one is waited out, though what is left
    # of it may be too short to be told, the long one is named in the failure.
    service.faults.add(PATH, errors.slow_down(0.1), errors.slow_down(600))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert isinstance(answer.failure, ModelRateLimited)
    assert answer.failure.retry_after == 600
    assert [call.status for call in service.calls] == [429, 429]
    async with backend(service.url) as asked:
        assert (await ask(asked)).text


async def test_a_rate_limit_without_a_named_wait_is_backed_off_from_until_patience_ends(service: OpenAIService) -> None:
    service.faults.add(PATH, *[errors.rate_limited(form="none")] * 3)
    async with backend(service.url) as asked:
        assert (await ask(asked)).text
    limited = [errors.rate_limited(form="none")] * 200
    service.faults.add(PATH, *limited)
    async with backend(service.url, retry_for=0.4) as asked:
        answer = await ask(asked)
    assert isinstance(answer.failure, ModelRateLimited)
    assert answer.took < 1.0
    assert len(service.calls) < 60
    service.faults.clear()


async def test_a_named_wait_that_is_too_long_is_told_instead_of_waited(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.rate_limited(600))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert isinstance(answer.failure, ModelRateLimited)
    assert answer.failure.retry_after == 600
    assert answer.took < 1.0


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_key_is_asked_again_after_some_minutes_however_long_a_wait_was_named(
    service: OpenAIService, form: errors.RetryForm
) -> None:
    service.faults.add(PATH, *[errors.rate_limited(86_400, form=form)] * 2)
    clock = Ahead()
    async with Backend(BackendConfig((KEY,), service.url, **QUICK), clock=clock) as asked:
        for calls in (1, 2):
            assert isinstance((await ask(asked)).failure, ModelRateLimited)
            assert isinstance((await ask(asked)).failure, ModelRateLimited), "while the key is left alone"
            assert len(service.calls) == calls
            clock.ahead += LONGEST_PAUSE + 1
        assert (await ask(asked)).text


async def test_a_named_outage_that_is_too_long_is_told_instead_of_waited(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.overloaded(600))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is ModelUnavailable
    assert answer.took < 1.0


async def test_named_waits_do_not_go_on_for_ever(service: OpenAIService) -> None:
    service.faults.add(PATH, *[errors.rate_limited(0)] * 200)
    async with backend(service.url, wait_out=0.0, retry_cap=0.3, retry_base=0.1) as asked:
        answer = await ask(asked)
    assert isinstance(answer.failure, ModelRateLimited)
    assert len(service.calls) < 30
    service.faults.clear()


async def test_a_question_of_more_tokens_than_a_minute_has_is_too_long_and_holds_nobody_up() -> None:
    async with OpenAIService(keys=(KEY,), rates=Rates(500, 1_000)) as service, backend(service.url) as asked:
        assert type((await ask(asked, request("word " * 2_000, max_output_tokens=16))).failure) is RequestTooLarge
        assert len(service.calls) == 1
        assert (await ask(asked, request(max_output_tokens=16))).waits == []


@pytest.mark.parametrize(
    ("figures", "kind"),
    [
        ("Limit 6000, Used 12, Requested 6001", RequestTooLarge),
        ("Limit: 6,000. Requested: 16,001.", RequestTooLarge),
        ("Limit 6000, Used 5999, Requested 6000", ModelRateLimited),
        ("Limit 36,000, Used 36,000, Requested 6,000", ModelRateLimited),
        ("Limit 0, Used 0, Requested 1", ModelRateLimited),
    ],
)
async def test_a_rate_limit_that_no_wait_ends_is_told_by_its_figures(
    service: OpenAIService, figures: str, kind: type[ModelFailure]
) -> None:
    limited = errors.error_body(f"Rate limit reached. {figures}", "tokens", code="rate_limit_exceeded")
    service.faults.add(PATH, Fault(status=429, headers={"Retry-After": "600"}, body=limited))
    async with backend(service.url) as asked:
        assert type((await ask(asked)).failure) is kind


async def test_one_rate_limit_holds_all_conversations_and_lets_them_through_gently(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.rate_limited(0.6))
    async with backend(service.url) as asked:
        limited = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: service.calls and service.calls[0].status == 429)
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(ask(asked)) for _ in range(4)]
        answers = [await limited, *[await other for other in others]]
    assert all(answer.text for answer in answers)
    first, *rest = service.calls
    assert len(rest) == 5
    starts = sorted(call.started for call in rest)
    assert starts[0] - (first.finished or 0.0) >= 0.6
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.08
    assert [len(answer.waits) for answer in answers] == [1] * 5
    assert all(isinstance(answer.waits[0].failure, ModelRateLimited) for answer in answers)


async def test_the_gentle_phase_ends(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.rate_limited(0.05))
    async with backend(service.url) as asked:
        await ask(asked)
        await asyncio.sleep(1.1)
        answers = await asyncio.gather(*(ask(asked) for _ in range(5)))
    starts = sorted(call.started for call in service.calls[-5:])
    # While it is gentle none of these is so short, however fast the machine.
    assert min(later - earlier for earlier, later in pairwise(starts)) < 0.08
    assert not any(answer.waits for answer in answers)


# ---- streams that break off


@pytest.mark.parametrize("cut", ["abort", "end"])
async def test_a_stream_cut_before_anything_was_shown_is_tried_again_unseen(service: OpenAIService, cut: str) -> None:
    service.script(Reply(LONG, cut_after=0, cut="end" if cut == "end" else "abort"), Reply("Whole"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Whole"
    assert answer.restarts == 0
    assert isinstance(answer.waits[0].failure, StreamCut)


@pytest.mark.parametrize("cut", ["abort", "end"])
async def test_a_stream_cut_after_some_text_is_begun_again(service: OpenAIService, cut: str) -> None:
    service.script(Reply(LONG, cut_after=30, chunk_delay=0.005, cut="end" if cut == "end" else "abort"), Reply("Whole"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Whole"
    assert answer.restarts == 1
    assert answer.finished.attempts == 2
    after = answer.events[answer.events.index(Restarted()) + 1]
    assert isinstance(after, Text)


async def test_what_was_shown_stays_until_something_better_comes(service: OpenAIService) -> None:
    service.script(*[Reply(LONG, cut_after=30, cut="end")] * 3)
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is StreamCut
    assert answer.restarts == 2
    assert answer.text
    assert LONG.startswith(answer.text)
    assert len(service.calls) == 3


async def test_an_empty_second_attempt_voids_the_first(service: OpenAIService) -> None:
    service.script(Reply(LONG, cut_after=30, cut="end"), Reply("", finish_reason="stop"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == ""
    assert answer.restarts == 1


async def test_a_stalled_stream_is_begun_again_after_the_idle_timeout(service: OpenAIService) -> None:
    service.script(Reply(LONG, stall_after=30), Reply("Whole"))
    async with backend(service.url, idle_timeout=0.2) as asked:
        answer = await ask(asked)
    assert answer.text == "Whole"
    assert answer.restarts == 1
    assert isinstance(answer.waits[0].failure, StreamStalled)
    assert 0.2 <= answer.took < 1.0
    assert service.calls[0].disconnected is not None


async def test_a_stream_that_stalls_each_time_ends_in_a_failure(service: OpenAIService) -> None:
    service.script(*[Reply(LONG, stall_after=30)] * 3)
    async with backend(service.url, idle_timeout=0.1) as asked:
        answer = await ask(asked)
    assert type(answer.failure) is StreamStalled
    assert len(service.calls) == 3


async def test_no_first_token_in_time_is_tried_again_with_more_time(service: OpenAIService) -> None:
    service.script(Reply("Late", first_token_delay=2.0), Reply("Thought about it", first_token_delay=0.45))
    async with backend(service.url, first_token_timeout=0.3) as asked:
        answer = await ask(asked)
    assert answer.text == "Thought about it"
    assert isinstance(answer.waits[0].failure, ModelUnavailable)


async def test_a_slow_first_token_within_its_time_is_waited_for_beyond_the_idle_timeout(service: OpenAIService) -> None:
    service.script(Reply("Thought about it", first_token_delay=0.4))
    async with backend(service.url, first_token_timeout=1.0, idle_timeout=0.1) as asked:
        answer = await ask(asked)
    assert answer.text == "Thought about it"
    assert answer.finished.attempts == 1


async def test_an_error_in_mid_stream_is_told_by_its_kind(service: OpenAIService) -> None:
    service.script(Reply(LONG, error_after=30, error=errors.stream_error(code="rate_limit_exceeded")), Reply("Whole"))
    async with backend(service.url) as asked:
        answer = await ask(asked)
    assert answer.text == "Whole"
    assert answer.restarts == 1
