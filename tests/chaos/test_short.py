"""The short run of the proof: every crash point and every other kind of death once, on both platforms."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import crash
from tests.chaos import table
from tests.chaos.__main__ import run
from tests.chaos.plan import ONCE, Round, rounds
from tests.chaos.tally import Tally

SEED = 7
LANES = 2


def no_word(_: Tally) -> None:
    """Nobody looks on."""


def test_the_same_seed_plans_the_same_run() -> None:
    assert rounds(60, SEED, LANES) == rounds(60, SEED, LANES)
    assert rounds(60, SEED, LANES) != rounds(60, SEED + 1, LANES)


def test_every_death_is_planned_at_least_once_on_both_platforms() -> None:
    plan = rounds(len(ONCE), SEED, LANES)
    steps = [step for each in plan for step in each.steps]
    assert sorted((s.ending, s.point or "") for s in steps) == sorted((e, p or "") for e, p in ONCE)
    assert {each.drop_unconnected for each in plan} == {each.buttons for each in plan} == {True, False}
    assert {platform for each in plan for platform in _spoken_on(each)} == {"slack", "discord"}


def _spoken_on(plan: Round) -> set[str]:
    return {ask.platform for step in plan.steps for ask in (*step.asks, *step.asks_down)}


@pytest.mark.timeout(1800)
def test_nothing_is_lost_and_nothing_said_twice_whatever_dies(tmp_path: Path) -> None:
    whole = run(len(ONCE), SEED, LANES, tmp_path, tell=no_word)
    shown = "\n\n".join([*whole.reports, "\n".join(table.lines(whole, 0.0))])
    assert not whole.flaws, shown
    assert whole.answered == whole.questions > len(ONCE), shown
    assert {point for point in crash.POINTS if whole.kills[point]} == set(crash.POINTS), shown
