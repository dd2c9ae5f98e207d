"""Several keys: in turn, around those that are refused, empty or paused."""

from __future__ import annotations

import asyncio
from collections import Counter

from structlog.testing import capture_logs

from bot.backend.client import Backend, BackendConfig
from bot.backend.keys import SET_ASIDE_FOR, Key, KeyRing
from bot.errors import KeyRefused, ModelFailure, QuotaExhausted
from emulators.openai import OpenAIService, Reply, errors
from tests.backend.asking import KEY, PATH, QUICK, SECOND, ask, backend


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


async def test_many_questions_at_once_try_a_revoked_key_but_are_all_answered(service: OpenAIService) -> None:
    told: list[str] = []
    config = BackendConfig(("sk-revoked", KEY), service.url, **QUICK)
    async with Backend(config, on_key_failed=lambda label, _: told.append(label)) as asked:
        with capture_logs() as logs:
            answers = await asyncio.gather(*(ask(asked) for _ in range(6)))
    assert all(answer.text for answer in answers)
    assert set(told) == {"key-1"}
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


def test_a_refused_key_has_a_second_try_much_later_and_no_third() -> None:
    ring = KeyRing("", [Key(""), Key("")])
    bad, good = ring.keys
    assert ring.choose(0.0, []) is bad
    assert bad.set_aside(KeyRefused(), 0.0)
    chosen = []
    for now in (1.0, SET_ASIDE_FOR + 1, SET_ASIDE_FOR + 2, 100 * SET_ASIDE_FOR):
        key = ring.choose(now, [])
        assert key is not None
        chosen.append(key)
        ring.take(key, now)
        if key is bad:
            assert not bad.set_aside(KeyRefused(), now)
    assert chosen == [good, bad, good, good]


def test_an_empty_account_is_tried_again_now_and_then() -> None:
    ring = KeyRing("", [Key(""), Key("")])
    empty, _ = ring.keys
    for round_ in range(4):
        now = round_ * (SET_ASIDE_FOR + 1)
        empty.set_aside(QuotaExhausted(), now)
        ring.take(ring.keys[1], now)
        assert ring.choose(now + SET_ASIDE_FOR + 0.5, []) is empty


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
