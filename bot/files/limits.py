"""What the host lets be read of what people send: of the files and the pictures of a message together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.files.kinds import Unreadable, words_for
from bot.messages import Attachment

TOO_MANY = "more than {} files came with one message"
NOT_ALLOWED = "files of this kind are not read here"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What is read at most: bytes of a file, files of a message, characters of a file's text; None for all kinds."""

    bytes: int
    per_message: int
    characters: int
    types: frozenset[str] | None = None

    def why_not(self, files: Sequence[Attachment]) -> list[str]:
        """Why each of one message's files is not read, in their order; empty where it may be.

        What is of a kind that is not wanted takes no place from the others.
        """
        reasons, places = [], self.per_message
        for file in files:
            if not self._wants(file):
                reasons.append(NOT_ALLOWED)
            elif places:
                places -= 1
                reasons.append("")
            else:
                reasons.append(TOO_MANY.format(self.per_message))
        return reasons

    def _wants(self, file: Attachment) -> bool:
        """Whether a file is of a kind that is read; of one that can't be had, and of what nobody reads, it says more
        why that is so."""
        if self.types is None or file.missing:
            return True
        try:
            return not self.types.isdisjoint(words_for(file.name, file.media_type))
        except Unreadable:
            return True
