"""Code as clients colour it."""

import html

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]


def coloured(content: str, language: str) -> str:
    """The code as HTML, its words in classes where the language is known."""
    if not language:
        return html.escape(content)
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return html.escape(content)
    return str(highlight(content, lexer, HtmlFormatter(nowrap=True))).removesuffix("\n")


def styles(scope: str, *, dark: bool) -> str:
    """The colours of the classes below a CSS selector."""
    rules = str(HtmlFormatter(style="github-dark" if dark else "default").get_style_defs(scope))
    return "\n".join(line for line in rules.split("\n") if line.startswith(f"{scope} .") and ".err " not in line)
