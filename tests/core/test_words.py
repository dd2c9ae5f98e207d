"""What an answer says so far, and what stands in its stead."""

from bot.words import Words


def test_what_the_model_says_is_added_up_and_told_of() -> None:
    words = Words(standing="from before")
    assert (words.text, words.latest, words.changed.is_set()) == ("", "from before", False)
    words.feed("Hello")
    words.feed(" you")
    assert (words.text, words.latest, words.changed.is_set()) == ("Hello you", "Hello you", True)


def test_a_model_that_begins_anew_takes_all_of_it_back() -> None:
    words = Words(standing="from before")
    words.feed("Hello")
    first_word = words.begun_at
    words.restart()
    assert (words.text, words.latest) == ("", "from before")
    words.feed("Good")
    assert words.text == "Good"
    assert words.begun_at >= first_word > 0


def test_the_whole_answer_has_its_preface_in_it() -> None:
    words = Words(preface="Late. ")
    words.feed("Hello")
    assert (words.preface, words.are_complete) == ("Late. ", False)
    words.changed.clear()
    words.complete("Late. Hello")
    assert (words.preface, words.text, words.are_complete, words.changed.is_set()) == ("", "Late. Hello", True, True)


def test_what_goes_on_in_a_block_of_code_opens_it_again() -> None:
    words = Words(opener="```python")
    words.feed("print(1)")
    assert words.text == "```python\nprint(1)"


def test_a_notice_is_told_of_and_is_no_word_of_the_answer() -> None:
    words = Words()
    words.say_meanwhile("One moment.")
    assert (words.notice, words.text, words.changed.is_set()) == ("One moment.", "", True)
