"""The command: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from benchmarks import counts, lengths, machine, report, threads
from benchmarks.bots import ROOT, Cores
from benchmarks.counts import Taken
from benchmarks.figures import rounds_of
from benchmarks.places import PLATFORMS, Platform
from benchmarks.plots import save
from benchmarks.runs import FULL, QUICK, benchmark
from benchmarks.stands import stand

PAGE = ROOT / "docs" / "benchmarks.md"
COMMAND = "make bench"
WIDTH = 118
"""Columns where the output is no terminal, which would have its own."""
QUICK_LENGTHS, QUICK_TIMES = (10, 1_000), 3


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One short round: a look, no page.")] = False,
    page: Annotated[Path, typer.Option(help="Where the page goes; its pictures, into a folder beside it.")] = PAGE,
) -> None:
    """Measure Parley beside the bare loops of the SDKs, print the tables, write the page and its pictures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    size, cores, began = QUICK if quick else FULL, Cores.of_this_machine(), time.monotonic()
    with console.status("starting") as status:
        try:
            runs = asyncio.run(benchmark(size, cores, status.update))
            taken = asyncio.run(_counts(status.update))
            report.add_counts(runs, taken)
            status.update("threads")
            measured = asyncio.run(threads.measure(QUICK_LENGTHS, QUICK_TIMES) if quick else threads.measure())
        except RuntimeError as failure:
            console.print(str(failure), style="red", markup=False)
            raise typer.Exit(1) from None
    seconds = time.monotonic() - began
    for platform in PLATFORMS:
        console.print(report.table(runs, platform, size))
        for line in report.calls_lines(runs, platform):
            console.print(line, markup=False, soft_wrap=True)
    console.print(report.counts_table(taken), lengths.table(measured), sep="\n\n", markup=False, soft_wrap=True)
    console.print(f"{seconds:.0f} s in all")
    if not quick:
        rounds = rounds_of(runs)
        found = machine.facts(COMMAND, f"{rounds} rounds in {seconds:.0f} s", cores)
        page.write_text(report.page(runs, taken, measured, size, found, pinned=cores.bot is not None))
        pictures = page.with_suffix("")
        save(pictures / report.LATENCY, "Latency against load", report.latency_panels(runs))
        save(pictures / lengths.PICTURE, "Cost against thread length", lengths.panels(measured))
        console.print(f"written: {page} and {pictures}/")


async def _counts(progress: Callable[[str], None]) -> dict[Platform, Taken]:
    taken: dict[Platform, Taken] = {}
    for platform in PLATFORMS:
        progress(f"counting on {platform}")
        with tempfile.TemporaryDirectory(prefix="parley-counts-") as folder:
            async with stand(platform) as scene:
                taken[platform] = await counts.measure(scene, Path(folder) / "parley.db")
    return taken


if __name__ == "__main__":
    typer.run(main)
