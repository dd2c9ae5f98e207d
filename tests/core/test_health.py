"""The health file: where it is, what is in it, and what a reader makes of it at a given moment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import health
from bot.health import Database, Line, Loop, Mark, Model, Queue, Report, Socket
from storage import dialect

NOW = 1_800_000_000.0
WELL = Report(
    at=NOW - 2,
    every=5.0,
    started_at=NOW - 7200,
    pid=4711,
    version="0.1.0",
    state="running",
    platforms={"slack": Socket(True, 1.0, 15.0, {}), "discord": Socket(True, 30.0, 60.0, {"asked_to": 2})},
    loop=Loop(0.001, 0.012),
    database=Database(NOW - 3),
    queue=Queue(0, None),
    model=Model(NOW - 300),
)
ILL_WORKER: dict[str, Mark] = {"worker": "ill"}


def marks(report: Report | Line) -> dict[str, Mark]:
    """What is not well."""
    return {line.name: line.mark for line in health.judge(report, NOW) if line.mark != "well"}


def slack(**changes: Any) -> dict[str, Socket]:
    return {"slack": replace(WELL.platforms["slack"], **changes)}


def test_of_a_worker_that_is_well_every_line_is() -> None:
    lines = health.judge(WELL, NOW)
    assert health.is_healthy(lines)
    assert [line.name for line in lines] == ["worker", "discord", "slack", "loop", "database", "queue", "model"]
    assert all(line.mark == "well" and not line.cure for line in lines)
    assert lines[1].says == "connected, heard 32 s ago; reconnections: 2 asked to"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Whether it runs at all.
        ({"at": NOW - 24.9}, {}),
        ({"at": NOW - 25.1}, ILL_WORKER),
        ({"at": NOW + 5.1}, ILL_WORKER),
        ({"at": NOW - 0.6, "every": 0.1}, ILL_WORKER),
        ({"state": "draining"}, {"worker": "poorly"}),
        ({"state": "stopped"}, ILL_WORKER),
        ({"state": "stopped", "at": NOW}, ILL_WORKER),
        # Whether events flow.
        ({"platforms": slack(up=False, heard=None)}, {"slack": "ill"}),
        ({"platforms": slack(up=False)}, {"slack": "ill"}),
        ({"platforms": slack(heard=15.1)}, {"slack": "ill"}),
        ({"platforms": slack(heard=14.9)}, {}),
        ({"platforms": slack(reconnections={"silent": 100})}, {}),
        # Whether it keeps up.
        ({"loop": Loop(0.9, 0.9)}, {}),
        ({"loop": Loop(0.0, 30.0)}, {"loop": "poorly"}),
        ({"loop": Loop(4.9, 4.9)}, {"loop": "poorly"}),
        ({"loop": Loop(5.0, 30.0)}, {"loop": "ill"}),
        # Whether the database takes writes.
        ({"database": Database(NOW - 39)}, {}),
        ({"database": Database(NOW - 41)}, {"database": "ill"}),
        ({"database": Database(NOW - 9, "database is locked", NOW - 4)}, {"database": "ill"}),
        # Whether it gets on.
        ({"queue": None}, {"queue": "poorly"}),
        ({"queue": Queue(900, None)}, {}),
        ({"queue": Queue(9, NOW - 59)}, {}),
        ({"queue": Queue(9, NOW - 61)}, {"queue": "poorly"}),
        # Whether the model answers.
        ({"model": Model()}, {}),
        ({"model": Model(NOW - 60, "StreamCut", NOW - 5)}, {"model": "poorly"}),
        ({"model": Model(None, "ModelUnavailable", NOW - 86_400)}, {"model": "poorly"}),
        ({"model": Model(NOW - 60, "KeyRefused", NOW - 5, lasting=True)}, {"model": "ill"}),
    ],
)
def test_each_trouble_is_marked_and_nothing_else_is(changes: dict[str, Any], expected: dict[str, Mark]) -> None:
    report = replace(WELL, **changes)
    assert marks(report) == expected
    assert health.is_healthy(health.judge(report, NOW)) is ("ill" not in expected.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"at": NOW - 100},
        {"state": "stopped"},
        {"platforms": slack(up=False, heard=None)},
        {"platforms": slack(up=False)},
        {"platforms": slack(heard=100.0)},
        {"loop": Loop(9.0, 9.0)},
        {"database": Database(NOW - 100)},
        {"database": Database(NOW - 9, "database is locked", NOW - 4)},
        {"model": Model(NOW - 60, "QuotaExhausted", NOW - 5, lasting=True)},
    ],
)
def test_whatever_is_ill_comes_with_a_way_out(changes: dict[str, Any]) -> None:
    [ill] = [line for line in health.judge(replace(WELL, **changes), NOW) if line.mark == "ill"]
    assert ill.cure


def test_of_a_worker_that_is_gone_nothing_else_is_said() -> None:
    assert [line.name for line in health.judge(replace(WELL, at=NOW - 100), NOW)] == ["worker"]


@pytest.mark.parametrize("report", [WELL, replace(WELL, queue=None, model=Model(), platforms={})])
def test_what_is_written_is_read_again(report: Report) -> None:
    assert health.parse(health.dump(report)) == report


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "7", "{}", '{"format": 2}', '{"format": 1}', '{"at": 1}']
)
def test_a_file_that_is_none_of_ours_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "h.json"
    path.write_text(text)
    found = health.read(path)
    assert marks(found) == ILL_WORKER
    assert isinstance(found, Line)
    assert str(path) in found.says


def test_a_missing_or_unreadable_file_is_an_ill_worker(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        assert marks(health.read(path)) == ILL_WORKER


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///data/parley.db",
        "sqlite:////data/parley.db",
        "sqlite:///~/parley.db",
        "sqlite+aiosqlite:///parley.db",
        "sqlite:///with space/ü%20.db",
        "sqlite:///a:b@c.db",
    ],
)
def test_the_file_is_beside_the_database_that_the_store_would_open(url: str) -> None:
    database = dialect.database_url(url).database
    assert str(health.path_of(url, None)) == f"{database}.health.json"


def test_the_setting_names_another_place_and_other_databases_leave_it_where_the_worker_runs() -> None:
    assert health.path_of("sqlite:///x.db", "/run/parley.json") == Path("/run/parley.json")
    assert health.path_of("sqlite:///x.db", "~/p.json") == Path.home() / "p.json"
    assert health.path_of("postgres://host/db", None) == Path.cwd() / "parley.health.json"


def test_the_table_has_a_sign_for_each_line_and_colours_on_a_terminal_alone() -> None:
    lines = [Line("worker", "well", "runs"), Line("loop", "poorly", "late"), Line("model", "ill", "no key", "Get one.")]
    plain = list(health.table(lines, colours=False))
    assert plain == ["✓ worker  runs", "! loop    late", "✗ model   no key", "    → Get one."]
    coloured = list(health.table(lines, colours=True))
    assert all("\x1b[" in said for said in coloured if "→" not in said)
    assert len(coloured) == len(plain)


def test_for_programs_the_verdict_comes_with_what_it_rests_on() -> None:
    said = json.loads(health.as_json(WELL, health.judge(WELL, NOW)))
    assert said["healthy"] is True
    assert said["report"]["pid"] == 4711
    gone = health.read(Path("/nowhere/at/all"))
    said = json.loads(health.as_json(gone, health.judge(gone, NOW)))
    assert (said["healthy"], said["report"]) == (False, None)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 ms"), (0.012, "12 ms"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 days")],
)
def test_lengths_of_time_are_said_in_a_fitting_unit(seconds: float, said: str) -> None:
    assert health._span(seconds) == said
