"""What a thread's length costs, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import shown
from benchmarks.plots import BLUE, GREEN, RED, Curve, Panel, decades
from benchmarks.threads import GOAL_MS, Length

PICTURE = "thread-length.png"


def panels(lengths: Sequence[Length]) -> list[Panel]:
    """What a question costs against the length of its thread: time, and tokens of the prompt."""
    xs = [each.messages for each in lengths]
    ways = [
        ("window full, as usual", [each.usual for each in lengths], BLUE, "o", False),
        ("the first after a start", [each.first for each in lengths], GREEN, "^", False),
        ("read whole, once", [each.whole for each in lengths], RED, "s", True),
    ]
    times = [
        Curve(
            name,
            xs,
            [cost.whole for cost in costs],
            [cost.read.least + cost.build.least for cost in costs],
            [cost.read.most + cost.build.most for cost in costs],
            colour,
            mark,
            dashed,
        )
        for name, costs, colour, mark, dashed in ways
    ]
    sizes = [
        Curve(name, xs, [cost.prompt for cost in costs], colour=colour, mark=mark, dashed=dashed)
        for name, costs, colour, mark, dashed in ways
    ]
    values = [value for curve in times for value in (*curve.least, *curve.most, GOAL_MS)]
    return [
        Panel(
            "Reading the thread and building the request", "messages in the thread", "milliseconds", times, xs,
            decades(min(values), max(values)), goal=(GOAL_MS, f"goal: {GOAL_MS:.0f} ms"),
        ),
        Panel("The request", "messages in the thread", "tokens of the prompt", sizes, xs),
    ]  # fmt: skip


def table(lengths: Sequence[Length]) -> str:
    """The same in figures."""
    lines = [
        "| messages in the thread | | read, ms | build, ms | both, ms | messages in the request | tokens of it |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for each in lengths:
        for way, cost in (("window full", each.usual), ("  the first", each.first), ("read whole", each.whole)):
            lines.append(
                f"| {each.messages:,} | {way} | {shown(cost.read, 1)} | {shown(cost.build, 1)} | {cost.whole:.1f} "
                f"| {cost.messages:,} | {cost.prompt:,} |"
            )
    return "\n".join(lines)
