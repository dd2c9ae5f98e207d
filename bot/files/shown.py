"""What came with a message, as the model reads it below the words. Pure, and the same at every turn."""

from __future__ import annotations

import re

from bot.files.kinds import extension
from bot.files.left_out import LeftOut, named, note
from bot.messages import FileText
from storage.records import StoredMessage

_TICKS = re.compile(r"`{3,}")


def below(message: StoredMessage) -> str:
    """The lines that follow a message's words: each attachment's name, and what was read of it."""
    if not message.attachments:
        return ""
    listed = "".join(f"\n[attached: {named(a.name)}, {a.media_type}]" for a in message.attachments)
    return listed + "".join(map(_read, message.files or ()))


def _read(file: FileText) -> str:
    if file.left_out:
        return f"\n{note(LeftOut(file.name, file.left_out))}"
    if not file.text:
        return ""
    how_much = f" ({file.cut})" if file.cut else ""
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in _TICKS.findall(file.text))])
    return f"\nThe file {named(file.name)}{how_much}:\n{fence}{extension(file.name)}\n{file.text}\n{fence}"
