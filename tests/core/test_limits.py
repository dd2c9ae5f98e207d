"""How many questions a minute are answered before somebody is told to wait."""

from bot.app import limits_of
from bot.limits import Limits
from bot.messages import Address, Author
from bot.settings import Settings

THREAD = Address("slack", "T1", "C1", "100.1")
DEFAULTS = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1", "openai_api_key": "sk-1"}


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
