"""The table for people at a terminal, and the page that is kept: `docs/benchmarks.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks import lengths as of_lengths
from benchmarks import machine
from benchmarks.bots import BOTS
from benchmarks.counts import ANSWERS, Taken
from benchmarks.figures import Row, calls, load_curve, rounds_of, rows, shown
from benchmarks.places import KEPT_MESSAGES, PLATFORMS, Platform
from benchmarks.plots import BLUE, RED, Curve, Panel, decades
from benchmarks.runs import CROWD, CROWD_STREAM_MS, LANES, LEAST_AT_A_LOAD, PAUSE_MS, Run, Size
from benchmarks.stands import WORDS
from benchmarks.threads import Length

TITLES: dict[Platform, str] = {"slack": "Slack", "discord": "Discord"}
HEADINGS = ("", "bare loop", "Parley", "Parley / bare", "goal", "met")
NAMES = {"bare": "bare loop", "parley": "Parley"}
YARDSTICK_CPU_MS: Mapping[Platform, float] = {"slack": 8.0, "discord": 6.0}
"""Processor time of such a loop for an answer where the goals in milliseconds were set, as told with them."""
LATENCY = "latency.png"
"""A picture, in the folder beside the page."""
COUNTS: Mapping[str, str] = {
    "platform_calls": "calls to the platform",
    "model_calls": "calls to the model",
    "model_bytes": "the largest request to the model, bytes",
    "transactions": "round trips to the database",
    "commits": "of them commits: writes that are on the disk when they return",
    "statements": "statements in them",
    "characters_counted": "characters given to the tokenizer",
    "bytes_hashed": "bytes hashed",
}


def table(runs: Sequence[Run], platform: Platform, size: Size) -> Table:
    """One platform's rows."""
    made = Table(title=f"{TITLES[platform]}: median (least – most) of {rounds_of(runs)}", title_justify="left")
    for heading in HEADINGS:
        made.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for row in rows(runs, platform, size):
        *cells, met = _cells(row)
        style = "green" if row.met else "red"
        made.add_row(*cells, f"[{style}]{met}[/]" if met else "")
    return made


def page(
    runs: Sequence[Run],
    taken: Mapping[Platform, Taken],
    lengths: Sequence[Length],
    size: Size,
    found: Mapping[str, str],
    *,
    pinned: bool,
) -> str:
    """The whole of `docs/benchmarks.md`; its pictures are in `benchmarks/` beside it. `found` tells of the machine."""
    parts = [
        "# Benchmarks",
        "Written by `make bench`; measured again by the same command. The *bare loop* is what Bolt or discord.py do "
        "with the OpenAI SDK in thirty lines ([Slack](../benchmarks/bare_slack.py), "
        "[Discord](../benchmarks/bare_discord.py)): it asks the model for a whole answer, shows nothing until it has "
        "it, keeps nothing, and loses what it was doing when it ends. Parley streams the answer, so that it can be "
        "read while it grows, and stores every message and every step with a synchronous commit.",
        *(_platform(runs, platform, size) for platform in PLATFORMS),
        *([f"{machine.WHY_NOT} {_pace(runs, size)}"] if _is_missed(runs, size) else []),
        f"## Latency against load\n\n![Milliseconds to a whole answer against questions at the same time]"
        f"(benchmarks/{LATENCY})",
        f"## Cost against thread length\n\n![Milliseconds and tokens of a question against the length of its thread]"
        f"(benchmarks/{of_lengths.PICTURE})\n\n{of_lengths.table(lengths)}",
        f"## What an answer of Parley's takes\n\n{counts_table(taken)}",
        f"## The machine and the run\n\n{machine.table(found)}",
        f"## How it is measured\n\n{_method(rounds_of(runs), size, pinned=pinned)}",
    ]
    return "\n\n".join(parts) + "\n"


def _pace(runs: Sequence[Run], size: Size) -> str:
    """What the bare loop takes here, and where the goals in milliseconds were set."""
    found = {
        platform: row.bare.middle
        for platform in PLATFORMS
        for row in rows(runs, platform, size)
        if row.measure.key == "cpu" and row.bare is not None
    }
    there = " and ".join(f"{YARDSTICK_CPU_MS[platform]:.0f} ms on {TITLES[platform]}" for platform in found)
    here = " and ".join(f"{milliseconds:.1f} ms" for milliseconds in found.values())
    return (
        f"The goals in milliseconds were set on a machine where the bare loop takes {there} of processor time for an "
        f"answer; here it took {here}."
    )


def _is_missed(runs: Sequence[Run], size: Size) -> bool:
    """Whether any goal is."""
    return any(row.met is False for platform in PLATFORMS for row in rows(runs, platform, size))


def add_counts(runs: Sequence[Run], taken: Mapping[Platform, Taken]) -> None:
    """Give Parley's runs the figures that are counted apart, since they can't be seen from outside."""
    for run in runs:
        if run.bot == "parley":
            run.figures["round trips"] = taken[run.platform].transactions


def latency_panels(runs: Sequence[Run]) -> list[Panel]:
    """Latency against load, a panel for each platform."""
    curves = {
        platform: [
            Curve(
                f"{NAMES[bot]}, p{percent}",
                list(found),
                [spread.middle for spread in found.values()],
                [spread.least for spread in found.values()],
                [spread.most for spread in found.values()],
                colour=BLUE if bot == "parley" else RED,
                mark="o" if bot == "parley" else "s",
                dashed=percent != 50,
            )
            for bot in BOTS
            for percent in (50, 95)
            for found in [load_curve(runs, platform, bot, percent)]
        ]
        for platform in PLATFORMS
    }
    values = [value for each in curves.values() for curve in each for value in (*curve.least, *curve.most)]
    heights = decades(min(values), max(values))
    return [
        Panel(
            TITLES[platform],
            "questions at the same time",
            "milliseconds to the whole answer",
            curves[platform],
            x_ticks=curves[platform][0].xs,
            y_ticks=heights,
        )
        for platform in PLATFORMS
    ]


