"""Office documents are zip files of XML. What one would become is looked at before any of it is unpacked.

https://ecma-international.org/publications-and-standards/standards/ecma-376/ Part 2 forbids document type declarations
in the parts of a package: one with such a part is no document, and no entity is declared in what is read.
"""

from __future__ import annotations

import io
import zipfile

from bot.files.kinds import NOT_ITS_NAME, PROTECTED, Unreadable

MOST_PARTS = 5_000
# Bytes, unpacked: all parts together.
MOST_UNPACKED = 200 * 1024 * 1024
# As far as a declaration can stand behind a mark, an XML declaration and comments.
_PROLOG = 64 * 1024
BOMB = "it would unpack to more than I read"
_ENCRYPTED = 0x1


def checked(data: bytes) -> io.BytesIO:
    """The package, once it is seen to be harmless. Raises `Unreadable`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise Unreadable(BOMB)
            if any(part.flag_bits & _ENCRYPTED for part in parts):
                raise Unreadable(PROTECTED)
            for part in parts:
                # The sizes are what the file itself says. `zipfile` stops at them, whatever it is given.
                _check_prolog(package, part)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError):
        raise Unreadable(NOT_ITS_NAME) from None
    return io.BytesIO(data)


def _check_prolog(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    with package.open(part) as opened:
        start = opened.read(_PROLOG)
    # Without the zeros, UTF-16 reads like ASCII.
    if b"<!doctype" in start.replace(b"\0", b"").lower():
        raise Unreadable(NOT_ITS_NAME)
