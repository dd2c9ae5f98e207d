"""What an answer says so far: fed as the model speaks, read by whoever shows it."""

from __future__ import annotations

import asyncio
import time

from bot.resuming import resumed


class Words:
    """The words of one answer while they grow.

    `preface` stands before whatever is said until the answer is complete. `opener`: the line that opens the block of
    code in which it goes on. `standing`: the words that stood in its messages before the model said any.
    """

    def __init__(self, preface: str = "", opener: str = "", standing: str = "") -> None:
        self.preface = preface
        self.standing = standing
        self.text = ""
        """What the model has said so far; once complete, the whole answer."""
        self.notice = ""
        """A sentence as long as there is no text: why nothing comes yet."""
        self.begun_at = 0.0
        """When the model said its first word, in monotonic seconds; 0 before."""
        self.changed = asyncio.Event()
        self.completed = asyncio.Event()
        self._opener = opener
        self._said = ""

    @property
    def latest(self) -> str:
        """What the model has said, or what stood before it said a word."""
        return self.text or self.standing

    @property
    def are_complete(self) -> bool:
        """Whether this is the whole answer."""
        return self.completed.is_set()

    def feed(self, piece: str) -> None:
        """Add what the model just said."""
        if not self.text:
            self.begun_at = time.monotonic()
        self._said += piece
        self.text = resumed(self._opener, self._said) if self._opener else self._said
        self.changed.set()

    def restart(self) -> None:
        """Take back all that was said: the model begins anew. What is shown stays until there is something better."""
        self.text = self._said = ""

    def say_meanwhile(self, notice: str) -> None:
        """Show a sentence as long as there is no text, below what stands."""
        self.notice = notice
        self.changed.set()

    def complete(self, text: str) -> None:
        """This is the whole answer, preface and all."""
        self.text, self.preface = text, ""
        self.completed.set()
        self.changed.set()
