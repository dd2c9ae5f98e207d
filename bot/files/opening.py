"""`python -m bot.files.opening`: opens one file that somebody sent, in a process of its own.

What it gets on standard input is a line of JSON, then the file's bytes; what it writes is a line of JSON. It bounds its
own memory and processor time before it looks at anything, and a decoder that crashes takes nothing else along.
The worker's side of it is `opener.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from bot.files import documents, sheets, texts
from bot.files.kinds import NO_TEXT, NOT_ITS_NAME, Unreadable

# Bytes of address space. A Python with these libraries takes about 300 MB of it, and 60 MB of memory.
MOST_MEMORY = 1024 * 1024 * 1024
# Files that are open at once: the libraries' own code, while it is loaded.
MOST_OPEN = 64
# Bytes of any file it might write, though it has no reason to.
MOST_WRITTEN = 4 * 1024 * 1024
TOO_MUCH = "it takes more time or memory to read than I give it"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a process made of a file: a text (`cut` where there is more of it), a picture, or `why` there is neither."""

    text: str = ""
    cut: bool = False
    url: str = ""
    tokens: int = 0
    why: str = ""


def text_of(kind: str, data: bytes, most: int) -> Opened:
    """The first `most` characters of a file's text. What is malformed further on leaves what is before it."""
    pieces: list[str] = []
    length = 0
    try:
        for piece in _pieces(kind, data, most):
            pieces.append(piece)
            length += len(piece)
            if length > most:
                break
    except Unreadable as unreadable:
        return Opened(why=str(unreadable))
    except (MemoryError, RecursionError):
        return Opened(why=TOO_MUCH)
    except Exception:  # noqa: BLE001 - a malformed file makes the libraries raise whatever they come upon
        if not length:
            return Opened(why=NOT_ITS_NAME)
    return shortened("".join(pieces), most)


def shortened(text: str, most: int) -> Opened:
    """A text within `most` characters, each of which can be stored and sent."""
    bare = text.replace("\0", "").encode("utf-8", "replace").decode().strip("\n")
    return Opened(bare[:most], cut=len(bare) > most) if bare.strip() else Opened(why=NO_TEXT)


def _pieces(kind: str, data: bytes, most: int) -> Iterator[str]:
    readers: dict[str, Callable[[bytes], Iterator[str]]] = {
        "pdf": documents.pdf,
        "docx": documents.docx,
        "xlsx": sheets.xlsx,
    }
    return readers[kind](data) if kind in readers else iter((texts.decoded(data, most),))


def picture_of(data: bytes) -> Opened:
    """A picture as the model sees it."""
    from bot.files.scaling import scaled  # noqa: PLC0415

    try:
        picture = scaled(data)
    except Unreadable as unreadable:
        return Opened(why=str(unreadable))
    except MemoryError:
        return Opened(why=TOO_MUCH)
    return Opened(url=picture.url, tokens=picture.tokens)


def bound(seconds: int) -> None:
    """Take no more memory, processor time, open files and disk than a file may."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    # macOS knows no limit of the address space that holds.
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_OPEN, MOST_OPEN))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, MOST_WRITTEN))


def main() -> None:
    """Open what standard input holds."""
    asked = json.loads(sys.stdin.buffer.readline())
    bound(asked["seconds"])
    data = sys.stdin.buffer.read()
    opened = picture_of(data) if asked["kind"] == "picture" else text_of(asked["kind"], data, asked["most"])
    sys.stdout.write(json.dumps(asdict(opened)))


if __name__ == "__main__":
    main()