def counts_table(taken: Mapping[Platform, Taken]) -> str:
    """What an answer takes, in counts that do not depend on the machine."""
    lines = [
        f"Mean of {ANSWERS} answers, each the beginning of a conversation. They do not depend on how fast the machine "
        "is, but for a look or two into an empty queue.",
        "",
        f"| | {' | '.join(TITLES[platform] for platform in taken)} |",
        f"|---|{'---:|' * len(taken)}",
    ]
    for name, words in COUNTS.items():
        figures = (getattr(each, name) for each in taken.values())
        lines.append(f"| {words} | {' | '.join(f'{figure:,.1f}'.removesuffix('.0') for figure in figures)} |")
    return "\n".join(lines)


def _platform(runs: Sequence[Run], platform: Platform, size: Size) -> str:
    lines = [
        f"## {TITLES[platform]}",
        "",
        f"Median (least – most) of {rounds_of(runs)} rounds; a ratio is of the two runs of one round.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(_cells(row)).strip()} |" for row in rows(runs, platform, size)),
        "",
    ]
    return "\n".join([*lines, *(f"{line}  " for line in calls_lines(runs, platform))]).rstrip()


def calls_lines(runs: Sequence[Run], platform: Platform) -> list[str]:
    """Which calls to the platform an answer takes, a line for each bot."""
    made = {bot: calls(runs, platform, bot) for bot in BOTS}
    return [
        f"{'The bare loop' if bot == 'bare' else 'Parley'} per answer: "
        f"{', '.join(f'`{kind}` {number:.2f}' for kind, number in kinds.items())}."
        for bot, kinds in made.items()
    ]


def _cells(row: Row) -> list[str]:
    digits, goal = row.measure.digits, row.measure.goal
    return [
        row.measure.name,
        shown(row.bare, digits),
        shown(row.parley, digits),
        shown(row.ratio, 2, "×") if row.measure.key not in _NO_RATIO else "",
        goal.words if goal else "",
        {True: "yes", False: "no", None: ""}[row.met],
    ]


_NO_RATIO = {"memory grown", "stand-ins' cpu", "stand-ins' load"}


def _method(rounds: int, size: Size, *, pinned: bool) -> str:
    cores = (
        "The bot, with all its threads, is kept on one core and the stand-ins on another."
        if pinned
        else "Nothing is pinned here: there is one core, or the system can't."
    )
    return "\n".join(
        [
            f"- Each round runs both bots, every other round Parley first, first on Slack, then on Discord: "
            f"{rounds * len(PLATFORMS) * len(BOTS)} runs, each a process of its own, started anew.",
            "- What they talk to is one other process: the emulated platform over its own wire protocol (Socket Mode, "
            "the gateway, HTTP) and the emulated model, all on loopback, without rate limits. It also asks the "
            f"questions and takes the times, by the same clock. {cores}",
            "- Parley runs as `python -m bot run` with a new SQLite file on disk, `PARLEY_PLATFORM_LIMITS=none` "
            "(this is about the machine, not the platforms' quotas), `PARLEY_LOG_LEVEL=warning`, its own limits on "
            "questions a minute out of reach (one person asks them all), and every other setting at its default: it "
            "takes a channel's last five messages along, and offers buttons under each answer.",
            "- A time goes from the moment a person's message is stored at the platform to the moment the *whole* "
            f"answer is: {len(WORDS.split()) + 1} words, told by the number at its end. An answer given twice, "
            "or a call off protocol, ends the benchmark. **Its buttons there** is when the buttons of a whole answer "
            "stand under it; where they come with its words, that is the same moment.",
            f"- **alone**: {size.alone} questions one after the other with {PAUSE_MS:.0f} ms between, from a model "
            "that answers at once. Every question begins a new thread (Slack) or chain of replies (Discord).",
            f"- **{CROWD} at once**: {CROWD} questions in {CROWD} channels at the same moment, "
            f"{size.crowds} times, from a model that takes {CROWD_STREAM_MS:.0f} ms for an answer, streamed or not.",
            f"- **{LANES} lanes**: {size.sustained} questions, {LANES} at any time, each lane asking again as soon as "
            "it has its answer. The CPU is user and system time of the bot's process over this part, and the calls "
            "per answer are those of this part.",
            f"- **Latency against load**: {LEAST_AT_A_LOAD} questions or four for each lane, whichever is more, from a "
            "model that answers at once; the shaded bands reach from the least to the greatest of the rounds.",
            "- **Cost against thread length**: from a thread in a SQLite file to the request as it would be sent, by "
            "the product's own reading and building, with the default budget of 16,000 tokens. A thread that grew to "
            "its length is read from where the window onto it begins, here as full as it gets before it moves. One "
            "that grew while the bot was not asked is read whole, once.",
            f"- **memory** is resident memory; between the two looks lie all {size.answers} answers of a run.",
            "- **start** goes from the process being asked for to its socket being identified at the platform; the "
            "very first start also makes the database.",
            "- **database round trips** are transactions, each one hop to the database's thread, counted apart with "
            "Parley in the process that counts (see *What an answer of Parley's takes*); **commits** are those that "
            "changed something, counted in SQLite's write-ahead log from outside.",
            "- The stand-ins' own cost is in the table: where their load comes near 100 %, they and not the bot "
            "would be what is measured. They forget what they recorded before each part, and all but the newest "
            f"{KEPT_MESSAGES} messages of each channel; they stand anew in each run.",
        ]
    )
