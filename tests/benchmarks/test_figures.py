"""The figures that a benchmark makes of what it saw, and the pictures it draws of them."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from benchmarks import plots
from benchmarks.bots import BOTS
from benchmarks.counts import Taken
from benchmarks.figures import Spread, load_curve, rows, shown
from benchmarks.places import PLATFORMS
from benchmarks.report import LATENCY, add_counts, counts_table, latency_panels, page
from benchmarks.runs import FULL, Run


def runs() -> list[Run]:
    """Two rounds on both platforms; the second is slower by half."""
    return [
        Run(
            platform,
            bot,
            {"alone p50": base * slower, "cpu": 10 * slower, "rate": 100 / slower, "platform calls": 1.0},
            {"POST /api/chat.postMessage": 1.0},
            {load: [base * slower * load / 1000] * 4 for load in (1, 16, 64)},
        )
        for slower in (1.0, 1.5)
        for platform in PLATFORMS
        for bot, base in zip(BOTS, (10.0, 12.0), strict=True)
    ]


def test_a_ratio_is_of_two_runs_of_one_round_and_its_median_is_judged() -> None:
    [alone] = [row for row in rows(runs(), "slack", FULL) if row.measure.key == "alone p50"]
    assert alone.bare == Spread(12.5, 10.0, 15.0)
    assert alone.ratio is not None
    assert round(alone.ratio.least, 6) == round(alone.ratio.most, 6) == 1.2
    assert alone.met


def test_a_point_of_the_load_curve_is_the_spread_over_the_rounds() -> None:
    curve = load_curve(runs(), "discord", "parley", 50)
    assert list(curve) == [1, 16, 64]
    assert curve[16] == Spread(240.0, 192.0, 288.0)


def test_what_is_counted_apart_stands_in_the_table_of_its_platform() -> None:
    counted = Taken(2, 1, 1_300, commits=6, transactions=11, statements=25, characters_counted=812, bytes_hashed=45)
    found = runs()
    add_counts(found, {"slack": counted, "discord": replace(counted, transactions=9)})
    for platform, trips in zip(PLATFORMS, (11.0, 9.0), strict=True):
        [row] = [row for row in rows(found, platform, FULL) if row.measure.key == "round trips"]
        assert row.bare is None
        assert row.parley == Spread(trips, trips, trips)
    table = counts_table({"slack": counted, "discord": counted})
    assert "| bytes hashed | 45 | 45 |" in table


def test_a_page_with_a_missed_goal_says_how_fast_the_machine_was() -> None:
    counted = Taken(2, 1, 1_300, commits=6, transactions=11, statements=25, characters_counted=812, bytes_hashed=45)
    taken = dict.fromkeys(PLATFORMS, counted)
    sentence = "takes 8 ms on Slack and 6 ms on Discord of processor time for an answer; here it took 12.5 ms and"
    for milliseconds, missed in ((700.0, False), (701.0, True)):
        more = {"crowd p95": milliseconds, "memory grown": 20.0}
        found = [replace(run, figures={**run.figures, **more}) for run in runs()]
        assert (sentence in page(found, taken, [], FULL, {"date": "today"}, pinned=True)) == missed


def test_a_spread_is_shown_with_its_ends_where_they_differ() -> None:
    assert shown(Spread(2.0, 1.0, 3.0), 1, "×") == "2.0× (1.0 – 3.0)"
    assert shown(Spread(2.0, 2.0, 2.0), 0) == "2"
    assert shown(None, 0) == "–"


def test_the_ticks_of_a_logarithmic_axis_lie_around_all_values() -> None:
    assert plots.decades(4.0, 250.0) == [3.0, 10.0, 30.0, 100.0, 300.0]
    assert plots.decades(10.0, 100.0) == [10.0, 30.0, 100.0]


def test_a_picture_is_drawn_of_the_size_that_pages_want(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / LATENCY
    plots.save(path, "Latency against load", latency_panels(runs()))
    with Image.open(path) as picture:
        assert picture.size == (1500, 720)
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 100  # not an empty card
