"""What a model or the host does not know is said when a setting is made, and only what is certain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.alerts import Alerts
from bot.backend.client import Backend, BackendConfig
from bot.controls.effective import effective
from bot.controls.table import CONTROLS
from bot.key_checks import KeyCheck
from bot.messages import Address
from bot.model_checks import ModelCheck
from bot.reservations import Reservations
from bot.settings import Settings
from emulators.faults import Fault
from emulators.openai import OpenAIService, errors
from storage import Store
from storage.money import Spender, UsageRow
from storage.scopes import Scope, StoredSetting
from tests.backend.asking import KEY, PATH, SECOND, ask, request

HERE = Address("slack", "T1", "C1")
CHANNEL = Scope("slack", "T1", "C1", "")
WORKSPACE = Scope("slack", "T1", "", "")


@dataclass
class Desk:
    """A channel whose settings are about to change."""

    service: OpenAIService
    store: Store
    backend: Backend
    host: dict[str, str] = field(default_factory=dict)
    workspace: dict[str, str] = field(default_factory=dict)

    async def objection(self, changed: str, **values: str) -> str:
        """What is said against `changed`, where these are the channel's values then."""
        stored = [StoredSetting(WORKSPACE, name, value, "", 0) for name, value in self.workspace.items()]
        stored += [StoredSetting(CHANNEL, name, value, "", 0) for name, value in values.items()]
        settings = Settings(_env_file=None, **self.host)  # type: ignore[call-arg, arg-type]
        after = effective(settings, stored)
        alerts = Alerts(self.store.marks, (), {})
        reservations = Reservations(self.store.budgets, self.store.marks, alerts, settings, self.backend.limits_length)
        check = ModelCheck(self.backend, self.store.usage, reservations)
        return await check(CONTROLS[changed], after, HERE)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    async with (
        OpenAIService(keys=(KEY, SECOND), limits="none") as service,
        Backend(BackendConfig((KEY,), service.url, named={"research": (SECOND,)})) as backend,
    ):
        yield Desk(service, store, backend)
    await store.close()


@pytest.mark.parametrize(
    ("changed", "values", "said"),
    [
        ("temperature", {"model": "o4-mini", "temperature": "0.2"}, "`o4-mini` takes no temperature but 1"),
        ("temperature", {"model": "gpt-5-nano", "temperature": "0"}, "`gpt-5-nano` takes no temperature but 1"),
        ("reasoning_effort", {"model": "gpt-4o", "reasoning_effort": "low"}, "`gpt-4o` takes no reasoning_effort"),
        (
            "reasoning_effort",
            {"model": "o3", "reasoning_effort": "minimal"},
            "`o3` does not take the reasoning_effort minimal; it takes low, medium or high",
        ),
        (
            "reasoning_effort",
            {"model": "gpt-5", "reasoning_effort": "xhigh"},
            "`gpt-5` does not take the reasoning_effort xhigh; it takes minimal, low, medium or high",
        ),
        (
            "max_tokens",
            {"model": "gpt-4o", "max_tokens": "20000"},
            "`gpt-4o` writes at most 16,384 tokens in one answer",
        ),
    ],
)
async def test_what_is_documented_is_refused_without_asking_anybody(
    desk: Desk, changed: str, values: dict[str, str], said: str
) -> None:
    assert await desk.objection(changed, **values) == said
    assert desk.service.requests == []


@pytest.mark.parametrize(
    ("changed", "values"),
    [
        ("temperature", {"model": "o4-mini", "temperature": "1"}),
        ("temperature", {"model": "gpt-4o", "temperature": "0.2"}),
        ("reasoning_effort", {"model": "o3", "reasoning_effort": "high"}),
        ("reasoning_effort", {"model": "gpt-5.2", "reasoning_effort": "xhigh"}),
        ("max_tokens", {"model": "gpt-4o", "max_tokens": "16384"}),
        ("max_tokens", {"model": "llama3.1", "max_tokens": "200000"}),
        ("system", {"model": "gpt-99", "temperature": "0.2"}),
    ],
)
async def test_what_is_known_to_be_well_is_taken_without_asking_anybody(
    desk: Desk, changed: str, values: dict[str, str]
) -> None:
    assert await desk.objection(changed, **values) == ""
    assert desk.service.requests == []


