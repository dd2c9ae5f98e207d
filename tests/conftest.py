"""What holds for all tests: of which of them the coverage is measured, and in which order they run.

To measure makes a test twice as long. It is left out where it tells nothing (the emulators are not the product) and
where a test does what others do, hundreds of times over or with more around it: chance, load, killed processes, whole
conversations. Of those from end to end the ones are measured that reach what nothing else does.

The slow tests mostly wait, the quick ones compute. Side by side they keep the cores at work, and the slow ones begin
first: one that began last would hold up the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
UNMEASURED = (
    "benchmarks",
    "chaos",
    "emulators",
    "fuzz",
    "text/test_adversarial.py",
    "text/test_rendering.py::test_every_preview",
    "text/test_splitting.py::test_a_long_answer",
    "text/test_splitting.py::test_a_very_long_text",
    "text/test_splitting.py::test_the_growing_part",
    "e2e/test_delivery.py::test_whatever_meets",
)
MEASURED_FROM_END_TO_END = tuple(
    f"e2e/test_{name}.py"
    for name in (
        "budgets",
        "buttons",
        "catch_up",
        "chat",
        "context_carried",
        "delivery",
        "files",
        "files_out",
        "manners",
        "slack_settings",
        "usage_shell",
    )
)


SLOW = ("chaos", "benchmarks", "demo", "e2e", "fuzz")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that are not measured, for pytest-cov, and put them in their order."""
    for item in items:
        place = _place(item)
        by_chance = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        is_one_of_many = place.startswith("e2e/") and not place.startswith(MEASURED_FROM_END_TO_END)
        if by_chance or is_one_of_many or place.startswith(UNMEASURED):
            item.add_marker("no_cover")
    # Set by pytest-xdist in its workers, each of which begins with an equal share of what follows one after the other.
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = dealt(items, workers)


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in as many shares as there are workers. All have as many of the slow ones, and have them first."""
    slow = [item for item in items if _place(item).startswith(SLOW)]
    quick = [item for item in items if not _place(item).startswith(SLOW)]
    slow.sort(key=lambda item: next(n for n, each in enumerate(SLOW) if _place(item).startswith(each)))
    bounds = [len(quick) * n // workers for n in range(workers + 1)]
    shares = [[*slow[n::workers], *quick[bounds[n] : bounds[n + 1]]] for n in range(workers)]
    return [item for share in shares for item in share]


def _place(item: pytest.Item) -> str:
    return f"{item.path.relative_to(HERE).as_posix()}::{item.name}"
