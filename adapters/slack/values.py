"""Single values of what Slack sends, whatever they turn out to be: none makes these raise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TS = re.compile(r"[0-9]{1,10}\.[0-9]{1,9}")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def order_of(ts: str) -> Decimal:
    """A message's id as a number to compare by; 0 where it is none."""
    return Decimal(ts) if _TS.fullmatch(ts) else Decimal(0)


def unescape(text: str) -> str:
    """Undo Slack's escaping of `& < >`."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def clean(value: object) -> str:
    """A string any database takes: no NUL, no half of a surrogate pair; "" for what is no string."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def fields(value: object) -> Mapping[str, Any]:
    """An object's fields; none of what is no object."""
    return value if isinstance(value, dict) else {}


def identifier(value: object) -> str | None:
    """An id of Slack's."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def timestamp(value: object) -> str | None:
    """The id of a message, which is its time."""
    return value if isinstance(value, str) and _TS.fullmatch(value) else None
