"""Bodies of messages: a nonce that is the same anywhere, and pings only for whom the reply names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.outgoing import changed_message, is_older_state, new_message, nonce, private_message
from bot.messages import PartKey, Reply

KEY = PartKey("discord:1:2:3", 1)


def test_a_new_message_carries_all_that_closes_it() -> None:
    assert new_message(Reply("hello"), KEY, "7") == {
        "content": "hello",
        "allowed_mentions": {"parse": [], "replied_user": False, "users": []},
        "flags": 4,
        "nonce": nonce(KEY),
        "enforce_nonce": True,
        "message_reference": {"message_id": "7", "fail_if_not_exists": False},
    }
    assert "message_reference" not in new_message(Reply("hello"), KEY, None)


def test_a_nonce_is_the_same_in_every_process() -> None:
    assert nonce(KEY) == "K6JBC7A3PXAATXU6RRVKVSWV"


@given(st.text(), st.integers(0, 10**9), st.text(), st.integers(0, 10**9))
def test_nonces_fit_and_differ_as_their_keys_do(turn: str, number: int, other: str, other_number: int) -> None:
    one, two = nonce(PartKey(turn, number)), nonce(PartKey(other, other_number))
    assert len(one) <= 25
    assert (one == two) == ((turn, number) == (other, other_number))


def test_only_people_the_reply_names_may_be_pinged() -> None:
    body = changed_message(Reply("@Ada, ask <@9>", {"Ada": "8", "Bob": "10"}))
    assert "<@8>" in body["content"]
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False, "users": ["8"]}


def test_a_private_message_is_for_one_pair_of_eyes_and_pings_nobody() -> None:
    body = private_message("hello")
    assert body["flags"] & 64
    assert body["allowed_mentions"]["parse"] == []


@pytest.mark.parametrize(
    ("returned", "older"),
    [
        ({"content": "hello"}, False),
        ({"content": " hello\n"}, False),
        ({"content": "hell"}, True),
        ({"content": None}, True),
        ({}, False),
        ("hello", False),
    ],
)
def test_an_older_state_is_told_by_its_text(returned: Any, older: bool) -> None:
    assert is_older_state(returned, {"content": "hello "}) is older