async def test_what_documents_leave_open_is_asked_of_the_provider_and_counted(desk: Desk) -> None:
    said = await desk.objection("temperature", model="gpt-5.2", temperature="0.2", reasoning_effort="low")
    assert said == "`gpt-5.2` does not take the temperature 0.2 while it reasons, with reasoning_effort low"
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2") == ""
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2") == "", "it is remembered"
    refused, taken = desk.service.calls
    assert (refused.body["temperature"], refused.body["reasoning_effort"]) == (0.2, "low")
    assert taken.body["max_completion_tokens"] == 16
    assert taken.body["messages"] == [{"role": "user", "content": "Reply with OK."}]
    used = await desk.store.usage.of_user("slack", "T1", "", 0)
    billed = desk.service.tokens_reported["gpt-5.2"]
    assert (used.requests, used.prompt_tokens, used.completion_tokens) == (1, billed.prompt, billed.completion)


async def test_nothing_is_asked_or_claimed_where_a_budget_is_used_up(desk: Desk) -> None:
    desk.service.faults.add(PATH, errors.unsupported_value("temperature", 0.2))
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2", budget="0") == ""
    desk.host = {"parley_monthly_budget_usd": "0.00001"}
    spent = UsageRow("U1", "gpt", "key", 1, 1, 0, 1, 0, estimated=False, cost_micros=10)
    await desk.store.usage.add(Spender("discord", "2", "3", "U1"), "answer", spent)
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2") == ""
    assert desk.service.requests == []
    desk.host = {"parley_monthly_budget_usd": "1"}
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2") != ""


async def test_a_question_about_a_model_nobody_knows_costs_what_is_said_of_it(desk: Desk) -> None:
    async with (
        OpenAIService(limits="none", windows={"my-own": 8_000}) as service,
        Backend(BackendConfig((KEY,), service.url)) as backend,
    ):
        own = Desk(service, desk.store, backend)
        assert await own.objection("temperature", model="my-own", temperature="0.2", price="3/5") == ""
        [call] = service.calls
    used = await desk.store.usage.of_user("slack", "T1", "", 0)
    assert call.usage is not None
    assert used.cost_micros == call.usage.prompt * 3 + call.usage.completion * 5


async def test_the_keys_of_the_place_pay_for_the_question(desk: Desk) -> None:
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2", key="research") == ""
    assert [call.key for call in desk.service.calls] == [SECOND]


@pytest.mark.parametrize(
    "fault",
    [
        errors.rate_limited(1),
        errors.server_error(),
        errors.insufficient_quota(),
        errors.bad_request("No."),
        errors.bad_request("No.", param="messages", code="unsupported_value"),
        Fault(kind="reset"),
    ],
    ids=lambda fault: str(fault.status),
)
async def test_where_the_provider_gives_no_clear_answer_nothing_is_claimed(desk: Desk, fault: Fault) -> None:
    desk.service.faults.add(PATH, fault)
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2") == ""
    assert await desk.objection("reasoning_effort", model="gpt-4o", reasoning_effort="low") != "", (
        "but of what is known"
    )


async def test_a_provider_that_is_silent_is_waited_for_three_seconds(desk: Desk) -> None:
    desk.service.faults.add(PATH, Fault(kind="delay", seconds=30))
    assert await desk.objection("temperature", model="gpt-5.2", temperature="0.2") == ""


async def test_a_model_that_does_not_exist_is_refused_with_the_nearest(desk: Desk) -> None:
    said = await desk.objection("model", model="gpt-4o-minni")
    assert said.startswith("the provider has no model `gpt-4o-minni` for our key; the nearest are `gpt-4o-mini`")
    assert await desk.objection("model", model="gpt-4o-mini") == ""
    assert desk.service.calls == [], "the list costs nothing"


async def test_a_revoked_key_does_not_hide_that_a_model_is_unknown(desk: Desk) -> None:
    await desk.backend.replace_keys("", ("sk-revoked", KEY))
    assert "no model `gpt-99`" in await desk.objection("model", model="gpt-99")


@pytest.mark.parametrize("fault", [errors.not_found("Invalid URL"), errors.server_error(), errors.rate_limited(1)])
async def test_a_server_without_a_list_of_models_is_not_taken_for_a_refusal(desk: Desk, fault: Fault) -> None:
    desk.service.faults.add("/models", fault)
    assert await desk.objection("model", model="gpt-99") == ""


