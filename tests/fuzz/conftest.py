"""Prints what the fuzzing came to at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import budget

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long run takes its time, and a quick one computes: on a machine that others use it may get little of it."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.timeout(budget.LONG_SECONDS if budget.LONG else budget.QUICK_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cases ran; silent in a quick run, where other tests have the screen."""
    if budget.LONG and budget.ran:
        terminalreporter.section("fuzzed")
        for line in budget.report():
            terminalreporter.write_line(line)
