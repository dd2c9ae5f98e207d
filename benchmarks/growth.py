"""The command: `python -m benchmarks.growth`, or `make growth`: what grows with what is stored and asked, and what not.

The parts in their order: threads (context building), intake and claim, starts, many streams, and the long run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from benchmarks import crowds, growth_page, lengths, machine, starts, stored, threads
from benchmarks.bots import ROOT, Cores, pin
from benchmarks.crowds import Streams
from benchmarks.growth_page import Found
from benchmarks.places import PLATFORMS
from benchmarks.plots import save
from benchmarks.stand_ins import StandIns
from benchmarks.starts import Start

PAGE = ROOT / "docs" / "growth.md"
COMMAND = "make growth"
WIDTH = 118
"""Columns where the output is no terminal, which would have its own."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is stored and asked: see the modules of the parts."""

    lengths: tuple[int, ...] = threads.LENGTHS
    times: int = threads.TIMES
    stored_sizes: tuple[int, ...] = stored.SIZES
    rounds: int = stored.ROUNDS
    each: int = stored.EACH
    start_sizes: tuple[int, ...] = starts.SIZES
    start_times: int = starts.TIMES
    idle_threads: int = crowds.IDLE_THREADS
    streams: int = crowds.STREAMS
    stream_ms: float = crowds.STREAM_MS
    answers: int = crowds.ANSWERS


class Part(StrEnum):
    """What can be measured by itself."""

    THREADS = "threads"
    STORED = "stored"
    STARTS = "starts"
    STREAMS = "streams"
    MEMORY = "memory"


QUICK = Size((10, 1_000), 3, (1_000, 10_000), 2, 5, (1_000, 10_000), 1, 40, 20, 3_000.0, 320)


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Little of everything: a look, no page.")] = False,
    answers: Annotated[
        int, typer.Option(min=1, help="The long run's answers on each platform; with fewer than by default, no page.")
    ] = crowds.ANSWERS,
    part: Annotated[list[Part] | None, typer.Option(help="Measure this part alone, or these: a look, no page.")] = None,
    page: Annotated[Path, typer.Option(help="Where the page goes; its pictures, into a folder beside it.")] = PAGE,
) -> None:
    """Measure what grows, print the tables, write the page and its pictures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    size = QUICK if quick else Size(answers=answers)
    cores, began = Cores.of_this_machine(), time.monotonic()
    with console.status("starting") as status:
        try:
            found = asyncio.run(_measure(size, part or list(Part), cores, status.update))
        except RuntimeError as failure:
            console.print(str(failure), style="red", markup=False)
            raise typer.Exit(1) from None
    seconds = time.monotonic() - began
    console.print("\n\n".join(growth_page.sections(found)), markup=False, soft_wrap=True)
    console.print(f"{seconds:.0f} s in all")
    if not quick and not part and answers >= crowds.ANSWERS:
        page.write_text(growth_page.page(found, machine.facts(COMMAND, f"{seconds:.0f} s", cores)))
        pictures = page.with_suffix("")
        save(pictures / lengths.PICTURE, "Cost against thread length", lengths.panels(found.lengths))
        save(pictures / growth_page.STORED, "Intake and claim", growth_page.stored_panels(found.flatness))
        save(pictures / growth_page.MEMORY, "Memory over answers", growth_page.memory_panels(found.memory))
        console.print(f"written: {page} and {pictures}/")


async def _measure(size: Size, parts: Sequence[Part], cores: Cores, progress: Callable[[str], None]) -> Found:
    found = Found()
    if Part.THREADS in parts:
        progress("threads")
        found = replace(found, lengths=await threads.measure(size.lengths, size.times))
    if Part.STORED in parts:
        flatness = await stored.measure(size.stored_sizes, size.rounds, size.each, progress)
        found = replace(found, flatness=flatness)
    if not {Part.STARTS, Part.STREAMS, Part.MEMORY} & set(parts):
        return found
    stand_ins = await StandIns.start()
    try:
        pin(stand_ins.pid, cores.stand_ins)
        return await _of_processes(found, stand_ins, size, parts=parts, cores=cores, progress=progress)
    finally:
        await stand_ins.end()


async def _of_processes(
    found: Found,
    stand_ins: StandIns,
    size: Size,
    *,
    parts: Sequence[Part],
    cores: Cores,
    progress: Callable[[str], None],
) -> Found:
    """The parts in which Parley is a process of its own."""
    begun: list[Start] = []
    streams: list[Streams] = []
    for platform in PLATFORMS:
        if Part.STARTS in parts:
            begun += await starts.measure(
                stand_ins, platform, sizes=size.start_sizes, times=size.start_times, cores=cores, progress=progress
            )
        if Part.STREAMS in parts:
            many = await crowds.many_streams(
                stand_ins,
                platform,
                threads=size.idle_threads,
                streams=size.streams,
                stream_ms=size.stream_ms,
                cores=cores,
                progress=progress,
            )
            streams.append(many)
    memory = [
        await crowds.over_answers(stand_ins, platform, size.answers, cores, progress)
        for platform in PLATFORMS
        if Part.MEMORY in parts
    ]
    return replace(found, starts=begun, streams=streams, memory=memory)


if __name__ == "__main__":
    typer.run(main)
