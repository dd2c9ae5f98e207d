"""What `make growth` measures, in small: its parts run, and what it stores first is stored as the product does it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from benchmarks import growth_page, plots, stored, threads
from benchmarks.crowds import Memory, Streams
from benchmarks.figures import Spread
from benchmarks.filling import ANSWER, QUESTION, Filling, fill
from benchmarks.growth import KEPT, QUICK, Size, main
from benchmarks.growth_page import Found, Part, Sitting
from benchmarks.places import PLATFORMS, Platform
from benchmarks.starts import Start
from bot.messages import Address
from storage import Store
from storage.records import micros


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_a_database_is_filled_with_is_read_as_if_it_had_been_said(
    platform: Platform, tmp_path: Path
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'parley.db'}")
    try:
        filling = Filling(platform, "T1", ["C1", "C2", "C3"], conversations=7, questions=5)
        await fill(store, filling)
        places = await store.cursors.recent(platform, 100)
        assert filling.messages == 70
        assert len(places) == 7
        assert {place.address.channel for place in places} == {"C1", "C2", "C3"}
        newest = places[0].address
        assert newest.thread is not None
        found = await store.memory.of_message(replace(newest, thread=None), newest.thread)
        assert found is not None
        said = await store.history.until(turn_id=1_000, conversation_id=found.id, start=0)
        assert [message.text for message in said] == [words % n for n in range(30, 35) for words in (QUESTION, ANSWER)]
        standing = await store.inbox.standing(newest, newest.thread, "later")
        assert standing.began == said[0].position
        assert len(standing.spoken) == 10
    finally:
        await store.close()


async def test_the_ids_a_database_is_filled_with_tell_the_moment_as_the_platforms_do(tmp_path: Path) -> None:
    for platform in PLATFORMS:
        store = await Store.open(f"sqlite:///{tmp_path / platform}.db")
        try:
            await fill(store, Filling(platform, "T1", ["C1"], conversations=1, questions=1))
            [place] = await store.cursors.recent(platform, 1)
            assert isinstance(place.address, Address)
            root = place.address.thread or ""
            if platform == "slack":
                assert round(float(root) * 1_000_000) == pytest.approx(place.position, abs=1)
            else:
                from discord.utils import snowflake_time

                assert micros(snowflake_time(int(root))) // 1000 == place.position // 1000
        finally:
            await store.close()


async def test_a_thread_is_read_and_built_and_a_long_one_within_the_budget() -> None:
    short, long = await threads.measure([10, 600], times=1)
    assert (short.usual.messages, short.usual.prompt) == (short.whole.messages, short.whole.prompt)
    assert short.usual.messages == 11
    assert short.usual.whole > 0
    assert threads.BUDGET * 0.9 < long.usual.prompt < threads.BUDGET * 1.05
    assert long.whole.prompt < long.usual.prompt


async def test_intake_and_claim_are_measured_beside_databases_of_each_size() -> None:
    found = await stored.measure([100, 200], 2, 2, lambda _: None)
    assert [flat.kind for flat in found] == list(stored.KINDS)
    for flat in found:
        assert {size: len(rounds) for size, rounds in flat.rounds.items()} == {100: 2, 200: 2}
        assert flat.ratio(100) == Spread(1.0, 1.0, 1.0)


def found() -> Found:
    """Figures as a run gives them."""
    cost = threads.Cost(Spread(1.0, 0.9, 1.2), Spread(3.0, 2.0, 4.0), 300, 15_900)
    long = threads.Cost(Spread(9.0, 8.0, 9.5), Spread(1.0, 0.9, 1.2), 160, 8_000)
    return Found(
        [threads.Length(10, cost, cost, cost), threads.Length(10_000, cost, cost, long)],
        [stored.Flatness(kind, {1_000: [1.0, 2.0], 1_000_000: [1.2, 3.4]}) for kind in stored.KINDS],
        [Start("slack", 1_000_000, Spread(2_100.0, 2_000.0, 2_200.0), Spread(90.0, 80.0, 95.0), 180.0)],
        [Streams("discord", 1_000, 500, 499, 180.0, 200.0, 290.0)],
        [Memory("slack", (0, 1_000, 50_000, 100_000), (180.0, 200.0, 215.0, 212.0), 90.0)],
        [
            Sitting(part, str(Size()), datetime(2026, 11, 27, 1, 30, tzinfo=UTC), 1_234.5, 23.4)
            for part in reversed(Part)
        ],
    )


def test_memory_counts_as_grown_from_the_warming_up_to_its_greatest() -> None:
    [memory] = found().memory
    assert memory.grown == 15.0


def test_the_page_says_of_each_goal_whether_it_is_met() -> None:
    text = growth_page.page(found(), {"date": "today"})
    goals = [line for line in text.splitlines() if line.endswith(("| yes |", "| no |"))]
    assert [line.rpartition(" | ")[2] for line in goals] == [
        "yes |",
        "yes |",
        "no |",
        *["yes |"] * 3,
        "no |",
        "yes |",
        "no |",
    ], "499 streams are not 500"
    assert "(performance.md)" in text, "why they are missed"
    assert "| memory over 100,000 answers, Slack | + ≤ 20 MiB | + 15.0 MiB | yes |" in goals
    assert text.index("| threads | 2026-11-27 01:30 | 1,234 | 23 |") < text.index("| memory | 2026-11-27 01:30")
    for picture in (growth_page.STORED, growth_page.MEMORY, "thread-length.png"):
        assert f"](growth/{picture})" in text


@pytest.fixture
def quiet() -> Iterator[None]:
    """The command has only errors logged; afterwards it is as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("quiet")
def test_what_was_found_is_kept_for_the_parts_that_are_still_to_come(tmp_path: Path) -> None:
    kept, page = tmp_path / "found.json", tmp_path / "growth.md"
    main(quick=True, part=[Part.THREADS], kept=kept, page=page)
    earlier = KEPT.validate_json(kept.read_bytes())
    assert earlier.parts_of(str(QUICK)) == {Part.THREADS}
    assert earlier.parts_of(str(Size())) == set(), "a quick look is none of the page's"
    main(quick=True, part=[Part.STORED], kept=kept, page=page)
    both = KEPT.validate_json(kept.read_bytes())
    assert both.parts_of(str(QUICK)) == {Part.THREADS, Part.STORED}
    assert both.lengths == earlier.lengths
    assert not page.exists(), "parts are missing"
    kept.write_bytes(KEPT.dump_json(found()))
    main(quick=False, kept=kept, page=page)
    assert "## Memory over answers" in page.read_text(), "nothing was left to measure"
    assert (tmp_path / "growth" / growth_page.MEMORY).exists()


def test_a_part_that_was_left_out_has_no_section() -> None:
    headings = [section.partition("\n")[0] for section in growth_page.sections(Found(memory=found().memory))]
    assert headings == ["## Goals", "## Memory over answers"]


def test_the_pictures_of_growth_are_drawn(tmp_path: Path) -> None:
    for name, panels in (
        (growth_page.STORED, growth_page.stored_panels(found().flatness)),
        (growth_page.MEMORY, growth_page.memory_panels(found().memory)),
    ):
        plots.save(tmp_path / name, "Growth", panels)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
