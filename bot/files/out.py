"""What an answer comes with as files: all of it where it is long, its big blocks of code, its tables as CSV. Pure.

A table comes as CSV where the question speaks of one (CSV, Excel, a spreadsheet), or where it is too long to be read in
a chat. A file under every small table would annoy more people than it helps.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.files.kinds import TEXT_EXTENSIONS
from bot.interactions import OutgoingFile
from bot.splitting import Fits, close_open, split

# An answer of more messages than these comes also as a file.
FEW_MESSAGES = 4
# A block of code of more lines or characters does too: more than two screens of a phone.
MOST_CODE_LINES = 60
MOST_CODE_CHARACTERS = 4_000
# And a table of more rows, its head aside.
MOST_TABLE_ROWS = 30
# So many files come with one answer.
MOST_FILES = 5

# Below the last message of an answer that goes on in its file.
GOES_ON = "There is more: the whole answer is in `{name}` below."

_REFERENCE_DIGITS = 8
_ASKS_FOR_TABLE = re.compile(
    r"\b(?:[ct]sv|excel|xlsx?|spread ?sheets?|google sheets?|tabellenkalkulation|tableur|hoja de c[aá]lculo)\b",
    re.IGNORECASE,
)
# By the first word after a fence, where that is not itself the extension.
_EXTENSIONS = {
    "bash": "sh", "batch": "bat", "c#": "cs", "c++": "cpp", "clojure": "clj", "console": "txt", "csharp": "cs",
    "docker": "dockerfile", "elixir": "ex", "erlang": "erl", "f#": "fs", "fsharp": "fs", "golang": "go",
    "haskell": "hs", "javascript": "js", "julia": "jl", "kotlin": "kt", "latex": "tex", "markdown": "md",
    "matlab": "m", "objc": "m",
    "objective-c": "m", "ocaml": "ml", "perl": "pl", "plaintext": "txt", "powershell": "ps1", "python": "py",
    "python3": "py", "ruby": "rb", "rust": "rs", "shell": "sh", "terraform": "tf", "text": "txt", "typescript": "ts",
    "visualbasic": "vb", "yaml": "yml", "zsh": "sh",
}  # fmt: skip
# What a spreadsheet takes for the beginning of a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[\d.,\s]*\d\s*%?")
_PARSER = MarkdownIt("commonmark").enable("table")
# No block of code is fenced without the first two, no table is one without the last.
_SIGNS = re.compile(r"```|~~~|\|")


def whole(said: str, key: str) -> OutgoingFile:
    """An answer as a file; `key` is its turn's."""
    return _file("answer", "md", key, said, "The whole answer, in Markdown")


def beside(said: str, asked: str, key: str) -> list[OutgoingFile]:
    """The big blocks of code and the tables of an answer to what was `asked`, as files."""
    if not _SIGNS.search(said):
        return []
    wants_table = _ASKS_FOR_TABLE.search(asked) is not None
    found: list[tuple[str, str, str, str]] = []
    tokens = _PARSER.parse(said)
    for index, token in enumerate(tokens):
        if token.type == "fence":
            extension = _extension(token.info)
            big = token.content.count("\n") > MOST_CODE_LINES or len(token.content) > MOST_CODE_CHARACTERS
            if extension in ("csv", "tsv") and (wants_table or big):
                found.append(("table", extension, token.content, "A table of the answer"))
            elif big:
                found.append(("code", extension, token.content, "A block of code of the answer"))
        elif token.type == "table_open":
            rows = list(_rows(tokens[index:]))
            if wants_table or len(rows) - 1 > MOST_TABLE_ROWS:
                found.append(("table", "csv", _as_csv(rows), "A table of the answer, as CSV"))
    return [
        _file(f"{stem}-{number}", extension, key, text, what)
        for number, (stem, extension, text, what) in enumerate(found[: MOST_FILES - 1], start=1)
    ]


def own_words(text: str) -> str:
    """A message without what it quotes or forwards, which stands in it as quotes in Markdown."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))


def own_name(name: str, key: str) -> str:
    """A file's name with its turn's reference in it, so that no other answer's file has it: it is found again by it."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem or name}-{key[:_REFERENCE_DIGITS]}{dot}{extension}" if dot else f"{name}-{key[:_REFERENCE_DIGITS]}"


def whole_name(key: str) -> str:
    """The name of the file that holds a whole answer."""
    return own_name("answer.md", key)


def at_most(parts: list[str], most: int | None, fits: Fits, name: str) -> list[str]:
    """A text's messages; where they are more than `most` the first ones, the last with a word that it goes on in the
    file `name`."""
    if most is None or len(parts) <= most:
        return parts
    *before, last = parts[:most]
    cut = split(last, lambda part: fits(_going_on(part, name)))
    return [*before, _going_on(cut[0] if cut else "", name)]


def _going_on(part: str, name: str) -> str:
    return f"{close_open(part)}\n\n_{GOES_ON.format(name=name)}_".lstrip()


def _file(stem: str, extension: str, key: str, text: str, description: str) -> OutgoingFile:
    media_type = {"md": "text/markdown", "csv": "text/csv"}.get(extension, "text/plain")
    # Spreadsheets know by the mark that it is UTF-8.
    encoding = "utf-8-sig" if extension in ("csv", "tsv") else "utf-8"
    ended = text if text.endswith("\n") else f"{text}\n"
    return OutgoingFile(
        own_name(f"{stem}.{extension}", key), media_type, ended.encode(encoding, "replace"), description
    )


def _extension(info: str) -> str:
    language = (info.split() or [""])[0].strip("{.}").lower()
    known = _EXTENSIONS.get(language, language)
    return known if known in TEXT_EXTENSIONS | {"csv", "tsv"} else "txt"


def _rows(tokens: Sequence[Token]) -> Iterator[list[str]]:
    """The rows of the table that begins here, the head first, each cell as the text that people see."""
    row: list[str] = []
    for token in tokens:
        match token.type:
            case "tr_open":
                row = []
            case "inline":
                row.append(_plain(token))
            case "tr_close":
                yield row
            case "table_close":
                return


def _plain(cell: Token) -> str:
    return " ".join("".join(child.content for child in cell.children or ()).split())


def _as_csv(rows: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([[_harmless(cell) for cell in row] for row in rows])
    return written.getvalue()


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet runs: what the model writes may come from anybody."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell
