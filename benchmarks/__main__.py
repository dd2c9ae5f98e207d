"""The command: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import report
from benchmarks.bots import ROOT, Cores
from benchmarks.runs import FULL, QUICK, benchmark
from benchmarks.stands import PLATFORMS

PAGE = ROOT / "docs" / "benchmarks.md"


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One short round: a look, no page.")] = False,
    page: Annotated[Path, typer.Option(help="Where the page goes.")] = PAGE,
) -> None:
    """Measure Parley beside the bare loops of the SDKs, print the tables, write the page."""
    console = Console()
    size, cores, began = QUICK if quick else FULL, Cores.of_this_machine(), time.monotonic()
    with console.status("starting") as status:
        try:
            runs = asyncio.run(benchmark(size, cores, status.update))
        except RuntimeError as failure:
            console.print(str(failure), style="red", markup=False)
            raise typer.Exit(1) from None
    seconds = time.monotonic() - began
    for platform in PLATFORMS:
        console.print(report.table(runs, platform, size))
    console.print(f"{seconds:.0f} s in all")
    if not quick:
        page.write_text(report.page(runs, size, cores, "make bench", seconds))
        console.print(f"written: {page}")


if __name__ == "__main__":
    typer.run(main)
