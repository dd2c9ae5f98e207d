"""A long thread keeps what was told at its beginning, and the provider reads little of it anew."""

import pytest

from benchmarks import long_thread


@pytest.mark.timeout(280)
async def test_a_thread_of_200_turns_keeps_a_fact_of_turn_3_and_shares_nine_tenths_of_its_tokens() -> None:
    found = await long_thread.measure()
    print(found)  # noqa: T201
    assert found.turns == long_thread.TURNS
    assert found.knows_fact
    assert found.share >= long_thread.LEAST_SHARE
    assert found.summaries >= 3, "the window moved more than once"


def test_what_is_shared_ends_with_the_first_message_that_differs() -> None:
    def body(*texts: str) -> long_thread.Body:
        return {"model": "gpt-4o", "messages": [{"role": "user", "content": text} for text in texts]}

    found = long_thread.figures([body("a", "b"), body("a", "c", "b"), body("a", "c", "b", "d")], 3, 0.0)
    each, around = 5, 3  # a one-token message with its role and framing, and the beginning of the answer
    assert found.prompt_tokens == 3 * around + 9 * each
    assert found.shared_tokens == 3 * around + 4 * each
    assert not found.knows_fact
