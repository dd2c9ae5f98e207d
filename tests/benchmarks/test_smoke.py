"""What an answer may take, in counts: they do not depend on the machine, so growth is seen where a time would blur.

The figures are what was measured. Whoever makes an answer take less lowers them here.
"""

import hashlib
from pathlib import Path

import pytest

from benchmarks.counts import COMMITTED, Taken, hashing, measure, tokenizing
from benchmarks.places import Platform
from benchmarks.stands import stand
from bot.backend import tokens

# The three transactions, each a commit: stored with its turn, which is claimed at once, and with what is taken along
# from the channel, and read; a part intended; the part confirmed and the turn ended with answer and usage. Slack tells
# of a mention twice: the second event takes none.
# One of the statements keeps what the model said, in the transaction that writes a message down before it is sent.
# The platform was asked for a channel's last messages once, by the first answer.
# The request's size moves by some bytes with the name of the day and the month in it. Of its texts those are counted
# that were not counted lately; the bytes hashed are the turn's key and, on Discord, the nonce.
MOST: dict[tuple[Platform, int], Taken] = {
    ("slack", 0): Taken(1, 1, 830, commits=3, transactions=3, statements=17, characters_counted=70, bytes_hashed=45),
    ("discord", 0): Taken(1, 1, 830, commits=3, transactions=3, statements=17, characters_counted=70, bytes_hashed=89),
    ("slack", 5): Taken(1, 1, 1_420, commits=3, transactions=3, statements=19, characters_counted=160, bytes_hashed=45),
    ("discord", 5): Taken(
        1, 1, 2_270, commits=3, transactions=3, statements=20, characters_counted=540, bytes_hashed=89
    ),
}


@pytest.mark.parametrize(("platform", "around"), MOST)
async def test_an_answer_takes_no_more_calls_round_trips_and_bytes_than_it_did(
    platform: Platform, around: int, tmp_path: Path
) -> None:
    tokens.forget()
    async with stand(platform) as scene:
        taken = await measure(scene, tmp_path / "parley.db", around)
    most = MOST[platform, around]
    assert (taken.platform_calls, taken.model_calls) == (most.platform_calls, most.model_calls)
    assert 0 < taken.model_bytes <= most.model_bytes
    # What else is written meanwhile, once in a while, is no answer's.
    assert 0 < taken.commits <= most.commits + 1 / COMMITTED
    assert 0 < taken.transactions <= most.transactions
    assert 0 < taken.statements <= most.statements
    assert 0 < taken.characters_counted <= most.characters_counted
    assert 0 < taken.bytes_hashed <= most.bytes_hashed


def test_whatever_is_asked_of_the_tokenizer_counts_with_its_length() -> None:
    tokens.forget()
    with tokenizing() as seen:
        tokens.count("hello", "gpt-5.4-mini")
        tokens.count("hello", "gpt-5.4-mini")
        tokens.truncate("hello", 10, "gpt-5.4-mini")
    tokens.count("hello you", "gpt-5.4-mini")
    assert seen == {"characters": 10, "calls": 2}


def test_what_is_hashed_counts_and_comes_to_the_same_digest() -> None:
    plain = hashlib.sha256(b"abcdef").hexdigest()
    with hashing() as seen:
        digest = hashlib.sha256(b"abc")
        digest.update(b"def")
        assert digest.hexdigest() == plain
    hashlib.sha256(b"abc")
    assert seen == {"bytes": 6, "calls": 1}
