"""The store: one database, its families of queries side by side."""

from __future__ import annotations

from dataclasses import dataclass

from storage.answers import Answers
from storage.budgets import Budgets
from storage.controls import Controls
from storage.cursors import Cursors
from storage.database import Database
from storage.files import Files
from storage.history import History
from storage.inbox import Inbox
from storage.liveness import SignOfLife
from storage.marks import Marks
from storage.memory import Memory
from storage.overheard import Overheard
from storage.ratings import Ratings
from storage.retention import Retention
from storage.revisions import Revisions
from storage.summaries import Summaries
from storage.turns import Turns
from storage.usage import Usage


@dataclass(frozen=True, slots=True)
class Store:
    """Everything the program keeps."""

    database: Database
    inbox: Inbox
    turns: Turns
    history: History
    controls: Controls
    cursors: Cursors
    marks: Marks
    memory: Memory
    retention: Retention
    usage: Usage
    budgets: Budgets
    revisions: Revisions
    answers: Answers
    ratings: Ratings
    files: Files
    overheard: Overheard
    summaries: Summaries

    @classmethod
    async def open(cls, url: str) -> Store:
        """Open the database at `url`, brought up to date. Raises `DatabaseUnusable`."""
        database = await Database.open(url)
        return cls(
            database,
            Inbox(database),
            Turns(database),
            History(database),
            Controls(database),
            Cursors(database),
            Marks(database),
            Memory(database),
            Retention(database),
            Usage(database),
            Budgets(database),
            Revisions(database),
            Answers(database),
            Ratings(database),
            Files(database),
            Overheard(database),
            Summaries(database),
        )

    def begin_work(self) -> SignOfLife:
        """Be a worker on this database from now on, until `SignOfLife.end`."""
        return SignOfLife.begin(self.database.path)

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()
