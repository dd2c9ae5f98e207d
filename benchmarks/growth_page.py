"""`docs/growth.md`, which is kept of what grows and what does not: goals, tables, and what its pictures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from benchmarks import crowds, lengths, machine, starts, stored, threads
from benchmarks.crowds import Memory, Streams
from benchmarks.figures import shown
from benchmarks.filling import BEFORE_SECONDS
from benchmarks.plots import BLUE, GREEN, RED, Curve, Panel
from benchmarks.report import TITLES
from benchmarks.runs import LANES
from benchmarks.starts import Start
from benchmarks.stored import Flatness
from benchmarks.threads import Length

STORED, MEMORY = "stored.png", "memory.png"
"""Pictures, in the folder beside the page."""
LOOKS = (("o", BLUE), ("s", RED), ("^", GREEN))
ROWS_OF_CURVE = 10


class Part(StrEnum):
    """What can be measured by itself."""

    THREADS = "threads"
    STORED = "stored"
    STARTS = "starts"
    STREAMS = "streams"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Sitting:
    """How much a part was given (`growth.Size`), when its measuring ended, how long that took, and how fast the machine
    was then: milliseconds of a loop of a million additions."""

    part: Part
    size: str
    ended: datetime
    seconds: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured; a part that was left out is empty."""

    lengths: Sequence[Length] = ()
    flatness: Sequence[Flatness] = ()
    starts: Sequence[Start] = ()
    streams: Sequence[Streams] = ()
    memory: Sequence[Memory] = ()
    sittings: Sequence[Sitting] = ()

    def parts_of(self, size: str) -> Set[Part]:
        """Those that were measured, each with so much."""
        return {sitting.part for sitting in self.sittings if sitting.size == size}


@dataclass(frozen=True, slots=True)
class _Goal:
    words: str
    goal: str
    found: str
    met: bool


def page(found: Found, facts: Mapping[str, str]) -> str:
    """The whole of `docs/growth.md`; its pictures are in `growth/` beside it. `facts` tell of the machine."""
    pictures = [
        f"![Milliseconds and tokens of a question against the length of its thread](growth/{lengths.PICTURE})",
        f"![Milliseconds of intake and claim against stored messages](growth/{STORED})",
        "",
        "",
        f"![Resident memory against answers given](growth/{MEMORY})",
    ]
    parts = [
        "# Growth",
        "Written by `make growth`; measured again by the same command. What a thread's length, a database's size, many "
        "answers and many streams cost, each against its goal.",
    ]
    goals, *others = sections(found)
    parts.append(goals)
    if not all(goal.met for goal in _judged(found)):
        parts.append(machine.WHY_NOT)
    for section, picture in zip(others, pictures, strict=True):
        heading, _, rest = section.partition("\n\n")
        parts.append("\n\n".join(filter(None, [heading, picture, rest])))
    run = f"{machine.table(facts)}\n\n{_sittings(found.sittings)}"
    parts += [f"## The machine and the run\n\n{run}", f"## How it is measured\n\n{_method()}"]
    return "\n\n".join(parts) + "\n"


def sections(found: Found) -> list[str]:
    """The goals, then each part that was measured with its table, in Markdown."""
    parts = [
        ("Goals", _goals(found)),
        ("Threads: reading and building the request", lengths.table(found.lengths) if found.lengths else ""),
        ("Stored messages: intake and claim", _flatness(found.flatness) if found.flatness else ""),
        ("Stored messages: starting", _starts(found.starts) if found.starts else ""),
        ("Many threads and streams in one process", _streams(found.streams) if found.streams else ""),
        ("Memory over answers", _memory(found.memory) if found.memory else ""),
    ]
    return [f"## {heading}\n\n{table}" for heading, table in parts if table]


