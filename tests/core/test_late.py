"""The word before an answer that comes late."""

import pytest

from bot.late import late_word


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, ""),
        (0, ""),
        (299, ""),
        (300, "5 minutes"),
        (3_599, "60 minutes"),
        (3_600, "1 hour"),
        (5_400, "2 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
    ],
)
def test_only_what_is_late_says_so_in_the_unit_that_fits(seconds: float, said: str) -> None:
    word = late_word(seconds)
    assert (f"you asked {said} ago" in word) if said else word == ""
