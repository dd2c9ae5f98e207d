"""What kind of file something is: by its first bytes where they tell, else by its name and what the platform calls it.

Pure, and no file is opened here. Names and types come from people, so that what the bytes say goes first.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, get_args

Kind = Literal["text", "csv", "pdf", "docx", "xlsx"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# What a model takes as a picture: https://platform.openai.com/docs/guides/images-vision
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# What all of them are called together.
PICTURE_WORDS = frozenset({"image", "images"})

# Of what is not called text by its type though it is: extensions, and names without one.
_TEXT = """
    bash bat bib bzl c cc cfg clj cljs cmake cmd conf cpp cs css cu cxx dart diff dockerfile dotenv edn el elm env erl
    ex exs f90 fish fs gd go gql gradle graphql groovy h hcl hpp hrl hs htm html ics ini ino ipynb java jl js json json5
    jsonc jsonl jsx kt kts less lisp log lua m m3u make markdown md mdx mjs mk ml mli ndjson nim nix patch php pl plist
    pm po pro properties proto ps1 py pyi r rb rs rst rtf sass sbt scala scm scss sh sol sql srt svelte svg swift tcl
    tex tf tfvars toml ts tsx txt v vb vhdl vtt vue xhtml xml xsd xsl yaml yml zig zsh
"""
_NAMED = "dockerfile makefile rakefile gemfile procfile jenkinsfile license readme"
_TYPED = """
    ecmascript graphql javascript json ld+json sql toml typescript x-httpd-php x-javascript x-ndjson x-perl x-python
    x-ruby x-sh x-shellscript x-tex x-yaml xhtml+xml xml yaml
"""
_OLD = "doc dot xls xlt ppt pps"
_PACKED = "7z apk ar br bz2 cab deb dmg egg gz iso jar lz lz4 lzma pkg rar rpm tar tbz2 tgz txz war whl xz z zip zst"
TEXT_EXTENSIONS = frozenset(_TEXT.split())
TEXT_NAMES = frozenset(_NAMED.split())
TEXT_TYPES = frozenset(f"application/{name}" for name in _TYPED.split())
OFFICE: dict[str, Kind] = {
    "docx": "docx",
    "docm": "docx",
    "dotx": "docx",
    "xlsx": "xlsx",
    "xlsm": "xlsx",
    "xltx": "xlsx",
}
OLD_OFFICE = frozenset(_OLD.split())
ARCHIVES = frozenset(_PACKED.split())
RECORDINGS = ("audio/", "video/")

_ARCHIVE_SIGNS = (
    b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x1f\x9d",
)  # fmt: skip
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# Compound files: Office before 2007, and every newer document with a password.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BINARY_SIGNS = (
    b"\x7fELF",
    b"MZ",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"OggS",
    b"ID3",
    b"SQLite format 3\0",
)
# A PDF may have something before its mark: https://pypdf.readthedocs.io (its reader looks as far, as Acrobat does)
_PDF_WITHIN = 1_024
_TAR_SIGN, _TAR_AT = b"ustar", 257

ARCHIVE = "archives aren't opened"
UNREADABLE = "it is no kind of file that I can read"
RECORDING = "I can't listen to or watch recordings"
NO_PICTURE = "pictures of this kind can't be shown to the model"
OLD = "it is in an old Office format: save it as docx, xlsx or PDF"
PROTECTED = "it is protected by a password"
NOT_ITS_NAME = "it is damaged, or not what its name says"
EMPTY = "it is empty"
NO_TEXT = "there is no text in it"


class Unreadable(Exception):
    """A file that is not read; the text says why, in words for people."""


def extension(name: str) -> str:
    """The last extension of a name in small letters, without the dot; of a name like `Makefile` the name itself."""
    last = PurePosixPath(name.replace("\\", "/")).name.lower()
    stem, dot, found = last.rpartition(".")
    return found if dot and (stem or found in TEXT_EXTENSIONS) else (last if last in TEXT_NAMES else "")


def expected(name: str, media_type: str) -> Kind | None:
    """What a file is called to be; None where only its bytes can tell. Raises `Unreadable` of what is never read."""
    found, declared = extension(name), media_type.partition(";")[0].strip().lower()
    if found in OFFICE:
        return OFFICE[found]
    if found == "pdf" or declared == "application/pdf":
        return "pdf"
    if found in ("csv", "tsv") or declared in ("text/csv", "text/tab-separated-values"):
        return "csv"
    if found in TEXT_EXTENSIONS or found in TEXT_NAMES or declared in TEXT_TYPES:
        return "text"
    if found in ARCHIVES:
        raise Unreadable(ARCHIVE)
    if found in OLD_OFFICE:
        raise Unreadable(OLD)
    if declared.startswith(RECORDINGS):
        raise Unreadable(RECORDING)
    if declared.startswith("image/"):
        raise Unreadable(NO_PICTURE)
    return "text" if declared.startswith("text/") else None


def words_for(name: str, media_type: str) -> frozenset[str]:
    """What a host may call a file's kind by: its extension, `text`, `pdf` and the like, or of a picture `images`.

    Raises `Unreadable` of what is never read.
    """
    declared = media_type.partition(";")[0].strip().lower()
    if declared in PICTURES:
        kind = declared.partition("/")[2]
        return frozenset({extension(name), kind, *PICTURE_WORDS, *(("jpg",) if kind == "jpeg" else ())})
    return frozenset({extension(name), expected(name, media_type) or "text"})


def actual(name: str, media_type: str, data: bytes) -> Kind:
    """What a file is, by its first bytes and then by what it is called to be. Raises `Unreadable`."""
    named = expected(name, media_type)
    if not data:
        raise Unreadable(EMPTY)
    if data.startswith(_COMPOUND):
        raise Unreadable(PROTECTED if named in ("docx", "xlsx") else OLD)
    if data.startswith(_ZIP):
        if named in ("docx", "xlsx"):
            return named
        raise Unreadable(NOT_ITS_NAME if named else ARCHIVE)
    if b"%PDF-" in data[:_PDF_WITHIN] and named in ("pdf", None):
        return "pdf"
    if data.startswith(_ARCHIVE_SIGNS) or data[_TAR_AT : _TAR_AT + len(_TAR_SIGN)] == _TAR_SIGN:
        raise Unreadable(NOT_ITS_NAME if named else ARCHIVE)
    if named in ("pdf", "docx", "xlsx"):
        raise Unreadable(NOT_ITS_NAME)
    if data.startswith(_BINARY_SIGNS):
        raise Unreadable(NOT_ITS_NAME if named else UNREADABLE)
    return named or "text"
