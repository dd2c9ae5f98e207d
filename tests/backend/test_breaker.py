"""The breaker: after some failures in a row the provider is left alone, then probed, and nobody is forgotten."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from bot.backend.breaker import Breaker
from bot.errors import ModelUnavailable
from emulators.openai import OpenAIService, Reply, errors
from tests.backend.asking import PATH, ask, backend, request

DOWN = errors.server_error()


def tripped(now: float = 0.0) -> Breaker:
    breaker = Breaker(threshold=3, open_for=15.0, open_cap=40.0)
    assert [breaker.failed(now, probe=False) for _ in range(3)] == [0.0, 0.0, 15.0]
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(threshold=2, open_for=15.0, open_cap=40.0)
    breaker.failed(0.0, probe=False)
    breaker.passed(probe=False)
    assert breaker.failed(0.0, probe=False) == 0.0
    assert breaker.wait(0.0) == 0.0
    assert not breaker.probe()
    assert breaker.failed(0.0, probe=False) == 15.0
    assert not breaker.closed
    assert breaker.wait(5.0) == 10.0


def test_a_probe_that_fails_doubles_the_window_up_to_the_cap() -> None:
    breaker = tripped()
    windows = []
    now = 0.0
    for _ in range(3):
        now += breaker.wait(now)
        assert breaker.probe()
        windows.append(breaker.failed(now, probe=True))
    assert windows == [30.0, 40.0, 40.0]


def test_while_one_probes_the_others_wait_and_its_success_lets_them_go() -> None:
    breaker = tripped()
    assert breaker.wait(15.0) == 0.0
    assert breaker.probe()
    assert breaker.probing
    assert not breaker.probe()
    assert breaker.wait(15.0) > 0
    assert not breaker.passed(probe=False)
    assert not breaker.changed.is_set()
    assert breaker.passed(probe=True)
    assert breaker.changed.is_set()
    assert breaker.closed


def test_what_set_out_before_it_opened_does_not_count() -> None:
    breaker = tripped()
    assert breaker.failed(1.0, probe=False) == 0.0
    assert not breaker.passed(probe=True)
    assert breaker.wait(1.0) == 14.0


def test_a_probe_given_up_leaves_the_place_to_the_next() -> None:
    breaker = tripped()
    breaker.released()
    assert breaker.wait(1.0) == 14.0
    breaker.probe()
    breaker.released()
    assert breaker.wait(1.0) == 0.0
    assert breaker.probe()


def test_the_last_chance_shortens_doubled_windows_to_the_first() -> None:
    breaker = tripped()
    breaker.probe()
    breaker.failed(15.0, probe=True)
    assert breaker.wait(20.0) == 25.0
    assert breaker.wait(20.0, last_chance=True) == 10.0
    assert breaker.wait(30.0, last_chance=True) == 0.0


# ---- over the wire


async def test_after_five_failures_the_provider_is_left_alone_and_the_question_still_answered(
    service: OpenAIService,
) -> None:
    service.faults.add(PATH, *[DOWN] * 5)
    async with backend(service.url, breaker_open_for=0.5) as asked:
        answer = await ask(asked)
    assert answer.text
    assert answer.finished.attempts == 6
    fifth, sixth = service.calls[-2:]
    assert sixth.started - (fifth.finished or 0.0) >= 0.5
    assert 0.4 < answer.waits[-1].seconds <= 0.5
    assert isinstance(answer.waits[-1].failure, ModelUnavailable)


async def test_while_it_is_open_others_hear_it_once_and_do_not_call(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 6)
    async with backend(service.url, breaker_open_for=0.4, retry_for=5.0) as asked:
        first = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: len(service.calls) == 5)
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(ask(asked)) for _ in range(4)]
        await asyncio.sleep(0.15)
        assert len(service.calls) == 5
        answers = [await first, *[await other for other in others]]
    assert all(answer.text for answer in answers)
    told = [[wait for wait in answer.waits if "breaker" in wait.failure.detail] for answer in answers[1:]]
    assert [len(waits) for waits in told] == [1] * 4
    # One probe failed, one was answered, and only then came the rest, one after the other.
    probe, success, *rest = service.calls[5:]
    assert success.started - probe.started >= 0.75
    assert len(rest) == 4
    starts = sorted(call.started for call in rest)
    assert starts[-1] - starts[0] >= 0.25


async def test_patience_ends_while_it_is_open(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 5)
    async with backend(service.url, breaker_open_for=60.0, retry_for=0.6) as asked:
        first, second = await ask(asked), await ask(asked)
    assert type(first.failure) is ModelUnavailable
    assert type(second.failure) is ModelUnavailable
    assert 0.6 <= second.took < 1.0
    assert len(second.waits) == 1
    assert len(service.calls) == 5


async def test_who_runs_out_of_patience_gets_a_last_chance(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 6)
    async with backend(service.url, breaker_open_for=0.2, breaker_open_cap=60.0, retry_for=0.9) as asked:
        await ask(asked)
        service.faults.add(PATH, DOWN)
        await ask(asked)
        # Its window is longer now than the patience of the next question.
        answer = await ask(asked)
    assert answer.text


async def test_a_probe_whose_asker_leaves_does_not_block_the_others(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 5)
    async with backend(service.url, breaker_open_for=0.2, first_token_timeout=5.0, retry_for=5.0) as asked:
        service.script(Reply("Never", first_token_delay=4.0), "Here")
        prober = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: len(service.calls) == 6)
        other = asyncio.create_task(ask(asked))
        await asyncio.sleep(0.1)
        prober.cancel()
        answer = await asyncio.wait_for(other, 2.0)
        await asyncio.gather(prober, return_exceptions=True)
    assert answer.text == "Here"


async def test_a_probe_that_takes_too_long_ends_the_patience_of_those_who_wait_for_it(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 5)
    async with backend(service.url, breaker_open_for=0.1, first_token_timeout=5.0, retry_for=0.5) as asked:
        service.script(Reply("Slowly", first_token_delay=1.2))
        prober = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: len(service.calls) == 6)
        answer = await ask(asked)
        assert type(answer.failure) is ModelUnavailable
        assert (await prober).text == "Slowly"


async def test_a_refusal_shows_that_the_provider_is_alive(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 5, errors.content_policy_violation())
    async with backend(service.url, breaker_open_for=0.2) as asked:
        assert (await ask(asked)).failure is not None
        assert (await ask(asked)).took < 0.5


async def test_leaving_during_the_wait_is_harmless(service: OpenAIService) -> None:
    service.faults.add(PATH, *[DOWN] * 5)
    async with backend(service.url, breaker_open_for=0.3) as asked:
        async with aclosing(asked.stream(request())) as events:
            async for _ in events:
                if len(service.calls) == 5:
                    break
        assert (await ask(asked)).text
