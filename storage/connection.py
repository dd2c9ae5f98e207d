"""What queries are given: it sends SQLAlchemy's statements, written out once each, straight to the driver.

SQLAlchemy writes the SQL and knows how values are stored. Its own `execute` around that took more of an answer's time
than SQLite did (docs/performance.md). Here a statement is compiled when it is first used, and after that it is a text,
a tuple and what converts them. The names are those of SQLAlchemy's `Connection` and `Result`, of which this is the part
that queries need: a parameter is needed for each bind of a statement, and a list may have half as many members as
SQLite takes variables (16,384 by its default).
"""

from __future__ import annotations

import functools
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Parameters = Mapping[str, Any]
_Convert = Callable[[Any], Any]
_NONE: Parameters = {}
# As many statements as all queries have in all their forms, and room: one that falls out is compiled again.
_KEPT = 1024


class Result:
    """The rows that a statement returned, each a named tuple, and how many it changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> Sequence[Any]:
        """Every row."""
        return self._rows

    def first(self) -> Any:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def one(self) -> Any:
        """The one row there is. Raises `ValueError` where there is another number of them."""
        [row] = self._rows
        return row

    def scalars(self) -> Sequence[Any]:
        """The first value of each row."""
        return [row[0] for row in self._rows]

    def mappings(self) -> list[Mapping[str, Any]]:
        """Each row as a dictionary."""
        return [row._asdict() for row in self._rows]


class Connection:
    """The driver's connection and the dialect its statements are written in. Raises the driver's own errors."""

    __slots__ = ("dialect", "driver")

    def __init__(self, driver: sqlite3.Connection, dialect: Dialect) -> None:
        self.driver = driver
        self.dialect = dialect

    def execute(self, statement: ClauseElement, parameters: Parameters | Sequence[Parameters] = _NONE) -> Result:
        """Send a statement with its parameters, or once for each of several rows of them, which all have one shape."""
        if isinstance(parameters, Mapping):
            return prepared(statement, tuple(parameters), self.dialect).execute(self.driver, parameters)
        return prepared(statement, tuple(parameters[0]), self.dialect).execute_many(self.driver, parameters)

    def scalar(self, statement: ClauseElement, parameters: Parameters = _NONE) -> Any:
        """The first value of the first row, or None."""
        row = self.execute(statement, parameters).first()
        return None if row is None else row[0]

    def scalars(self, statement: ClauseElement, parameters: Parameters = _NONE) -> Sequence[Any]:
        """The first value of each row."""
        return self.execute(statement, parameters).scalars()


class Prepared:
    """One statement for parameters of these names. Guards the forms it has for lists of different lengths."""

    def __init__(self, statement: ClauseElement, names: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"{type(statement).__name__} is no query")
        self._compiled = compiled
        self._lists = tuple(name for name, bind in compiled.binds.items() if bind.expanding and bind.required)
        self._forms: dict[tuple[int, ...], Form] = {}
        self._row: Callable[[Sequence[Any]], Any] | None = None
        self._convert = tuple(
            (place, convert)
            for place, column in enumerate(getattr(statement, "exported_columns", ()))
            if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        )

    def execute(self, driver: sqlite3.Connection, parameters: Parameters) -> Result:
        """Send it once."""
        form = self.form(parameters)
        cursor = driver.execute(form.text, form.values(parameters))
        if cursor.description is None:
            return Result((), cursor.rowcount)
        # What an UPDATE or INSERT returns is all changed once the last row is fetched.
        fetched = cursor.fetchall()
        return Result(self._rows(fetched, cursor), cursor.rowcount)

    def execute_many(self, driver: sqlite3.Connection, rows: Sequence[Parameters]) -> Result:
        """Send it once for each row."""
        form = self.form(rows[0])
        return Result((), driver.executemany(form.text, map(form.values, rows)).rowcount)

    def form(self, parameters: Parameters) -> Form:
        """The form for lists as long as these."""
        lengths = tuple([_padded(len(parameters[name])) for name in self._lists])
        if (form := self._forms.get(lengths)) is None:
            form = self._forms[lengths] = Form(self._compiled, dict(zip(self._lists, lengths, strict=True)))
        return form

    def _rows(self, fetched: Sequence[Sequence[Any]], cursor: sqlite3.Cursor) -> Sequence[Any]:
        if self._row is None:
            names = [name for name, *_ in cursor.description]
            made: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
            self._row = made._make
        row, convert = self._row, self._convert
        if not convert:
            return [row(values) for values in fetched]
        rows = []
        for values in fetched:
            converted = list(values)
            for place, converter in convert:
                converted[place] = converter(converted[place])
            rows.append(row(converted))
        return rows


@functools.lru_cache(maxsize=_KEPT)
def prepared(statement: ClauseElement, names: tuple[str, ...], dialect: Dialect) -> Prepared:
    """The statement, ready for parameters of these names in this order; queries keep theirs as constants."""
    return Prepared(statement, names, dialect)


class Form:
    """The text of a statement, its lists filled up to these lengths, and how parameters become the driver's values."""

    __slots__ = ("_constant", "_given", "_lists", "text")

    def __init__(self, compiled: SQLCompiler, lengths: Mapping[str, int]) -> None:
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        samples = {bind.key: [None] * lengths.get(bind.key, 0) for bind in binds.values() if bind.required}
        state = compiled.construct_expanded_state(samples)
        members = {
            member: (name, index)
            for name, expanded in state.parameter_expansion.items()
            for index, member in enumerate(expanded)
        }
        constant: list[Any] = []
        given: list[tuple[int, str, _Convert | None]] = []
        lists: list[tuple[int, str, int, _Convert | None]] = []
        for place, name in enumerate(state.positiontup or ()):
            owner, index = members.get(name, (name, None))
            bind = binds[owner]
            convert = bind.type.dialect_impl(compiled.dialect).bind_processor(compiled.dialect)
            value = None if bind.required else state.parameters[name]
            constant.append(value if convert is None else convert(value))
            if bind.required and index is None:
                given.append((place, bind.key, convert))
            elif bind.required and index is not None:
                lists.append((place, bind.key, index, convert))
        self.text = state.statement
        self._constant, self._given, self._lists = constant, given, lists

    def values(self, parameters: Parameters) -> Sequence[Any]:
        """What the driver takes, in the order of the text."""
        values = self._constant.copy()
        for place, name, convert in self._given:
            value = parameters[name]
            values[place] = value if convert is None else convert(value)
        for place, name, index, convert in self._lists:
            members = parameters[name]
            # One that is asked for twice is found once.
            member = members[index] if index < len(members) else members[-1]
            values[place] = member if convert is None else convert(member)
        return values


def _padded(length: int) -> int:
    """The next power of two: a list has few forms, each of which SQLite prepares anew."""
    return 1 << (length - 1).bit_length() if length else 0
