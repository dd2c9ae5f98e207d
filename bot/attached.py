"""Commands that work on the database alone, beside a running worker or without one: no token, no platform.

What is found goes to standard output, what is said about it to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from bot import environment
from bot.errors import DatabaseUnusable, Problem, StorageFailed
from bot.turn_view import harmless
from storage.database import Database

EXIT_DONE = 0
EXIT_NOTHING_DONE = 1
EXIT_BAD_SETUP = 2
# Where any of these can't be read, nobody knows which database is meant.
_SAYS_WHICH_DATABASE = frozenset({".ENV", "PARLEY_SECRETS_DIR", "DATABASE_URL"})

Work = Callable[[Database], Awaitable[int]]


async def on_database(work: Work) -> int:
    """Do `work` on the database that the settings name; returns the exit code."""
    settings, problems = environment.read()
    in_the_way = [problem for problem in problems if problem.variable.upper() in _SAYS_WHICH_DATABASE]
    if in_the_way:
        return _bad_setup(in_the_way)
    try:
        database = await Database.attach(settings.database_url)
    except DatabaseUnusable as unusable:
        return _bad_setup(unusable.problems)
    try:
        return await work(database)
    except StorageFailed as failure:
        note(f"The database does not take that now: {failure}. What is not listed as done is as it was; try again.")
        return EXIT_NOTHING_DONE
    finally:
        await database.close()


def note(text: str) -> None:
    """Say something about what is found, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(harmless(text)))


def say(*lines: str) -> None:
    """Give what was found, line by line, on standard output."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def say_json(*objects: dict[str, Any]) -> None:
    """The same for programs, an object to a line."""
    say(*map(json.dumps, objects))


def _bad_setup(problems: Sequence[Problem]) -> int:
    for problem in problems:
        note(f"✗ {problem.variable}: {problem.wrong}" + (f"\n    {problem.cure}" if problem.cure else ""))
    return EXIT_BAD_SETUP
