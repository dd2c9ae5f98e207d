"""Commands as people type them, after `/parley` or after a `!`: taken apart, once for every platform. Pure."""

from __future__ import annotations

import re
import shlex

# The commands that a message can hold, as `!name`.
NAMES = (
    "help",
    "show",
    "set",
    "reset",
    "usage",
    "forget",
    "stop",
    "try",
    "mute",
    "unmute",
)
LEVELS = ("workspace", "channel", "thread")
_QUOTED = re.compile(r"""\s*(?:"([^"]*)"|“([^“”]*)”)\s*""")
_BANG = re.compile(r"!([a-z]+)(?=\s|$)\s*", re.IGNORECASE)


def split_command(text: str) -> tuple[str, tuple[str, ...]]:
    """The command's name, empty where nothing was typed, and its arguments.

    `set [workspace|channel|thread] NAME VALUE` has three arguments, the scope (empty where none was named) last; its
    value is one argument, verbatim, blanks and line breaks included. Double quotes around the whole of it go, as
    keyboards curl them; those within it stay. So has `reset`, without a value. What follows `try` is one argument.
    """
    words = text.split(maxsplit=1)
    if not words:
        return "", ()
    name, rest = words[0].lower(), words[1].strip() if len(words) > 1 else ""
    if name in ("set", "reset"):
        return name, _setting(rest, valued=name == "set")
    if name == "try":
        return name, (rest,) if rest else ()
    try:
        return name, tuple(shlex.split(rest))
    except ValueError:  # a quote that is never closed
        return name, tuple(rest.split())


def _setting(rest: str, *, valued: bool) -> tuple[str, ...]:
    words = rest.split(maxsplit=1)
    level = ""
    if words and words[0].lower() in LEVELS:
        level, rest = words[0].lower(), words[1] if len(words) > 1 else ""
        words = rest.split(maxsplit=1)
    if not words:
        return ()
    if not valued:
        return words[0], level
    value = words[1].strip() if len(words) > 1 else ""
    return (words[0], _unquoted(value), level) if value else (words[0],)


def in_message(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The command that a message to the bot holds, None where it holds none: `!set temperature 0.2`."""
    found = _BANG.match(text.lstrip())
    if found is None or found[1].lower() not in NAMES:
        return None
    return split_command(text.lstrip()[1:])


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return quoted[quoted.lastindex or 0] if quoted else value
