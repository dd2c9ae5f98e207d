"""Characters that a server tears apart between two chunks come whole, and a half that stays alone harms nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.backend.surrogates import Mender, loads
from tests.backend.asking import ask, backend
from tests.backend.imitator import Plain, Stream, delta, imitating

HIGH, LOW, LOST = "\ud83d", "\ude00", "\ufffd"


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((f"Done {HIGH}", f"{LOW}!"), "Done 😀!"),
        ((f"Done {HIGH}", "", LOW), "Done 😀"),
        ((f"Done {HIGH}", f"{LOW}{HIGH}", LOW), "Done 😀😀"),
        ((f"Done {HIGH}", "!"), f"Done {LOST}!"),
        ((f"Done {LOW}", f"{LOW}!"), f"Done {LOST}{LOST}!"),
        ((f"Done {HIGH}",), f"Done {LOST}"),
    ],
)
@pytest.mark.parametrize("apart", [0.0, 0.02])
async def test_halves_of_characters_are_put_together(pieces: tuple[str, ...], text: str, apart: float) -> None:
    events = [event for piece in pieces for event in (delta(piece), apart)]
    async with imitating(Stream((*events, delta(None, "stop")))) as server, backend(server.url) as asked:
        answer = await ask(asked)
    assert answer.text == text
    assert answer.finished.attempts == 1


async def test_halves_in_a_completion_that_is_not_streamed_harm_nothing() -> None:
    body = b'{"choices": [{"message": {"content": "\\ud83d\\ude00 \\ud83d"}, "finish_reason": "stop"}]}'
    answer = Plain(body, headers={"content-type": "application/json"})
    async with imitating(answer) as server, backend(server.url) as asked:
        assert (await ask(asked)).text == f"😀 {LOST}"


@given(st.text(), st.lists(st.integers(0, 40), max_size=8))
def test_a_text_cut_between_any_of_its_units_is_itself_again(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le")
    places = [0, *sorted(2 * cut for cut in cuts), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(places)]
    mender = Mender()
    assert "".join(mender.feed(piece) for piece in pieces) + mender.end() == text


@pytest.mark.parametrize("data", ['{"a": "\\ud83d"', '"\\ud83d" x', b"{", "[" * 100_000 + '"\\ud83d"', ""])
def test_what_is_no_json_is_refused_whatever_is_in_it(data: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        loads(data)