async def test_a_new_model_has_to_take_what_was_set_for_the_old_one(desk: Desk) -> None:
    said = await desk.objection("model", model="o4-mini", temperature="0.2")
    assert said == (
        "`o4-mini` takes no temperature but 1, and here it is 0.2, set for this channel: `reset temperature` first"
    )
    desk.workspace["reasoning_effort"] = "low"
    said = await desk.objection("model", model="gpt-4o")
    assert said.endswith("and here it is low, set for this workspace: `reset workspace reasoning_effort` first")
    assert await desk.objection("model", model="o4-mini") == ""


async def test_what_the_host_set_for_all_models_stands_in_nobodys_way_but_the_length(desk: Desk) -> None:
    desk.host |= {"openai_temperature": "0.5", "openai_reasoning_effort": "low", "openai_max_output_tokens": "50000"}
    assert await desk.objection("model", model="o4-mini") == ""
    said = await desk.objection("model", model="gpt-4o")
    assert said == (
        "`gpt-4o` writes at most 16,384 tokens in one answer, and here it may be 50000: `set max_tokens` to less first"
    )
    assert await desk.objection("model", model="gpt-4o", max_tokens="4096") == ""


async def test_an_effort_is_refused_where_a_temperature_was_set_that_it_rules_out(desk: Desk) -> None:
    said = await desk.objection("reasoning_effort", model="gpt-5.2", temperature="0.2", reasoning_effort="high")
    assert said.endswith("and here it is 0.2, set for this channel: `reset temperature` first")


async def test_what_a_question_has_learnt_is_known_at_the_next_setting(desk: Desk) -> None:
    desk.service.faults.add(PATH, errors.unsupported_parameter("temperature"))
    assert (await ask(desk.backend, request(model="gpt-4o-mini", temperature=0.3))).text
    asked = len(desk.service.calls)
    said = await desk.objection("temperature", model="gpt-4o-mini", temperature="0.3")
    assert said == "`gpt-4o-mini` does not take the temperature 0.3"
    assert len(desk.service.calls) == asked


async def test_a_compatible_server_is_asked_in_the_words_that_it_knows(tmp_path: Path) -> None:
    bodies = []

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        bodies.append(body)
        for name in ("max_completion_tokens", "reasoning_effort"):
            if name in body:
                return web.json_response({"detail": [{"loc": ["body", name], "msg": "extra"}]}, status=422)
        answer = {"model": "m", "choices": [{"message": {"content": "OK"}, "finish_reason": "stop"}]}
        return web.json_response(answer)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    async with (
        TestServer(app) as server,
        Backend(BackendConfig((KEY,), str(server.make_url("/v1")))) as backend,
        OpenAIService() as service,
    ):
        desk = Desk(service, store, backend)
        said = await desk.objection("reasoning_effort", model="llama3.1", reasoning_effort="low")
        assert said == "`llama3.1` does not take the reasoning_effort low"
        assert await desk.objection("temperature", model="llama3.1", temperature="0.2") == ""
        assert await desk.objection("model", model="llama3.1") == ""
    used = await store.usage.of_user("slack", "T1", "", 0)
    await store.close()
    assert bodies[-1] == {
        "model": "llama3.1",
        "messages": [{"role": "user", "content": "Reply with OK."}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.2,
        "max_tokens": 16,
    }
    assert used.requests == 1, "the answer that was had, by our own count"


async def test_a_secret_that_the_host_does_not_have_is_refused_with_those_it_has() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    names: list[str] = []
    check = KeyCheck(lambda: names)

    async def objection(value: str) -> str:
        after = effective(settings, [StoredSetting(CHANNEL, "key", value, "", 0)])
        return await check(CONTROLS["key"], after, HERE)

    assert "`OPENAI_API_KEY_NAME`" in await objection("research")
    names[:] = ["design", "research", "sales"]
    assert await objection("research") == ""
    assert await objection("reserch") == (
        "the host keeps no secret called `reserch` for me; I know `design`, `research` and `sales`"
    )


@pytest.mark.parametrize(
    "typed",
    [
        "sk-proj-abcdefgh1234",
        "gsk_abcdefghijklmnop12345678",
        "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6",
        "key-0123456789abcdef01234",
    ],
)
def test_a_secret_in_place_of_its_name_is_refused_and_not_repeated(typed: str) -> None:
    with pytest.raises(ValueError, match="Delete your message, replace that key") as refused:
        CONTROLS["key"].kind.read(typed)
    assert typed.lower() not in str(refused.value).lower()


@pytest.mark.parametrize("name", ["team_research", "Q4", "the_department_of_long_names_and_numbers_2026"])
def test_a_name_is_no_secret(name: str) -> None:
    assert CONTROLS["key"].kind.read(name) == name.lower()
