"""The command: `python -m tests.chaos`, or `make chaos`."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.chaos import table
from tests.chaos.plan import rounds
from tests.chaos.playing import play
from tests.chaos.process import ROOT
from tests.chaos.tally import Tally

PAGE = ROOT / "docs" / "chaos.md"
# Each lane is a process with its own emulators; a process of the bot spends most of its short life starting.
LANES = 3
SHOWN_REPORTS = 5


def run(
    kills: int, seed: int, lanes: int, folder: Path, *, tell: Callable[[Tally], None], seconds: float = float("inf")
) -> Tally:
    """Play the plan of a seed, rounds beside each other, until it is done or `seconds` are over."""
    whole, until = Tally(), time.monotonic() + seconds
    with ProcessPoolExecutor(lanes, mp_context=get_context("spawn")) as pool:
        playing = [pool.submit(play, each, folder / f"round-{each.number:03}") for each in rounds(kills, seed, lanes)]
        for done in as_completed(playing):
            if done.cancelled():
                continue
            whole.add(_outcome(done))
            tell(whole)
            if time.monotonic() > until:
                for waiting in playing:
                    waiting.cancel()
    return whole


def _outcome(done: Future[Tally]) -> Tally:
    """What a round came to. One that broke down is a flaw too: nobody knows what it would have shown."""
    broken = done.exception()
    if broken is None:
        return done.result()
    return Tally(flaws=Counter(["broken down"]), reports=["".join(traceback.format_exception(broken))])


def main(
    *,
    kills: Annotated[int, typer.Option(min=1, help="How many processes shall die.")] = 100,
    seed: Annotated[int, typer.Option(help="What the plan is drawn from.")] = 1,
    lanes: Annotated[int, typer.Option(min=1, help="How many rounds are played beside each other.")] = LANES,
    minutes: Annotated[float, typer.Option(help="Begin no further round after so long.")] = 600.0,
    page: Annotated[Path | None, typer.Option(help="Write the table there as Markdown too.")] = None,
) -> None:
    """Kill the bot again and again under load, and see whether anything was lost or said twice."""
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    began = time.monotonic()

    def tell(so_far: Tally) -> None:
        console.print(
            f"{time.monotonic() - began:5.0f} s: {so_far.rounds} rounds, {so_far.kills.total()} kills, "
            f"{so_far.answered} of {so_far.questions} answered, {so_far.flaws.total()} flaws",
            highlight=False,
        )
        for number, report in enumerate(so_far.reports[len(told) :], len(told)):
            typer.echo(report if number < SHOWN_REPORTS else report.partition("\n")[0])
        told[:] = so_far.reports
        if told:
            (folder / "reports.txt").write_text("\n\n".join(told))

    told: list[str] = []
    whole = run(kills, seed, lanes, folder, tell=tell, seconds=minutes * 60)
    seconds = time.monotonic() - began
    lines = table.lines(whole, seconds)
    typer.echo("\n".join(lines))
    if whole.flaws:
        typer.echo(f"kept: {folder}, with {len(whole.reports)} reports")
        sys.exit(1)
    shutil.rmtree(folder)
    if page is not None:
        page.write_text(table.page(whole, seconds, f"make chaos KILLS={kills} SEED={seed} LANES={lanes}"))
        typer.echo(f"written: {page}")


if __name__ == "__main__":
    typer.run(main)