def stored_panels(flatness: Sequence[Flatness]) -> list[Panel]:
    """Intake and claim against the number of stored messages."""
    xs = sorted(flatness[0].rounds)
    curves = []
    for each, (mark, colour) in zip(flatness, LOOKS, strict=True):
        spreads = [each.spread(size) for size in xs]
        least, most = [spread.least for spread in spreads], [spread.most for spread in spreads]
        curves.append(Curve(each.kind, xs, [spread.middle for spread in spreads], least, most, colour, mark))
    ratios = [
        Curve(each.kind, xs, [each.ratio(size).middle for size in xs], colour=colour, mark=mark)
        for each, (mark, colour) in zip(flatness, LOOKS, strict=True)
    ]
    goal = (stored.GOAL_RATIO, f"goal: {stored.GOAL_RATIO:g}×")
    return [
        Panel("Time", "stored messages", "milliseconds", curves, xs),
        Panel(f"Against {xs[0]:,} stored messages", "stored messages", "ratio", ratios, xs, goal=goal),
    ]


def memory_panels(memory: Sequence[Memory]) -> list[Panel]:
    """The curve of memory, a panel for each platform."""
    return [
        Panel(
            TITLES[each.platform],
            "answers given",
            "resident memory, MiB",
            [Curve("Parley", each.answers, each.mib, mark="")],
            goal=(each.mib[each.warm] + crowds.GOAL_GROWN_MIB, f"goal: {crowds.GOAL_GROWN_MIB:.0f} MiB of growth"),
        )
        for each in memory
    ]


def _goals(found: Found) -> str:
    lines = [
        f"| {goal.words} | {goal.goal} | {goal.found} | {'yes' if goal.met else 'no'} |" for goal in _judged(found)
    ]
    return "\n".join(["| | goal | found | met |", "|---|---:|---:|---|", *lines])


def _judged(found: Found) -> list[_Goal]:
    goals: list[_Goal] = []
    for each in found.lengths:
        if each.messages == threads.GOAL_LENGTH:
            ways = (("window full", each.usual), ("the same, first after a start", each.first))
            for way, cost in (*ways, ("read whole, once", each.whole)):
                words = f"context building, a thread of {each.messages:,} messages, {way}"
                met = cost.whole <= threads.GOAL_MS
                goals.append(_Goal(words, f"≤ {threads.GOAL_MS:.0f} ms", f"{cost.whole:.1f} ms", met))
    for flat in found.flatness:
        for size in sorted(flat.rounds)[1:]:
            ratio = flat.ratio(size)
            met = ratio.middle <= stored.GOAL_RATIO
            words = f"{flat.kind}, {size:,} stored messages against {min(flat.rounds):,}"
            goals.append(_Goal(words, f"≤ {stored.GOAL_RATIO:g}×", shown(ratio, 2, "×"), met))
    for start in found.starts:
        words = f"start to connected, {start.messages:,} stored messages, {TITLES[start.platform]}"
        met = start.connected.middle <= starts.GOAL_MS
        goals.append(_Goal(words, f"≤ {starts.GOAL_MS:,.0f} ms", f"{shown(start.connected, 0)} ms", met))
    for run in found.memory:
        words = f"memory over {run.answers[-1]:,} answers, {TITLES[run.platform]}"
        goal = f"+ ≤ {crowds.GOAL_GROWN_MIB:.0f} MiB"
        goals.append(_Goal(words, goal, f"+ {run.grown:.1f} MiB", run.grown <= crowds.GOAL_GROWN_MIB))
    for many in found.streams:
        words = f"memory, {many.threads:,} idle threads and {many.streams:,} streams, {TITLES[many.platform]}"
        goal = f"≤ {crowds.GOAL_STREAMS_MIB:.0f} MiB"
        # Fewer at once would be another question.
        met = many.most_mib <= crowds.GOAL_STREAMS_MIB and many.most == many.streams
        goals.append(_Goal(words, goal, f"{many.most_mib:.0f} MiB, {many.most:,} open at once", met))
    return goals


def _flatness(flatness: Sequence[Flatness]) -> str:
    sizes = sorted(flatness[0].rounds)
    lines = [
        f"| ms, median (least – most) of rounds | {' | '.join(f'{size:,}' for size in sizes)} "
        f"| {sizes[-1]:,} against {sizes[0]:,} |",
        f"|---|{'---:|' * (len(sizes) + 1)}",
    ]
    for each in flatness:
        cells = [shown(each.spread(size), 2) for size in sizes]
        lines.append(f"| {each.kind} | {' | '.join(cells)} | {shown(each.ratio(sizes[-1]), 2, '×')} |")
    return "\n".join(lines)


