"""What came with the messages of a conversation, read once and kept with them: the same at every later turn.

Pictures are not read here but shown (`bot/pictures.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from bot.adapter import Adapter
from bot.capabilities import ReadsFiles
from bot.files.fetching import NOT_NOW, NotNow, fetched
from bot.files.kinds import PICTURES, Unreadable, actual, expected
from bot.files.limits import FileLimits
from bot.files.opener import Opener
from bot.messages import Address, Attachment, FileText
from storage.files import Files
from storage.records import StoredMessage

log = structlog.get_logger(__name__)

# So many of a conversation's newest messages are read at one turn: the bot may be called into a long thread.
MOST_MESSAGES = 8
# All of a turn's files together. An answer without one is better than one that comes too late.
READ_WITHIN_SECONDS = 60.0
# Of what the model may read of a conversation, for the files of one message together: less than half, so that they are
# still there when the history is cut to half.
SHARE = 0.4

TOO_FAR_BACK = "there are newer files in this conversation, and I read no more of them"
TOO_SLOW = "the files took too long to read"
FIRST_CHARACTERS = "only its first {:,} characters"


@dataclass(frozen=True, slots=True)
class Tokens:
    """How much of the model's history there is, and how a text is counted and cut."""

    history: int
    count: Callable[[str], int]
    truncate: Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads files. Holds what all conversations share for it."""

    files: Files
    opener: Opener
    limits: FileLimits

    async def read(
        self, adapter: Adapter, address: Address, history: Sequence[StoredMessage], tokens: Tokens
    ) -> list[StoredMessage]:
        """The same messages, with what is read of their files. Raises `StorageFailed` alone.

        What the platform does not give just now is asked for again at the next turn.
        """
        if not isinstance(adapter, ReadsFiles):
            return list(history)
        unread = [m for m in history if m.files is None and m.attachments and m.role == "user"]
        far_back, near = unread[:-MOST_MESSAGES], unread[-MOST_MESSAGES:]
        found = {message.id: tuple(map(_too_far_back, message.attachments)) for message in far_back}
        tasks = {m.id: asyncio.create_task(self._of_message(adapter, address, m, tokens)) for m in near}
        try:
            if tasks:
                await asyncio.wait(tasks.values(), timeout=READ_WITHIN_SECONDS)
        finally:
            late = [task for task in tasks.values() if not task.done()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for message in near:
            task = tasks[message.id]
            found[message.id] = tuple(map(_too_slow, message.attachments)) if task.cancelled() else task.result()
        for message in unread:
            if not any(text.left_out == NOT_NOW for text in found[message.id]):
                await self.files.keep_texts(message.id, message.attachments, found[message.id])
        if unread:
            log.info("files_read", messages=len(unread), late=len(late))
        return [message._replace(files=found.get(message.id, message.files)) for message in history]

    async def _of_message(
        self, adapter: ReadsFiles, address: Address, message: StoredMessage, tokens: Tokens
    ) -> tuple[FileText, ...]:
        files = list(zip(message.attachments, self.limits.why_not(message.attachments), strict=True))
        wanted = [file for file, why_not in files if file.media_type not in PICTURES and not why_not]
        read = await asyncio.gather(*(self._read(adapter, address, message, file) for file in wanted))
        fitting = iter(_within(read, tokens))
        return tuple(
            FileText(file.name)
            if file.media_type in PICTURES
            else FileText(file.name, left_out=why_not)
            if why_not
            else next(fitting)
            for file, why_not in files
        )

    async def _read(self, adapter: ReadsFiles, address: Address, message: StoredMessage, file: Attachment) -> FileText:
        limits = self.limits
        try:
            expected(file.name, file.media_type)  # what is never read is not fetched
            data = await fetched(adapter, address, message, file, limits.bytes)
            kind = actual(file.name, file.media_type, data)
            opened = await self.opener.text(kind, data, limits.characters, sender=message.author_id)
        except NotNow:
            return FileText(file.name, left_out=NOT_NOW)
        except Unreadable as why:
            log.info("file_left_out", why=str(why))
            return FileText(file.name, left_out=str(why))
        return FileText(file.name, opened.text, cut=FIRST_CHARACTERS.format(len(opened.text)) if opened.cut else "")


def _within(read: Sequence[FileText], tokens: Tokens) -> list[FileText]:
    """The texts of one message, each cut to its share of the room: what one does not need, the next ones have."""
    room = int(tokens.history * SHARE)
    fitting = []
    for number, file in enumerate(read):
        share = room // (len(read) - number)
        size = tokens.count(file.text)
        if size > share:
            text = tokens.truncate(file.text, share)
            file = replace(file, text=text, cut=FIRST_CHARACTERS.format(len(text)))  # noqa: PLW2901
            size = share
        room -= size
        fitting.append(file)
    return fitting


def _too_far_back(file: Attachment) -> FileText:
    return FileText(file.name, left_out="" if file.media_type in PICTURES else TOO_FAR_BACK)


def _too_slow(file: Attachment) -> FileText:
    return FileText(file.name, left_out="" if file.media_type in PICTURES else TOO_SLOW)
