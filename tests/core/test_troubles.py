"""What the admins read of a failure, and by which subject it is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot import troubles
from bot.errors import (
    ContextTooLong,
    DeliveryRefused,
    KeyRefused,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    ModelUnknown,
    ParameterRefused,
    ParleyError,
    QuotaExhausted,
)
from bot.messages import Address

HERE = Address("slack", "T1", "C1", "1.1")


def every_failure(root: type[ParleyError] = ParleyError) -> Iterator[type[ParleyError]]:
    yield root
    for kind in root.__subclasses__():
        yield from every_failure(kind)


def test_every_failure_that_tells_an_admin_says_what_it_concerns_and_what_to_do() -> None:
    telling = [kind for kind in every_failure() if kind.tells_admin]
    assert len(telling) >= 8
    for kind in telling:
        assert kind.for_admin.count("{about}") == 1 and len(kind.for_admin.split(". ")) >= 2, kind
    assert not [kind for kind in every_failure() if kind.for_admin and not kind.tells_admin]


@pytest.mark.parametrize("failure", [KeyRefused("x"), QuotaExhausted("x"), ModelUnavailable("x"), ContextTooLong("x")])
def test_what_its_key_tells_already_or_no_admin_can_help_is_no_trouble_of_a_model(failure: ModelFailure) -> None:
    assert troubles.with_model(failure, "gpt", HERE) is None


@pytest.mark.parametrize("failure", [ModelUnknown("said"), ParameterRefused("said", "temperature")])
def test_an_answer_of_the_model_ends_the_trouble_with_it(failure: ModelFailure) -> None:
    trouble = troubles.with_model(failure, "gpt", HERE)
    assert trouble is not None
    assert trouble.subject in troubles.proven_by_answer("gpt", "key-1", HERE)
    assert trouble.kind == type(failure).__name__
    assert "said" not in trouble.text


def test_one_refused_question_is_not_made_well_by_the_next_answer() -> None:
    trouble = troubles.with_model(ModelRefused("said"), "gpt", HERE)
    assert trouble is not None
    assert trouble.subject not in troubles.proven_by_answer("gpt", "key-1", HERE)
    assert trouble.text.startswith("The model `gpt` refused")


def test_a_place_and_a_token_are_well_once_something_lands() -> None:
    landed = troubles.proven_by_landing(HERE)
    assert troubles.with_place(DeliveryRefused("is_archived"), HERE).subject in landed
    assert troubles.with_token("slack", "SLACK_BOT_TOKEN").subject in landed
    assert troubles.with_place(DeliveryRefused("x"), HERE).text.startswith("The channel `C1` on Slack")


def test_a_name_of_any_length_makes_a_subject_of_its_own_that_a_row_can_hold() -> None:
    long = [troubles.with_model(ModelUnknown(), "m" * 500 + end, HERE) for end in ("a", "b")]
    assert all(trouble is not None and len(trouble.subject) <= troubles.LONGEST_SUBJECT for trouble in long)
    assert len({trouble.subject for trouble in long if trouble}) == 2


def test_a_name_cannot_leave_its_code_span() -> None:
    trouble = troubles.with_model(ModelUnknown(), "x`**bold**`{about}", HERE)
    assert trouble is not None
    assert "`x'**bold**'{about}`" in trouble.text
