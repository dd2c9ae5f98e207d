"""What the model reads: order, names, the budget, and a prefix that stays."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from bot import context
from bot.messages import Address, Attachment, Place
from storage.records import Role, StoredMessage

ADDRESS = Address("slack", "T1", "C1", "1.0")


def words(text: str) -> int:
    return len(text.split())


def cut(text: str, count: int) -> str:
    return " ".join(text.split()[:count])


def budget(tokens: int) -> context.Budget:
    return context.Budget(tokens, words, cut)


def message(number: int, text: str, role: Role = "user", name: str = "Ada") -> StoredMessage:
    author = name if role == "user" else "Parley"
    return StoredMessage(number, number, str(number), role, author.lower(), author, text, number, number)


NOWHERE = Place()


def scene(place: Place = NOWHERE, *, direct: bool = False) -> context.Scene:
    return context.Scene(ADDRESS, place, "Parley", direct, date(2026, 11, 23))


def test_a_persons_message_begins_with_their_name_and_an_answer_does_not() -> None:
    prompt = context.build("system", [message(1, "hi"), message(2, "hello", "assistant")], budget(1000))
    assert [(m.role, m.content) for m in prompt.messages] == [
        ("system", "system"),
        ("user", "Ada: hi"),
        ("assistant", "hello"),
    ]
    assert prompt.start is None


def test_an_author_without_a_name_is_someone_and_never_an_id() -> None:
    prompt = context.build("s", [StoredMessage(1, 1, "1", "user", "U0123", "", "hi", 1, 1)], budget(1000))
    assert prompt.messages[1].content == "Someone: hi"


def test_a_bare_mention_says_that_it_is_one() -> None:
    prompt = context.build("s", [message(1, "")], budget(1000))
    assert prompt.messages[1].content == "Ada mentioned you and wrote nothing else."


def test_an_attached_file_is_named() -> None:
    with_file = StoredMessage(1, 1, "1", "user", "u", "Ada", "see", 1, 1, (Attachment("a.csv", "text/csv", 9, "u"),))
    assert context.build("s", [with_file], budget(1000)).messages[1].content == "Ada: see\n[attached: a.csv, text/csv]"


def test_the_system_message_says_where_when_and_who() -> None:
    text = context.system_message("Be kind.", scene(Place("general", "Acme", "Everything")), ["Ada Lovelace", "Bob"])
    assert text.startswith("Be kind.\n")
    for part in ("#general", "Acme", "Slack", "Everything", "Monday, 23 November 2026", "Ada Lovelace, Bob", "Parley"):
        assert part in text


def test_the_system_message_needs_neither_names_nor_people() -> None:
    assert "a direct message on Slack" in context.system_message("x", scene(direct=True), [])
    assert "a channel on Slack" in context.system_message("x", scene(), [])


def test_what_is_over_the_budget_goes_oldest_first_and_in_a_large_step() -> None:
    history = [message(n, "one two three four") for n in range(100)]
    prompt = context.build("system", history, budget(200))
    kept = prompt.messages[1:]
    assert kept[-1].content == history[-1].author_name + ": one two three four"
    assert prompt.start == history[-len(kept)].position
    taken = sum(words(m.content) + context.FRAMING for m in kept)
    assert taken <= 100, "half of the budget is left free for what comes"


def test_a_window_does_not_begin_with_an_answer_whose_question_is_gone() -> None:
    history = [message(1, "w " * 50), message(1, "a " * 20, "assistant"), message(2, "b"), message(2, "c", "assistant")]
    history.append(message(3, "last"))
    prompt = context.build("s", history, budget(75))
    assert prompt.messages[1].content == "Ada: b"
    assert prompt.start == 2


def test_a_newest_message_longer_than_the_budget_is_cut_and_says_so() -> None:
    prompt = context.build("s", [message(1, "early"), message(2, "word " * 500)], budget(60))
    assert len(prompt.messages) == 2
    assert prompt.messages[1].content.endswith(context.CUT_NOTE)
    assert sum(words(m.content) + context.FRAMING for m in prompt.messages) <= 60


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=60), st.integers(60, 400))
def test_whatever_was_said_the_prompt_fits_and_holds_the_newest(sizes: list[tuple[int, bool]], tokens: int) -> None:
    history = [message(n, "w " * size, "assistant" if bot else "user") for n, (size, bot) in enumerate(sizes)]
    history.append(message(len(history), "the newest question"))
    prompt = context.build("system", history, budget(tokens))
    assert prompt.messages[-1].content == "Ada: the newest question"
    assert sum(words(m.content) + context.FRAMING for m in prompt.messages[1:]) + context.FRAMING <= tokens


def test_a_growing_conversation_keeps_its_prefix_between_trims() -> None:
    history: list[StoredMessage] = []
    before: list[str] = []
    start, moves, shared = 0, 0, 0
    for n in range(200):
        history += [message(n, f"question {n} with a few words more")]
        window = [m for m in history if m.position >= start]
        prompt = context.build("system", window, budget(300))
        if prompt.start is not None:
            start, moves = prompt.start, moves + 1
        now = [m.content for m in prompt.messages]
        shared += now[: len(before)] == before
        before = now
        history += [message(n, f"answer {n} with a few words more", "assistant")]
    assert moves < 25
    assert shared >= 199 - moves


def test_speakers_are_the_people_in_order_of_appearance() -> None:
    history = [message(1, "a"), message(2, "b", "assistant"), message(3, "c", name="Bob"), message(4, "d")]
    assert context.speakers(history) == {"Ada": "ada", "Bob": "bob"}
