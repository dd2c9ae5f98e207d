"""Several keys: in turn, around those that are refused, empty or paused."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from structlog.testing import capture_logs

from bot.backend.client import Backend, BackendConfig
from bot.backend.keys import SET_ASIDE_FOR, TRIES, Key, KeyRing
from bot.errors import KeyRefused, KeysMissing, ModelFailure, ModelRateLimited, QuotaExhausted
from emulators.faults import Fault
from emulators.openai import OpenAIService, Reply, errors
from emulators.openai.ratelimits import Rates
from tests.backend.asking import KEY, PATH, QUICK, SECOND, ask, backend, request


async def test_keys_take_turns_and_each_answer_says_which(service: OpenAIService) -> None:
    async with backend(service.url, KEY, SECOND) as asked:
        labels = [(await ask(asked)).finished.key_label for _ in range(4)]
    assert labels == ["key-1", "key-2", "key-1", "key-2"]
    assert [call.key for call in service.calls] == [KEY, SECOND, KEY, SECOND]


async def test_a_revoked_key_is_tried_at_most_twice_and_nobody_notices(service: OpenAIService) -> None:
    told: list[tuple[str, ModelFailure]] = []
    config = BackendConfig(("sk-revoked", KEY), service.url, **QUICK)
    async with Backend(config, on_key_failed=lambda label, failure: told.append((label, failure))) as asked:
        answers = [await ask(asked) for _ in range(5)]
        answers += await asyncio.gather(*(ask(asked) for _ in range(5)))
    assert all(answer.text and not answer.waits for answer in answers)
    assert Counter(call.key for call in service.calls)["sk-revoked"] == 1
    assert [(label, type(failure)) for label, failure in told] == [("key-1", KeyRefused)]


async def test_many_questions_at_once_try_a_revoked_key_twice_at_most_and_are_all_answered(
    service: OpenAIService,
) -> None:
    told: list[str] = []
    config = BackendConfig(("sk-revoked", KEY), service.url, **QUICK)
    async with Backend(config, on_key_failed=lambda label, _: told.append(label)) as asked:
        with capture_logs() as logs:
            answers = await asyncio.gather(*(ask(asked) for _ in range(20)))
    assert all(answer.text and not answer.waits for answer in answers)
    assert Counter(call.key for call in service.calls) == {"sk-revoked": TRIES, KEY: 20}
    assert told == ["key-1"] * TRIES
    assert [entry["key_label"] for entry in logs if entry["event"] == "model_key_set_aside"] == ["key-1"]


async def test_when_all_keys_are_refused_each_is_tried_once_per_question(service: OpenAIService) -> None:
    async with backend(service.url, "sk-one", "sk-two") as asked:
        answer = await ask(asked)
        assert type(answer.failure) is KeyRefused
        assert Counter(call.key for call in service.calls) == {"sk-one": 1, "sk-two": 1}
        service.accept_key("sk-one")
        assert (await ask(asked)).text


async def test_an_empty_account_does_not_hide_another_one(service: OpenAIService) -> None:
    service.refuse_key(KEY, errors.insufficient_quota())
    async with backend(service.url, KEY, SECOND) as asked:
        assert (await ask(asked)).text
        assert (await ask(asked)).text
        assert [call.key for call in service.calls] == [KEY, SECOND, SECOND]
        service.refuse_key(SECOND, errors.insufficient_quota())
        answer = await ask(asked)
    assert type(answer.failure) is QuotaExhausted
    assert len(service.calls) == 5


async def test_while_one_key_is_paused_the_other_goes_on_without_a_wait(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.rate_limited(0.5))
    async with backend(service.url, KEY, SECOND) as asked:
        answers = [await ask(asked) for _ in range(3)]
        assert [call.key for call in service.calls] == [KEY, SECOND, SECOND, SECOND]
        await asyncio.sleep(0.6)
        await ask(asked)
    assert not any(answer.waits for answer in answers)
    assert service.calls[-1].key == KEY


async def test_a_limit_of_one_model_holds_no_other_up(service: OpenAIService) -> None:
    service.faults.add(PATH, errors.rate_limited(600))
    async with backend(service.url, KEY) as asked:
        assert type((await ask(asked)).failure) is ModelRateLimited
        assert (await ask(asked, request(model="gpt-4o"))).waits == []
        assert type((await ask(asked)).failure) is ModelRateLimited
    assert [call.status for call in service.calls] == [429, 200]


def test_a_refused_key_has_a_second_try_much_later_and_no_third() -> None:
    ring = KeyRing("", [Key(""), Key("")])
    bad, good = ring.keys
    assert ring.choose("gpt", 0.0, []) is bad
    assert bad.set_aside(KeyRefused(), 0.0)
    chosen = []
    for now in (1.0, SET_ASIDE_FOR + 1, SET_ASIDE_FOR + 2, 100 * SET_ASIDE_FOR):
        key = ring.choose("gpt", now, [])
        assert key is not None
        chosen.append(key)
        ring.take(key, "gpt", now)
        if key is bad:
            assert not bad.set_aside(KeyRefused(), now)
    assert chosen == [good, bad, good, good]


def test_an_empty_account_is_tried_again_now_and_then() -> None:
    ring = KeyRing("", [Key(""), Key("")])
    empty, _ = ring.keys
    for round_ in range(4):
        now = round_ * (SET_ASIDE_FOR + 1)
        empty.set_aside(QuotaExhausted(), now)
        ring.take(ring.keys[1], "gpt", now)
        assert ring.choose("gpt", now + SET_ASIDE_FOR + 0.5, []) is empty


def test_a_key_that_works_again_is_as_good_as_new() -> None:
    ring = KeyRing("", [Key("")])
    key = ring.keys[0]
    key.set_aside(KeyRefused(), 0.0)
    key.accepted(1.0)
    assert key.set_aside(KeyRefused(), 2.0)


async def test_an_answer_that_began_before_its_key_was_refused_does_not_vouch_for_it(service: OpenAIService) -> None:
    service.script(Reply("one two three four five", by_words=True, chunk_delay=0.2))
    async with backend(service.url, KEY, SECOND) as asked:
        begun = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: service.calls and service.calls[0].text)
        service.refuse_key(KEY, errors.insufficient_quota())
        with capture_logs() as logs:
            assert (await ask(asked)).text, "by the second key"
            assert (await ask(asked)).text, "by the first, then the second"
            assert (await begun).text == "one two three four five"
            assert (await ask(asked)).text
    assert [entry["key_label"] for entry in logs if entry["event"] == "model_key_set_aside"] == ["key-1"]
    assert [call.key for call in service.calls] == [KEY, SECOND, KEY, SECOND, SECOND]


async def test_a_key_that_nobody_knows_is_waited_for_only_while_another_call_can_tell(service: OpenAIService) -> None:
    service.faults.add(PATH, *(errors.server_error() for _ in range(4)))
    async with backend(service.url, KEY, SECOND, breaker_threshold=100) as asked:
        answers = await asyncio.gather(*(ask(asked) for _ in range(8)))
    assert all(answer.text for answer in answers)


async def test_a_named_ring_is_asked_with_its_own_keys_alone(service: OpenAIService) -> None:
    async with backend(service.url, KEY, named={"research": (SECOND,)}) as asked:
        assert asked.secrets == ["research"]
        finished = (await ask(asked, request(keys="research"))).finished
        assert (finished.key_label, service.calls[-1].key) == ("research/key-1", SECOND)
        assert (await ask(asked)).finished.key_label == "key-1"


async def test_a_refused_key_of_a_team_is_told_with_its_ring_and_no_other_key_steps_in(service: OpenAIService) -> None:
    told: list[str] = []
    config = BackendConfig((KEY,), service.url, named={"research": ("sk-revoked",)}, **QUICK)
    async with Backend(config, on_key_failed=lambda label, _: told.append(label)) as asked:
        answer = await ask(asked, request(keys="research"))
        assert type(answer.failure) is KeyRefused
        assert not asked.standing.failure, "the worker is well all the same"
    assert told == ["research/key-1"]
    assert [call.key for call in service.calls] == ["sk-revoked"]


async def test_where_a_ring_has_no_keys_nobody_is_asked(service: OpenAIService) -> None:
    async with backend(service.url, KEY, named={"research": (SECOND,)}) as asked:
        await asked.replace_keys("research", ())
        for name in ("research", "never heard of"):
            answer = await ask(asked, request(keys=name))
            assert isinstance(answer.failure, KeysMissing)
            assert answer.failure.ring == name
    assert service.calls == []


async def test_changed_keys_are_taken_up_and_a_running_answer_keeps_its_own(service: OpenAIService) -> None:
    service.script(Reply("one two three four five six", by_words=True, chunk_delay=0.15))
    async with backend(service.url, KEY) as asked:
        begun = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: service.calls and service.calls[0].text)
        [old] = asked.rings.ring("").keys
        async with asked.rings.lend(old) as client:
            await asked.replace_keys("", (SECOND,))
            service.revoke(KEY)
            assert (await ask(asked)).finished.key_label == "key-1"
            assert service.calls[-1].key == SECOND
            assert (await begun).text == "one two three four five six"
            assert not client.is_closed()
        assert client.is_closed(), "nobody uses it any more"


async def test_a_key_that_stays_keeps_what_is_known_of_it(service: OpenAIService) -> None:
    told: list[str] = []
    config = BackendConfig(("sk-revoked", KEY), service.url, **QUICK)
    async with Backend(config, on_key_failed=lambda label, _: told.append(label)) as asked:
        assert (await ask(asked)).text
        revoked, good = asked.rings.ring("").keys
        await asked.replace_keys("", (SECOND, "sk-revoked", KEY, KEY))
        assert asked.rings.ring("").keys[1:] == (revoked, good)
        assert [key.label for key in asked.rings.ring("").keys] == ["key-1", "key-2", "key-3"]
        await asyncio.gather(*(ask(asked) for _ in range(6)))
    assert Counter(call.key for call in service.calls)["sk-revoked"] == 1
    assert told == ["key-1"]


async def test_a_call_that_fails_with_a_key_that_was_replaced_is_no_admins_business(service: OpenAIService) -> None:
    told: list[str] = []
    service.faults.add(PATH, Fault(kind="delay", seconds=0.4))
    config = BackendConfig(("sk-revoked",), service.url, **QUICK)
    async with Backend(config, on_key_failed=lambda label, _: told.append(label)) as asked:
        begun = asyncio.create_task(ask(asked))
        await service.wait_for(lambda: service.calls)
        await asked.replace_keys("", (KEY,))
        assert (await begun).finished.key_label == "key-1"
    assert told == []
    assert [call.key for call in service.calls] == ["sk-revoked", KEY]


async def test_what_the_provider_says_is_left_is_told_by_key() -> None:
    async with (
        OpenAIService(keys=(KEY, SECOND), rates=Rates(1, 1_000_000)) as service,
        backend(service.url, KEY, named={"research": (SECOND,)}) as asked,
    ):
        assert asked.limits_left() == []
        await ask(asked)
        await ask(asked, request(keys="research"))
        lines = asked.limits_left()
    assert [line.split(" of ")[0] for line in lines] == ["key-1: 0", "research/key-1: 0"]
    assert all(re.fullmatch(r"\S+ 0 of 1 requests, [\d.]+[kM] of 1M tokens left", line) for line in lines), lines