def _starts(found: Sequence[Start]) -> str:
    lines = [
        "| | stored messages | start to connected, ms | then to the first whole answer, ms | memory, MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {TITLES[each.platform]} | {each.messages:,} | {shown(each.connected, 0)} "
        f"| {shown(each.answered, 0)} | {each.memory:.0f} |"
        for each in found
    ]
    return "\n".join(lines)


def _streams(found: Sequence[Streams]) -> str:
    lines = [
        "| | after start, MiB | after idle threads, MiB | most while streaming, MiB | streams open at once |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {TITLES[each.platform]} | {each.start_mib:.0f} | {each.idle_mib:.0f} ({each.threads:,} threads) "
        f"| {each.most_mib:.0f} | {each.most:,} of {each.streams:,} |"
        for each in found
    ]
    return "\n".join(lines)


def _memory(found: Sequence[Memory]) -> str:
    lines = ["| | answers | MiB |", "|---|---:|---:|"]
    for each in found:
        step = max((len(each.answers) - 1) // ROWS_OF_CURVE, 1)
        looks = sorted({*range(0, len(each.answers), step), each.warm, len(each.answers) - 1})
        for index in looks:
            counted = " (growth counts from here)" if index == each.warm else ""
            lines.append(f"| {TITLES[each.platform]}{counted} | {each.answers[index]:,} | {each.mib[index]:.1f} |")
        lines.append(f"| {TITLES[each.platform]}, answers a second | | {each.rate:.1f} |")
    return "\n".join(lines)


def _sittings(found: Sequence[Sitting]) -> str:
    lines = ["| part | measured until (UTC) | took, s | a million additions then, ms |", "|---|---|---:|---:|"]
    lines += [
        f"| {each.part} | {each.ended:%Y-%m-%d %H:%M} | {each.seconds:,.0f} | {each.milliseconds:.0f} |"
        for each in sorted(found, key=lambda each: list(Part).index(each.part))
    ]
    return "\n".join(lines)


def _method() -> str:
    return "\n".join(
        [
            "- **Threads**: see [benchmarks](benchmarks.md), which measures the same; the database holds this one "
            "thread, and the turn that asks was taken in and claimed by the product.",
            f"- **Stored messages** are answered questions, {2 * stored.QUESTIONS} messages to a conversation, in "
            f"{stored.CHANNELS} channels, with their turns, parts, usage and cursors, the newest "
            f"{BEFORE_SECONDS / 86_400:.0f} days old. They are made inside SQLite, in the tables as the product keeps "
            "them.",
            "- **Intake and claim**: all databases are open at once and asked by turns, the smallest first, so that "
            f"what the machine does meanwhile meets all alike; {stored.EACH} of each kind in a round, and each round's "
            "median is taken. Each takes in and claims as the product does, with a synchronous commit. A ratio is of "
            "two medians of one round.",
            "- **Starting**: `python -m bot run` over such a database; the very first start, which fills the disk's "
            "cache, is left out. The question begins a conversation, and waits for nothing that may have been missed "
            "to be read back.",
            f"- **Many threads and streams**: one process that answers {crowds.IDLE_THREADS:,} questions, each the "
            f"beginning of a thread; then {crowds.STREAMS} questions in as many channels at the same moment, from a "
            f"model that streams each answer over {crowds.STREAM_MS / 1000:.0f} s, shown while it grows. Resident "
            f"memory is looked at every {crowds.LOOK_SECONDS:g} s. `PARLEY_CONCURRENCY` is raised for it.",
            f"- **Memory over answers**: one process, {LANES} questions at any time, by {crowds.PEOPLE} people in "
            f"{crowds.ROOMS} channels, from a model that answers at once; growth counts from the first "
            f"{crowds.WARM_SHARE:.0%} of the answers on.",
            "- Platform and model are emulated, in a process of their own; limits are out of reach, as in "
            "[benchmarks](benchmarks.md).",
        ]
    )
