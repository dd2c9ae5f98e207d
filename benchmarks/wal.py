"""Counting write transactions from outside: a look into SQLite's write-ahead log, which costs the bot nothing."""

from __future__ import annotations

import struct
from pathlib import Path

# https://sqlite.org/fileformat2.html#the_write_ahead_log
_HEADER, _FRAME_HEADER = 32, 24
_PAGE_SIZE_AT, _SALTS_AT = 8, 16


def write_transactions(database: Path) -> int:
    """How many transactions that changed something the log of `database` holds now.

    The log begins anew once in a while (after 1,000 pages, unless set otherwise), and the count with it: compare two
    of them only a few transactions apart.
    """
    file = database.with_name(f"{database.name}-wal")
    log = file.read_bytes() if file.exists() else b""
    if len(log) < _HEADER:
        return 0
    page_size = struct.unpack_from(">I", log, _PAGE_SIZE_AT)[0]
    salts = log[_SALTS_AT : _SALTS_AT + 8]
    commits = 0
    for at in range(_HEADER, len(log) - _FRAME_HEADER - page_size + 1, _FRAME_HEADER + page_size):
        # A frame names the database's size only where it ends a transaction; one of an earlier log has other salts.
        _page, size_after_commit, own_salts = struct.unpack_from(">II8s", log, at)
        if own_salts != salts:
            break
        commits += size_after_commit != 0
    return commits
