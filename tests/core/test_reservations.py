"""What is set aside for a question, in a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.alerts import Alerts
from bot.backend import tokens
from bot.backend.completion import CompletionRequest, Usage
from bot.controls.effective import effective
from bot.errors import LengthUnbounded
from bot.reservations import Reservations
from bot.settings import Settings
from storage import Store
from storage.money import Spender
from storage.scopes import Scope, StoredSetting
from tests.backend.asking import request

HERE = Scope("slack", "T1", "C1", "")
ASKER = Spender("slack", "T1", "C1", "U1")
LONGEST = 100


@dataclass
class Purse:
    """A channel whose questions cost 3 micro-dollars a token of the prompt, and 5 a token of the answer."""

    store: Store
    settings: Settings
    reservations: Reservations

    async def set_aside(self, asked: CompletionRequest, budget: str = "5") -> int:
        """What one question has set aside, in micro-dollars."""
        stored = [StoredSetting(HERE, name, value, "", 0) for name, value in (("price", "3/5"), ("budget", budget))]
        holds = effective(self.settings, stored if budget else stored[:1])
        await self.reservations.reserve("one", ASKER, holds, asked)
        query = "SELECT sum(micros) FROM reservations"
        return await self.store.database.read(lambda connection: connection.driver.execute(query).fetchone()[0]) or 0


@pytest.fixture
async def purse(tmp_path: Path) -> AsyncIterator[Purse]:
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    alerts = Alerts(store.marks, (), {})
    known = Reservations(store.budgets, store.marks, alerts, settings, lambda model: model != "boundless")
    yield Purse(store, settings, known)
    await store.close()


async def test_a_model_that_counts_more_tokens_than_we_do_has_so_much_more_set_aside(purse: Purse) -> None:
    asked = request("hello " * 200, "my-own", max_output_tokens=LONGEST)
    counted = tokens.count_messages(asked.messages, "my-own")
    assert await purse.set_aside(asked) == 3 * counted + 5 * LONGEST
    for billed, most in ((2 * counted, 2), (counted, 2), (3 * counted, 3), (counted // 2, 3)):
        purse.reservations.learn(asked, Usage(billed, 0, 7))
        assert await purse.set_aside(asked) == 3 * most * counted + 5 * LONGEST
    other = request("hello " * 200, "my-other", max_output_tokens=LONGEST)
    assert await purse.set_aside(other) == 3 * counted + 5 * LONGEST


async def test_a_model_that_counts_fewer_tokens_has_no_less_set_aside(purse: Purse) -> None:
    asked = request("hello " * 200, "my-own", max_output_tokens=LONGEST)
    before = await purse.set_aside(asked)
    purse.reservations.learn(asked, Usage(5, 0, 7))
    assert await purse.set_aside(asked) == before


@pytest.mark.parametrize(
    ("model", "estimated"), [("gpt-4o-mini", False), ("ft:gpt-4o-mini:x", False), ("my-own", True)]
)
async def test_nothing_is_learnt_of_openais_own_models_nor_from_our_own_count(
    purse: Purse, model: str, estimated: bool
) -> None:
    asked = request("hello " * 200, model, max_output_tokens=LONGEST)
    before = await purse.set_aside(asked)
    purse.reservations.learn(asked, Usage(9_000, 0, 7, estimated=estimated))
    assert await purse.set_aside(asked) == before


async def test_a_model_that_takes_no_limit_on_its_answer_is_refused_where_a_budget_holds(purse: Purse) -> None:
    asked = request("hello", "boundless", max_output_tokens=LONGEST)
    with pytest.raises(LengthUnbounded) as refused:
        await purse.set_aside(asked)
    assert "no limit on the length" in refused.value.sentence
    assert await purse.set_aside(asked, budget="") == 0
