"""From the figures of all runs to the rows of a table: median and spread for each bot, their ratio, and the goal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.bots import BotName
from benchmarks.places import Platform
from benchmarks.runs import CROWD, LANES, Run, Size, percentile


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, with the least and the greatest."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError where there are none."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Goal:
    """What a median is to be: `of` says whether the ratio's or Parley's own."""

    of: str
    words: str
    met: Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Measure:
    """One row's meaning: the key in the runs' figures, its name and unit, and the goal if there is one."""

    key: str
    name: str
    digits: int = 0
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: None where a bot has no such figure, or the other's is nothing to divide by."""

    measure: Measure
    bare: Spread | None
    parley: Spread | None
    ratio: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        goal = self.measure.goal
        if goal is None:
            return None
        judged = self.ratio if goal.of == "ratio" else self.parley
        return judged is not None and goal.met(judged.middle)


def measures(size: Size) -> list[Measure]:
    """The rows, in order."""
    return [
        Measure("alone p50", "alone, p50, ms", 1, Goal("ratio", "≤ 1.5×", lambda value: value <= 1.5)),
        Measure("alone p95", "alone, p95, ms", 1),
        Measure("buttons p50", "  its buttons there, p50, ms", 1),
        Measure("crowd p95", f"{CROWD} at once, p95, ms", 0, Goal("parley", "≤ 700 ms", lambda value: value <= 700)),
        Measure("rate", f"{LANES} lanes, answers/s", 1, Goal("ratio", "≥ 1.0×", lambda value: value >= 1.0)),
        Measure("cpu", "CPU per answer, ms", 1, Goal("ratio", "≤ 1.2×", lambda value: value <= 1.2)),
        Measure("memory", "memory after start, MiB", 0),
        Measure("memory later", f"memory after {size.answers} answers, MiB", 0),
        Measure("memory grown", "  of that, grown, MiB", 1, Goal("parley", "≤ 20 MiB", lambda value: value <= 20)),
        Measure("start", "start to connected, ms", 0),
        Measure("first start", "  the very first start, ms", 0),
        Measure("first answer", "first answer after start, ms", 0),
        Measure("platform calls", "platform calls per answer", 2),
        Measure("model calls", "model calls per answer", 2),
        Measure("round trips", "database round trips per answer", 1),
        Measure("commits", "  of them commits", 2),
        Measure("stand-ins' cpu", "stand-ins' own CPU per answer, ms", 1),
        Measure("stand-ins' load", "stand-ins' load at 16 lanes, % of a core", 0),
    ]


def rounds_of(runs: Sequence[Run]) -> int:
    """How many rounds there were."""
    return max(Counter((run.platform, run.bot) for run in runs).values())


def rows(runs: Sequence[Run], platform: Platform, size: Size) -> list[Row]:
    """The table of one platform; a ratio is of two runs of the same round."""
    return [
        Row(measure, _spread(bare), _spread(parley), _spread([p / b for b, p in zip(bare, parley, strict=False) if b]))
        for measure in measures(size)
        for bare, parley in [(_values(runs, platform, "bare", measure), _values(runs, platform, "parley", measure))]
    ]


def calls(runs: Sequence[Run], platform: Platform, bot: BotName) -> dict[str, float]:
    """The bot's calls to the platform for one answer, by kind; the mean of all rounds."""
    chosen = [run for run in runs if (run.platform, run.bot) == (platform, bot)]
    kinds = sorted({kind for run in chosen for kind in run.calls})
    return {kind: sum(run.calls.get(kind, 0.0) for run in chosen) / len(chosen) for kind in kinds}


def load_curve(runs: Sequence[Run], platform: Platform, bot: BotName, percent: int) -> Mapping[int, Spread]:
    """For so many questions at the same time, the percentile of milliseconds to the whole answer: its spread over the
    rounds."""
    chosen = [run for run in runs if (run.platform, run.bot) == (platform, bot)]
    return {
        load: Spread.of([percentile(run.loads[load], percent) * 1000 for run in chosen])
        for load in sorted({load for run in chosen for load in run.loads})
    }


def _values(runs: Sequence[Run], platform: Platform, bot: BotName, measure: Measure) -> list[float]:
    chosen = [run for run in runs if (run.platform, run.bot) == (platform, bot)]
    return [run.figures[measure.key] for run in chosen if measure.key in run.figures]


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread.of(values) if values else None


def shown(spread: Spread | None, digits: int, unit: str = "") -> str:
    """Such as 12.1 (10.4 – 14.5); a dash where there is none."""
    if spread is None:
        return "–"
    middle, least, most = (f"{value:.{digits}f}" for value in (spread.middle, spread.least, spread.most))
    return f"{middle}{unit}" if least == most else f"{middle}{unit} ({least} – {most})"
