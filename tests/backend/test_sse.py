"""Server-sent events are read as httpx2 reads them, wherever the body was cut on its way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import httpx2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.backend.sse import MAX_EVENT, Decoder, Event
from bot.errors import StreamCut

WORDS = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12)
LINES = st.one_of(
    st.sampled_from(
        ["", "data", "data:", "data:  two", "event: error", "event", ": ping", "id: 7", "retry: 5", "dat: a"]
    ),
    WORDS.map(lambda words: f"data: {words}"),
    WORDS.map(lambda words: f"event:{words}"),
    WORDS,
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def as_library(body: bytes) -> list[Event]:
    """What httpx2 makes of a body, without what has no data."""
    response = httpx2.Response(
        200,
        headers={"content-type": "text/event-stream; charset=utf-8"},
        content=body,
        request=httpx2.Request("POST", "http://model"),
    )
    return [Event(e.data, e.event.removeprefix("message")) for e in httpx2.EventSource(response) if e.data]


def as_cut(body: bytes, cuts: Sequence[int]) -> list[Event]:
    decoder = Decoder()
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    events = [event for start, end in pairwise(edges) for event in decoder.feed(body[start:end])]
    return [event for event in [*events, *decoder.end()] if event.data]


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, ENDS), max_size=30), st.lists(st.integers(0, 1_000), max_size=12))
def test_a_body_is_read_as_by_the_library_wherever_it_is_cut(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    body = "".join(line + end for line, end in lines).encode()
    # Where a carriage return ends the last line of the body, httpx2 takes the line that is not there for an empty one.
    assume(not (body.endswith(b"\r") and body[:-1].splitlines()[-1:] > [b""]))
    assert as_cut(body, cuts) == as_library(body)


def test_all_that_ends_in_a_piece_comes_at_once() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: 1\n\nevent: error\ndata: 2\ndata: 3\n\ndata: 4\n") == [
        Event("1"),
        Event("2\n3", "error"),
    ]
    assert decoder.feed(b"\n") == [Event("4")]


def test_a_mark_of_the_byte_order_is_not_part_of_the_first_line() -> None:
    assert Decoder().feed("\ufeffdata: 1\n\n".encode()) == [Event("1")]


@pytest.mark.parametrize("endless", [b"data: " + b"a" * 65_536, b"data: " + b"a" * 65_536 + b"\n", b"data:\n" * 11_000])
def test_an_event_without_an_end_is_given_up(endless: bytes) -> None:
    decoder = Decoder()
    with pytest.raises(StreamCut):
        for _ in range(MAX_EVENT // 50_000 + 2):
            decoder.feed(endless)
