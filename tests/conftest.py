"""What holds for all tests: of which of them the coverage is measured.

To measure makes a test three times as long. It is left out where it tells nothing (the emulators are not the product)
and where a test does what others do, hundreds of times over or with more around it: chance, load, killed processes.
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
    "e2e/test_backup.py",
    "e2e/test_busy.py",
    "e2e/test_data_commands.py",
    "e2e/test_delivery.py::test_whatever_meets",
    "e2e/test_fitting.py",
    "e2e/test_health.py",
    "e2e/test_irc_replay.py",
    "e2e/test_keys.py",
    "e2e/test_many_turns.py",
    "e2e/test_model_failures.py::test_a_failure_ends",
    "e2e/test_restarts.py",
    "e2e/test_storage_faults.py",
    "e2e/test_streams.py::test_whatever_meets",
)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark the tests that are not measured, for pytest-cov."""
    for item in items:
        place = f"{item.path.relative_to(HERE).as_posix()}::{item.name}"
        by_chance = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if by_chance or place.startswith(UNMEASURED):
            item.add_marker("no_cover")
