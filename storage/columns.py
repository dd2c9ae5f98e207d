"""The kinds of columns: how what comes from outside is stored, and what it is when it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator

from bot.messages import Attachment, FileText

# SQLite only counts rows up by itself in a column that is exactly INTEGER; elsewhere ids want 64 bits.
RowId = BigInteger().with_variant(Integer, "sqlite")

NO_FILES = "[]"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Name(TypeDecorator[str]):
    """A short text from outside: an id, a key, a name.

    What no database takes in text, NUL and halves of surrogate pairs, becomes U+FFFD, on its way in and in what is
    looked for alike: a malformed message is stored and found again like any other.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The value as it can be stored."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return _UNSTORABLE.sub("\ufffd", value)


class Words(Name):
    """A text from outside, of any length."""

    impl = Text
    cache_ok = True


class Files(TypeDecorator[tuple[Attachment, ...]]):
    """Attachments, as JSON."""

    impl = Words
    cache_ok = True

    def process_bind_param(self, value: Sequence[Attachment] | None, dialect: Dialect) -> str:
        """The list as JSON."""
        return json.dumps([_fields(attachment) for attachment in value], ensure_ascii=False) if value else NO_FILES

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Attachment, ...]:
        """The list as it was stored."""
        # Nearly every message is without, and a long conversation has thousands.
        if value is None or value == NO_FILES:
            return ()
        return tuple(Attachment(**fields) for fields in json.loads(value))


def _fields(attachment: Attachment) -> dict[str, object]:
    """An attachment as it is stored. Nearly every one has an address, and no word why it had none."""
    unsaid = {name for name in ("missing", "id") if not getattr(attachment, name)}
    return {name: value for name, value in asdict(attachment).items() if name not in unsaid}


class FileTexts(TypeDecorator[tuple[FileText, ...]]):
    """What was read of a message's attachments, as JSON; null where nobody has looked yet."""

    impl = Words
    cache_ok = True

    def process_bind_param(self, value: Sequence[FileText] | None, dialect: Dialect) -> str | None:
        """The list as JSON."""
        return None if value is None else json.dumps([asdict(each) for each in value], ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[FileText, ...] | None:
        """The list as it was stored."""
        return None if value is None else tuple(FileText(**fields) for fields in json.loads(value))
