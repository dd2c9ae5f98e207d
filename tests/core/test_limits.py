"""How many questions a minute, whatever the order in which they become known."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from bot.app import limits_of
from bot.limits import MINUTE, MOST_MINUTES, Hit, Limits
from bot.messages import Address, Author
from bot.settings import Settings

ADA, BOB = Author("U1", "Ada"), Author("U2", "Bob")
PLACE = Address("slack", "T1", "C1")
NOW = 1_800_000_000.0
THREAD = Address("slack", "T1", "C1", "100.1")
DEFAULTS = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1", "openai_api_key": "sk-1"}


def limits(user: int = 3) -> Limits:
    return Limits(user=user, thread=0, channel=0, workspace=0)


def ask(held: Limits, *moments: float, author: Author = ADA) -> list[bool]:
    """Which of the questions asked at these moments are let in."""
    return [held.take(author, PLACE, moment) is None for moment in moments]


def test_a_minutes_worth_is_let_in_at_once_and_then_one_at_a_time() -> None:
    held = limits()
    assert ask(held, NOW, NOW, NOW, NOW) == [True, True, True, False]
    assert ask(held, NOW + 19, NOW + 21, NOW + 22) == [False, True, False]
    assert ask(held, NOW, author=BOB) == [True]


def test_a_flood_is_told_of_once_until_it_is_over() -> None:
    held = limits()
    hits = [held.take(ADA, PLACE, NOW + n) for n in range(6)]
    assert [hit.news for hit in hits if isinstance(hit, Hit)] == [True, False, False]


def test_what_is_read_back_after_a_newer_question_was_asked_is_no_flood() -> None:
    held = limits()
    assert ask(held, NOW) == [True]
    assert ask(held, NOW - 3_000, NOW - 7_000, NOW - 5_000, NOW - 4_000) == [True] * 4
    assert ask(held, NOW + 1, NOW + 2, NOW + 3) == [True, True, False]


def test_a_flood_that_is_read_back_is_one_whatever_its_order() -> None:
    held = limits()
    assert ask(held, NOW) == [True]
    long_ago = NOW - 3_600 - NOW % MINUTE
    assert ask(held, *[long_ago + 50 - n for n in range(5)]) == [True, True, True, False, False]
    assert ask(held, long_ago + MINUTE, long_ago - 1) == [True, True]


def test_what_comes_a_little_out_of_order_counts_as_if_in_order() -> None:
    held = limits()
    assert ask(held, NOW, NOW - 30, NOW - 10, NOW - 20) == [True, True, True, False]


def test_the_minutes_that_are_remembered_have_a_bound() -> None:
    held = limits(user=1)
    ask(held, NOW)
    past = count(2)
    assert all(ask(held, *[NOW - MINUTE * next(past) for _ in range(MOST_MINUTES + 10)]))
    assert len(next(iter(held._buckets.values())).late) == MOST_MINUTES


@given(st.lists(st.floats(0, 7_200), min_size=1, max_size=60), st.integers(1, 5))
def test_of_no_minute_more_than_two_minutes_worth_is_let_in(moments: list[float], amount: int) -> None:
    held = limits(user=amount)
    let_in = [moment for moment in moments if held.take(ADA, PLACE, NOW + moment) is None]
    for start in let_in:
        late = [moment for moment in let_in if start <= moment < start + MINUTE]
        # A minute that was full in its order may have been over before another half of it is read back.
        assert len(late) <= 4 * amount


def by_default() -> Limits:
    return limits_of(Settings(**DEFAULTS, _env_file=None))  # type: ignore[arg-type, call-arg]


def test_by_default_a_program_that_keeps_up_a_thread_is_held_up_within_a_minute() -> None:
    # The turns of a conversation come one after the other: with a model that takes a second, one in 1.1 seconds.
    limits, program = by_default(), Author("U1", "a program under a person's name")
    hits = [limits.take(program, THREAD, second * 1.1, "100.1") for second in range(54)]
    first = next(hit for hit in hits if hit is not None)
    assert (first.whose, first.amount) == ("thread", 20)
    assert sum(hit is None for hit in hits) <= 40


def test_by_default_a_person_may_ask_at_a_persons_pace_for_hours() -> None:
    limits, ada = by_default(), Author("U1", "Ada")
    assert not any(limits.take(ada, THREAD, number * 6.0, "100.1") for number in range(600))
