"""The figures of a run as a table, for the terminal and for `docs/chaos.md`. Pure."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version

from bot import crash
from tests.chaos.tally import Tally

OTHER_ENDINGS = {
    "kill": "SIGKILL at a random moment",
    "term": "SIGTERM, the grace too short for some answers",
    "overlap kill": "SIGKILL beside the next process",
    "overlap term": "SIGTERM beside the next process",
    "stop": "SIGSTOP past the lease, SIGCONT beside the next process, then its end",
}
LIBRARIES = ("slack-bolt", "slack-sdk", "discord.py", "openai", "SQLAlchemy", "aiosqlite")


def lines(tally: Tally, seconds: float) -> list[str]:
    """The tables, as Markdown."""
    return [*_rows(("result", ""), _result(tally, seconds)), "", *_kills(tally), "", *_faults(tally.faults)]


def page(tally: Tally, seconds: float, command: str) -> str:
    """`docs/chaos.md`."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return "\n".join(
        [
            "# Killed, and nothing lost",
            "",
            "The real process (`python -m bot run`) on emulated platforms and an emulated model, over sockets, with a",
            "SQLite file that outlives it. People ask on both platforms all the time, also while nothing runs. The",
            "process is killed at every crash point of `bot/crash.py` and in every other way below, while sockets,",
            "platforms and the model fail. When the dust has settled, the emulators' state is judged: each question",
            "has exactly one whole answer, in its place and in order, and nothing else was said. Nine of ten processes",
            "are forked from one that has the libraries loaded; what is ours each loads itself.",
            "",
            f"`{command}`, Python {platform.python_version()} on {platform.system()}, {libraries}.",
            "",
            *lines(tally, seconds),
            "",
        ]
    )


def _result(tally: Tally, seconds: float) -> Iterable[tuple[str, str]]:
    kills = tally.kills.total()
    flaws = Counter(tally.flaws)
    yield "kills", f"{kills:,}"
    yield "faults injected", f"{tally.faults.total():,}"
    yield "questions", f"{tally.questions:,}"
    yield "answered once and whole", f"{tally.answered:,}"
    yield "lost", str(flaws.pop("lost", 0))
    yield "doubled", str(flaws.pop("doubled", 0))
    for kind in ("broken", "stray", "disordered", "misplaced", "stuck status", "unsettled"):
        yield kind, str(flaws.pop(kind, 0))
    yield "anything else wrong", ", ".join(f"{count} {kind}" for kind, count in flaws.items()) or "0"
    yield "times the model was asked", f"{tally.tries:,}"
    yield "slowest recovery, from a death to the answer of a question open then", f"{tally.slowest:.1f} s"
    yield "the run", f"{seconds:.0f} s ({seconds / max(kills, 1):.2f} s a kill)"


def _kills(tally: Tally) -> list[str]:
    names = {point: f"at `{point}`" for point in crash.POINTS} | OTHER_ENDINGS
    counted = [
        (name, *(str(tally.kills_in[how, focus]) for focus in ("slack", "discord", "both")), str(tally.kills[how]))
        for how, name in names.items()
    ]
    return _rows(("killed", "Slack's traffic", "Discord's", "both", "in all"), counted)


def _faults(faults: Counter[str]) -> list[str]:
    return _rows(("fault", "times"), [(name, str(count)) for name, count in sorted(faults.items())])


def _rows(head: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *body)]
