"""Markdown to test with: the CommonMark specification's examples where they are, a small set of our own always.

Also what both renderers are measured by: the letters and digits a reader of the HTML would see.
"""

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import strategies as st

_ROOT = Path(__file__).parents[2]
_COMMONMARK = _ROOT.parent / "shared" / "data" / "commonmark" / "examples.json"
_OWN = _ROOT / "tests" / "data" / "markdown.json"


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    markdown: str
    html: str


def _load(path: Path) -> list[Example]:
    rows = json.loads(path.read_text("utf-8")) if path.exists() else []
    return [Example(f"{path.stem}-{n}-{row['section']}", row["markdown"], row["html"]) for n, row in enumerate(rows)]


OWN = _load(_OWN)
COMMONMARK = _load(_COMMONMARK)
EXAMPLES = [*OWN, *COMMONMARK]


class _Visible(HTMLParser):
    """Collects the text of a page, with the numbers of its lists and the alternative texts of its pictures."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._numbers: list[int | None] = []
        self._at_item_start = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "ol":
            self._numbers.append(int(given.get("start") or 1))
        elif tag == "ul":
            self._numbers.append(None)
        elif tag == "li":
            self._at_item_start = True
            if self._numbers and (number := self._numbers[-1]) is not None:
                self.text += f"{number}"
                self._numbers[-1] = number + 1
        elif tag == "img":
            self.text += given.get("alt") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in {"ol", "ul"} and self._numbers:
            self._numbers.pop()

    def handle_data(self, data: str) -> None:
        if self._at_item_start and data.strip():
            self._at_item_start = False
            data = data.removeprefix("[ ] ").removeprefix("[x] ")
        self.text += data


def letters(text: str) -> str:
    """Return the letters and digits alone; the percent escapes of addresses are left out, as they may be added."""
    return "".join(character for character in re.sub("%[0-9A-Fa-f]{2}", "", text) if character.isalnum())


def visible(html: str) -> str:
    """Return the letters and digits that a reader of the page sees."""
    page = _Visible()
    page.feed(html)
    page.close()
    return letters(page.text)


def is_within(wanted: str, text: str) -> bool:
    """Tell whether the characters of `wanted` all come in `text`, in their order."""
    rest = iter(text)
    return all(character in rest for character in wanted)


_WORD = st.text(st.characters(codec="utf-8", categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=8)
_INLINE = st.one_of(
    _WORD,
    _WORD,
    st.sampled_from(
        [
            "**bold words here**",
            "*it*",
            "`code span with spaces`",
            "[a label](https://example.com/some/path_x?y=1&z=2)",
            "https://example.org/a_b_c",
            "![alt](https://example.com/i.png)",
            "end.",
            "What?",
            "~~gone~~",
            "@channel",
            "<!here>",
            "&",
            "a < b",
            "$x_1$",
            "👩‍👩‍👧",
            "e\u0301",
        ]
    ),
)
PARAGRAPH = st.lists(_INLINE, min_size=1, max_size=25).map(" ".join)
_LINES = st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=30), max_size=12)


def _fence(lines: list[str], mark: str, indent: str) -> str:
    inside = [line.replace("`", "'").replace("~", "-") for line in lines]
    return "\n".join(indent + line for line in [f"{mark}python", *inside, mark])


def _list(items: list[str], numbered: bool) -> str:
    return "\n".join(f"{number}. {item}" if numbered else f"- {item}" for number, item in enumerate(items, 1))


_BLOCK = st.one_of(
    PARAGRAPH,
    st.builds(lambda text, level: f"{'#' * level} {text}", _WORD, st.integers(1, 6)),
    st.builds(_list, st.lists(PARAGRAPH, min_size=1, max_size=5), st.booleans()),
    st.builds(_fence, _LINES, st.sampled_from(["```", "~~~", "````"]), st.just("")),
    st.builds(
        lambda item, code: f"- {item}\n\n{code}", _WORD, st.builds(_fence, _LINES, st.just("```"), st.just("  "))
    ),
    st.builds(
        lambda rows: "| a | b |\n|---|---|\n" + "\n".join(f"| {x} | {y} |" for x, y in rows),
        st.lists(st.tuples(_WORD, _WORD), min_size=1, max_size=8),
    ),
    PARAGRAPH.map(lambda text: f"> {text}\n> {text}"),
    st.sampled_from(["---", "- a\n  - b\n    - c", "<div>x</div>", "$$\nE = mc^2\n$$"]),
    st.sampled_from([example.markdown for example in EXAMPLES]),
)
MARKDOWN = st.lists(_BLOCK, min_size=1, max_size=8).map("\n\n".join)
"""Markdown as models write it, and some as they do not."""
