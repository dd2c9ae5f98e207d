"""What stands between the queries and the driver says what SQLAlchemy's own way says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Integer, MetaData, Table, bindparam, create_engine, insert, select, text, update

from bot.messages import Attachment
from storage import dialect
from storage.columns import Files, Name
from storage.connection import Connection, prepared

things = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("files", Files, nullable=False),
    Column("old", Boolean, nullable=False),
)
PUT = insert(things)
ALL = select(things).order_by(things.c.id)
AMONG = select(things.c.id).where(things.c.name.in_(bindparam("names", expanding=True))).order_by(things.c.id)
NOT_AMONG = select(things.c.id).where(things.c.name.not_in(bindparam("names", expanding=True))).order_by(things.c.id)
AGE = update(things).where(things.c.id >= bindparam("first")).values(old=True).returning(things.c.id, things.c.old)
FILE = Attachment("a.png", "image/png", 3, "https://files.example/a.png")
ROWS: Sequence[dict[str, Any]] = [
    {"id": 1, "name": "one", "files": (FILE,), "old": True},
    {"id": 2, "name": "half \ud83d", "files": (), "old": False},
    {"id": 3, "name": "three", "files": (), "old": False},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    engine = create_engine(f"sqlite:///{tmp_path / 'things.db'}")
    things.create(engine)
    engine.dispose()
    return tmp_path / "things.db"


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as driver:
        yield Connection(driver, dialect.SQLITE)


def filled(connection: Connection) -> Connection:
    assert connection.execute(PUT, ROWS).rowcount == 3
    return connection


def test_values_come_back_as_their_columns_make_them_and_as_sqlalchemy_reads_them(
    connection: Connection, file: Path
) -> None:
    first, second, _ = filled(connection).execute(ALL).all()
    assert (first.name, first.files, first.old) == ("one", (FILE,), True)
    assert second.name == "half \ufffd"
    assert second.old is False
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as theirs:
        assert [tuple(row) for row in theirs.execute(ALL)] == list(connection.execute(ALL))
    engine.dispose()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
def test_a_list_of_any_length_finds_what_is_in_it_and_nothing_else(connection: Connection, count: int) -> None:
    filled(connection)
    names = ["three", "half \ud83d", *(f"none {n}" for n in range(9))][:count]
    found = [row_id for row_id, name in ((3, "three"), (2, "half \ud83d")) if name in names]
    assert list(connection.scalars(AMONG, {"names": names})) == sorted(found)
    assert list(connection.scalars(NOT_AMONG, {"names": names})) == [n for n in (1, 2, 3) if n not in found]


def test_a_list_that_is_part_of_the_query_needs_no_parameter(connection: Connection) -> None:
    fixed = select(things.c.id).where(things.c.name.in_(["one", "three"])).order_by(things.c.id)
    assert list(filled(connection).scalars(fixed)) == [1, 3]


def test_lists_of_all_lengths_have_few_texts(connection: Connection) -> None:
    filled(connection)
    texts: set[str] = set()
    connection.driver.set_trace_callback(lambda said: texts.add(said.split("IN (")[0] + str(said.count(","))))
    for count in range(1, 200):
        connection.scalars(AMONG, {"names": ["x"] * count})
    assert len(texts) == 9


def test_what_a_change_returns_is_there_and_the_change_is_whole(connection: Connection) -> None:
    changed = filled(connection).execute(AGE, {"first": 2})
    assert [(row.id, row.old) for row in changed] == [(2, True), (3, True)]
    assert [row.old for row in connection.execute(ALL)] == [True, True, True]


def test_a_parameter_that_is_missing_is_no_null(connection: Connection) -> None:
    with pytest.raises(KeyError, match="first"):
        connection.execute(AGE)
    with pytest.raises(KeyError, match="names"):
        connection.execute(AMONG)


def test_a_text_is_a_statement_too(connection: Connection) -> None:
    row = filled(connection).execute(text("SELECT count(*) AS many, :it AS said FROM things"), {"it": "x"}).one()
    assert (row.many, row.said) == (3, "x")
    assert connection.execute(text("SELECT 7 AS seven")).mappings() == [{"seven": 7}]


def test_one_is_one(connection: Connection) -> None:
    with pytest.raises(ValueError, match="unpack"):
        filled(connection).execute(ALL).one()


def test_a_statement_is_compiled_once(connection: Connection) -> None:
    before = prepared.cache_info().misses
    query = select(things.c.id).where(things.c.id == bindparam("of"))
    for number in range(5):
        connection.scalar(query, {"of": number})
    assert prepared.cache_info().misses == before + 1
