"""What a sound JSON value becomes on its way through a hostile world, as hypothesis strategies.

Texts are real talk and real Markdown where they stand beside the project, a few of our own always, with what a text may
hold at worst. Each may carry `MARK`, which must be found in no log.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.text.examples import EXAMPLES

Path_ = tuple[Any, ...]

MARK = "<zebra quill 7f3a>"
"""Part of what people and models say here: no word of it may be logged. No identifier looks like it."""

MARKED = "zebra quill"
"""The part of `MARK` that survives any translation."""

LONGEST = 100_000
_IRC = Path(__file__).resolve().parents[3] / "shared" / "data" / "irc"
_SAID = re.compile(r"\S+ \S+ \[[\d:]+\] <[^>]+> (.*)")

OWN = [
    "what is 2+2?",
    "I'd bother scanning /proc/*/{cwd,exe,root,maps,fd} for it, but it's slow :)",
    "charge = Stripe::Charge.create(:amount => 400) # gives me `nil`?",
    "hey, anyone here? https://example.com/a_b?c=d&e=(f)",
]
ODD = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "tail \ud83d",
    "\u202eright to left\u202c",
    "مرحبا <@U0BOT> שלום",
    "\u200b\u200c\u200d\ufeff\u2060",
    "Z\u0351\u036b\u0343a\u0363\u035c\u0322l\u034c\u033dg\u0315\u0358o\u0321",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "\x1b[31mred\x1b[0m",
    "\ue000\ue001\ufdd0\ufdd1\uffff",
    "`" * 7,
    "```\nnever closed",
    "<@",
    "<@U",
    "<!channel> <!here|x> <!subteam^S1|@all> <!date^1^x|y>",
    "<http://a|b> <mailto:a@b|c> <|> <> <<>>",
    "@everyone @here <@&1> <@!1> <#1> </x:1> <a:b:1>",
    "![[]](((",
    "| a | b |\n|---|---|\n| `|` |",
    "&lt;&amp;amp;&#0;&#xD800;",
    "\r\n\r\x85\u2028\u2029",
    "<html><head><title>502 Bad Gateway</title></head></html>",
]
RUNS = [
    " ",
    "\n",
    "a",
    "*",
    "`",
    "_",
    "[",
    "<",
    ">",
    "~",
    "\u0301",
    "\u200b",
    "> ",
    "- ",
    "| ",
    "<@U1> ",
    "[a](",
    "é",
    "👍",
]
IDS = [
    "0",
    "-1",
    "1",
    str(2**63),
    str(2**64 - 1),
    str(2**64),
    str(2**70),
    "9" * 4000,
    "C0STORM",
    "D0STORM",
    "U0BOT",
    "é",
]
TIMES: list[Any] = [
    *("0", "0.0", "1700000000", "1700000000.000100", "1.1", "-1.5", "9999999999.999999999", "99999999999.0"),
    *("1970-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "2024-02-30T00:00:00Z", "2024-01-01", "24:61", "NaN", "1e309", "∞", "٣.٣"),
    *(0, 1, -1, 1700000000.0001, 2**31, 2**53, 2**63, 10**400, 1.7e308),
]
WRONG: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**70, -(2**70), 1.5, -0.0, float("inf"), float("nan"), "", " "),
    *([], {}, [None], [[]], {"": {}}, [{}], {"id": None}, {"type": []}, ["a", 1, None, {}]),
]


def _talk() -> list[str]:
    lines = (
        line for file in sorted(_IRC.glob("*.ascii.txt")) for line in file.read_text(errors="replace").splitlines()
    )
    return [match[1] for match in map(_SAID.match, lines) if match and match[1].strip()]


TALK = _talk()[::7]
_sayings = st.sampled_from(OWN) | st.sampled_from(ODD) | st.sampled_from([e.markdown for e in EXAMPLES] or OWN)
_plain = st.text(max_size=40) | _sayings | (st.sampled_from(TALK) if TALK else _sayings)
_long = st.builds(
    lambda run, size, ends: ends[0] + (run * (size // len(run) + 1))[:size] + ends[1],
    st.sampled_from(RUNS),
    st.sampled_from([300, 2_001, 4_001, 12_001, 40_001, LONGEST]),
    st.tuples(st.sampled_from(["", "x", "```"]), st.sampled_from(["", "x", "*"])),
)
TEXTS = st.one_of(
    _plain,
    _plain.map(lambda text: f"{text} {MARK}"),
    _plain.map(lambda text: f"{MARK}{text}"),
    st.lists(_plain, max_size=5).map("\n\n".join),
    _long.map(lambda text: text + MARK),
)
"""Whatever somebody may say, or a model."""

JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(IDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Any JSON value."""

_values = st.one_of(
    st.sampled_from(WRONG).map(copy.deepcopy),
    st.sampled_from(IDS),
    st.sampled_from(TIMES),
    TEXTS,
    JUNK,
    st.integers(-(2**70), 2**70),
)


def nested(value: Any, depth: int) -> Any:
    """`value` inside so many containers."""
    for level in range(depth):
        value = [value] if level % 2 else {"elements": value}
    return value


def _places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return
    for key, held in inner:
        yield (*at, key)
        yield from _places(held, (*at, key))


@st.composite
def spoiled(draw: st.DrawFn, shapes: st.SearchStrategy[Any], most: int = 4) -> Any:
    """A sound value with up to `most` of its fields dropped, retyped, doubled, buried, or given another text or id."""
    shape = copy.deepcopy(draw(shapes))
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(shape))
        if not places:
            return draw(_values)
        *way, last = draw(st.sampled_from(places))
        holder = shape
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(["value", "value", "value", "drop", "bury", "double", "stringify", "extra"])):
            case "value":
                holder[last] = draw(_values)
            case "drop":
                del holder[last]
            case "bury":
                holder[last] = nested(holder[last], draw(st.sampled_from([1, 2, 40, 400])))
            case "double":
                holder[last] = [holder[last]] * draw(st.sampled_from([2, 3, 120]))
            case "stringify":
                holder[last] = str(holder[last])
            case _ if isinstance(holder, dict):
                holder[draw(st.text(max_size=6) | st.sampled_from(["type", "id", "text", "user", "channel"]))] = draw(
                    _values
                )
            case _:
                holder.append(draw(_values))
    return shape


def _encodable(text: str) -> str:
    """A websocket's text frame is UTF-8: halves of surrogate pairs travel in JSON's escapes alone."""
    return text.encode("utf8", "replace").decode()


@st.composite
def garbled(draw: st.DrawFn, written: st.SearchStrategy[str]) -> str:
    """A text that was to be JSON: cut, with something put in, or never JSON at all."""
    text = _encodable(draw(written))
    match draw(st.sampled_from(["whole", "cut", "inserted", "junk", "deep", "number"])):
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "inserted":
            at = draw(st.integers(0, len(text)))
            return text[:at] + draw(st.text(max_size=5).map(_encodable)) + text[at:]
        case "junk":
            return draw(TEXTS.map(_encodable))
        case "deep":
            return draw(st.sampled_from(["[", '{"a":', '{"op":0,"d":['])) * 100_000
        case "number":
            return "9" * draw(st.sampled_from([10, 5_000]))
        case _:
            return text
