"""What rendering costs against plain parsing, in one run: seconds say more of the machine than of the renderer."""

import itertools
import time
from collections.abc import Callable

from markdown_it import MarkdownIt

MOST = 5.0
"""Times what markdown-it-py takes to write the same text as HTML; the renderers take 1.3 to 1.9 of it."""

_PLAIN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_NUMBERS = itertools.count()


def against_plain_parsing(render: Callable[[str], object], text: str) -> float:
    """How many times the processor time of the library's own rendering `render` takes, which may remember what it saw.

    The least of a few tries, taken in turn: what else the machine does only adds to it.
    """
    ours = plain = float("inf")
    for _ in range(5):
        ours = min(ours, _seconds(render, text))
        plain = min(plain, _seconds(_PLAIN.render, text))
    return ours / plain


def _seconds(render: Callable[[str], object], text: str) -> float:
    fresh = f"{next(_NUMBERS)} {text} {next(_NUMBERS)}"
    began = time.process_time()
    render(fresh)
    return time.process_time() - began
