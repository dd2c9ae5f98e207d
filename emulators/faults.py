"""Faults ordered ahead: the next matching requests fail in the way a test or the demo asked for."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead of (or after) its normal handling.

    `kind`:
    - `answer`: respond with `status`, `headers` and `body` (JSON; bytes go as they are) and do nothing else;
    - `reset`: cut the connection before the request has any effect;
    - `lost_reply`: carry the request out, then cut the connection before answering;
    - `late_reply`: carry the request out, then wait `seconds` before answering;
    - `delay`: wait `seconds`, then go on as normal.
    """

    kind: Literal["answer", "reset", "lost_reply", "late_reply", "delay"] = "answer"
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0


class Faults:
    """Queues of faults by name of method or route; each fault is used once, in the order it was added."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def add(self, name: str, *faults: Fault) -> None:
        """Order `faults` for the next requests to `name`; `*` matches any request."""
        self._queues[name].extend(faults)

    def take(self, name: str) -> Fault | None:
        """The fault for this request, or None; one for `name` goes before one for `*`."""
        for key in (name, "*"):
            if self._queues[key]:
                return self._queues[key].popleft()
        return None

    def clear(self) -> None:
        """Forget every fault not yet used."""
        self._queues.clear()

    @property
    def pending(self) -> int:
        """How many ordered faults have not happened yet."""
        return sum(len(queue) for queue in self._queues.values())
