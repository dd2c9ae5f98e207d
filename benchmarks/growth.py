"""The command: `python -m benchmarks.growth`, or `make growth`: what grows with what is stored and asked, and what not.

The parts in their order: threads (context building), intake and claim, starts, many streams, and the long run. Together
they take hours; measured one by one, what each found is kept in a file that the next goes on from.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import TypeAdapter
from rich.console import Console

from benchmarks import crowds, growth_page, lengths, machine, starts, stored, threads
from benchmarks.bots import ROOT, Cores
from benchmarks.growth_page import Found, Part, Sitting
from benchmarks.places import PLATFORMS
from benchmarks.plots import save
from benchmarks.stand_ins import StandIns

PAGE = ROOT / "docs" / "growth.md"
COMMAND = "make growth"
KEPT = TypeAdapter(Found)
"""How what was found stands in a file: JSON."""
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


QUICK = Size((10, 1_000), 3, (1_000, 10_000), 2, 5, (1_000, 10_000), 1, 40, 20, 3_000.0, 320)


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Little of everything: a look, no page.")] = False,
    answers: Annotated[
        int, typer.Option(min=1, help="The long run's answers on each platform; with fewer than by default, no page.")
    ] = crowds.ANSWERS,
    part: Annotated[list[Part] | None, typer.Option(help="Measure this part alone, or these.")] = None,
    kept: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Go on from what this file holds, with the parts it lacks, and keep there what is found.",
        ),
    ] = None,
    page: Annotated[Path, typer.Option(help="Where the page goes; its pictures, into a folder beside it.")] = PAGE,
) -> None:
    """Measure what grows, print the tables; once all parts are there, write the page and its pictures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    size, cores = QUICK if quick else Size(answers=answers), Cores.of_this_machine()
    found = KEPT.validate_json(kept.read_bytes()) if kept and kept.exists() else Found()
    with console.status("starting") as status:
        for each in part or [each for each in Part if each not in found.parts_of(str(size))]:
            try:
                found = asyncio.run(_measured(each, found, size, cores, status.update))
            except RuntimeError as failure:
                console.print(str(failure), style="red", markup=False)
                raise typer.Exit(1) from None
            if kept:
                whole = kept.with_name(f"{kept.name}.new")
                whole.write_bytes(KEPT.dump_json(found, indent=1))
                whole.replace(kept)
    console.print("\n\n".join(growth_page.sections(found)), markup=False, soft_wrap=True)
    seconds = sum(sitting.seconds for sitting in found.sittings)
    console.print(f"{seconds:.0f} s in all")
    if size == Size() and found.parts_of(str(size)) == set(Part):
        page.write_text(growth_page.page(found, machine.facts(COMMAND, f"{seconds:.0f} s", cores)))
        pictures = page.with_suffix("")
        save(pictures / lengths.PICTURE, "Cost against thread length", lengths.panels(found.lengths))
        save(pictures / growth_page.STORED, "Intake and claim", growth_page.stored_panels(found.flatness))
        save(pictures / growth_page.MEMORY, "Memory over answers", growth_page.memory_panels(found.memory))
        console.print(f"written: {page} and {pictures}/")


async def _measured(part: Part, found: Found, size: Size, cores: Cores, progress: Progress) -> Found:
    """What was found, and this part of it anew."""
    progress(part)
    began = time.monotonic()
    found = await _MEASURES[part](found, size, cores, progress)
    sitting = Sitting(part, str(size), datetime.now(UTC), time.monotonic() - began, machine.milliseconds())
    others = [each for each in found.sittings if each.part != part]
    return replace(found, sittings=[*others, sitting])


async def _threads(found: Found, size: Size, cores: Cores, progress: Progress) -> Found:
    return replace(found, lengths=await threads.measure(size.lengths, size.times))


async def _stored(found: Found, size: Size, cores: Cores, progress: Progress) -> Found:
    return replace(found, flatness=await stored.measure(size.stored_sizes, size.rounds, size.each, progress))


async def _starts(found: Found, size: Size, cores: Cores, progress: Progress) -> Found:
    async with StandIns.running(cores) as stand_ins:
        begun = [
            await starts.measure(
                stand_ins, platform, sizes=size.start_sizes, times=size.start_times, cores=cores, progress=progress
            )
            for platform in PLATFORMS
        ]
    return replace(found, starts=[start for of_platform in begun for start in of_platform])


async def _streams(found: Found, size: Size, cores: Cores, progress: Progress) -> Found:
    async with StandIns.running(cores) as stand_ins:
        streams = [
            await crowds.many_streams(
                stand_ins,
                platform,
                threads=size.idle_threads,
                streams=size.streams,
                stream_ms=size.stream_ms,
                cores=cores,
                progress=progress,
            )
            for platform in PLATFORMS
        ]
    return replace(found, streams=streams)


async def _memory(found: Found, size: Size, cores: Cores, progress: Progress) -> Found:
    async with StandIns.running(cores) as stand_ins:
        memory = [
            await crowds.over_answers(stand_ins, platform, size.answers, cores, progress) for platform in PLATFORMS
        ]
    return replace(found, memory=memory)


Progress = Callable[[str], None]
_MEASURES: Mapping[Part, Callable[[Found, Size, Cores, Progress], Awaitable[Found]]] = {
    Part.THREADS: _threads,
    Part.STORED: _stored,
    Part.STARTS: _starts,
    Part.STREAMS: _streams,
    Part.MEMORY: _memory,
}


if __name__ == "__main__":
    typer.run(main)
