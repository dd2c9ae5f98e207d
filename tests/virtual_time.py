"""An event loop whose clock is its own: what waits a minute takes no time, and always the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: the loop's clock goes on instead."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.passed += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.passed


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` where waiting takes no time; it must wait for nothing from outside."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
