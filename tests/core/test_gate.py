"""What is for us, and what is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.gate import ALONE, Company, company, gate
from bot.messages import Address, Author, IncomingMessage, Quoted
from storage.records import Role, Spoken, micros_of

ADA = Author("U1", "Ada")
IN_THREAD = Address("slack", "T1", "C1", "100.1")
IN_CHANNEL = Address("discord", "G1", "C1")
PLAIN = IncomingMessage(IN_THREAD, "100.2", ADA, "hi", mentions_bot=False, sent_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("message", "known", "verdict"),
    [
        (replace(PLAIN, mentions_bot=True), False, "answer"),
        (replace(PLAIN, direct=True), False, "answer"),
        (replace(PLAIN, quoted=Quoted("1", by_us=True)), False, "answer"),
        (replace(PLAIN, quoted=Quoted("1", by_us=True), mentions_others=True), True, "keep"),
        (replace(PLAIN, text="", quoted=Quoted("1", by_us=True)), True, "ignore"),
        (PLAIN, True, "answer"),
        (PLAIN, False, "ignore"),
        (replace(PLAIN, mentions_others=True), True, "keep"),
        (replace(PLAIN, mentions_others=True, mentions_bot=True), True, "answer"),
        (replace(PLAIN, quoted=Quoted("1")), False, "ignore"),
        (replace(PLAIN, address=IN_CHANNEL, quoted=Quoted("1")), True, "keep"),
        (replace(PLAIN, author=Author("B1", "Robot", is_bot=True), mentions_bot=True), True, "ignore"),
        (replace(PLAIN, author=Author("B1", "Robot", is_bot=True), direct=True), False, "ignore"),
    ],
    ids=[
        "a mention",
        "a direct message",
        "a reply to us",
        "a reply to us that calls somebody else",
        "a reply to us whose words are withheld",
        "a message in our thread",
        "a message in a foreign thread",
        "to somebody else in our thread",
        "to us and somebody else",
        "a reply to a person",
        "a reply to a person in a chain of ours",
        "a bot that mentions us",
        "a bot in a direct message",
    ],
)
def test_the_gate(message: IncomingMessage, known: bool, verdict: str) -> None:
    assert gate(message, known=known) == verdict


IN_COMPANY = Company(("Bob Miller",), continues=False)
GOES_ON = Company(("Bob Miller",), continues=True)


@pytest.mark.parametrize(
    ("text", "present", "verdict"),
    [
        ("and in Python?", ALONE, "answer"),
        ("I think that is wrong", IN_COMPANY, "keep"),
        ("and in Python?", GOES_ON, "answer"),
        ("Bob, what do you think?", GOES_ON, "keep"),
        ("thanks Bob!", GOES_ON, "keep"),
        ("bob miller: yours", GOES_ON, "keep"),
        ("Bob said that it fails; why?", GOES_ON, "answer"),
        ("Parley, is he right?", IN_COMPANY, "answer"),
        ("parley what about Bob?", IN_COMPANY, "answer"),
        ("hey Parley", IN_COMPANY, "answer"),
        ("@Parley: and now", IN_COMPANY, "answer"),
        ("Parleys are talks", IN_COMPANY, "keep"),
        ("ask parley about it", IN_COMPANY, "keep"),
        ("@Bob can you check?", GOES_ON, "keep"),
        ("@bob miller look", GOES_ON, "keep"),
        ("lol\n@Bob look at this", GOES_ON, "keep"),
        ("what do you make of it @Bob?", GOES_ON, "keep"),
        ("Bob can you check that?", GOES_ON, "keep"),
        ("bob what is this", GOES_ON, "keep"),
        ("Bob Miller please look", GOES_ON, "keep"),
        ("hey Bob look", GOES_ON, "keep"),
        ("ok Bob I will", GOES_ON, "keep"),
        ("thanks Bob that helps", GOES_ON, "keep"),
        ("thanks! Bob, can you check?", GOES_ON, "keep"),
        ("Great. Bob can you check?", GOES_ON, "keep"),
        ("Thanks. And Bob?", GOES_ON, "answer"),
        ("write to bob@bob.org", GOES_ON, "answer"),
        ("Bobby can you?", GOES_ON, "answer"),
        ("why does Bob say so?", GOES_ON, "answer"),
        ("Parley, can you tell @Bob?", IN_COMPANY, "answer"),
        ("Parley, sum up. Bob, listen", IN_COMPANY, "answer"),
        ("Will you explain?", Company(("Will Smith",)), "answer"),
        ("Will, you explain?", Company(("Will Smith",)), "keep"),
        ("!mute", IN_COMPANY, "answer"),
        ("!important: read this", IN_COMPANY, "keep"),
    ],
)
def test_in_company_it_answers_what_is_addressed_to_it_or_goes_on_with_it(
    text: str, present: Company, verdict: str
) -> None:
    message = replace(PLAIN, text=text)
    assert gate(message, known=True, company=present, bot_name="Parley") == verdict


@pytest.mark.parametrize("mode", ["thread", "all"])
def test_a_reply_to_somebody_else_in_a_thread_of_ours_is_not_for_us(mode: str) -> None:
    message = replace(PLAIN, quoted=Quoted("7", Author("U2", "Bob")))
    assert gate(message, known=True, mode=mode, company=ALONE) == "keep"  # type: ignore[arg-type]


def test_in_the_mode_mention_nothing_else_is_answered() -> None:
    for text in ("and in Python?", "Parley, and in Python?"):
        assert gate(replace(PLAIN, text=text), known=True, mode="mention", bot_name="Parley") == "keep"


def said(author: str, turn: int | None, role: Role = "user", *, at: int = 0, is_bot: bool = False) -> Spoken:
    return Spoken(turn, role, author, author.title(), at, is_bot)


ANSWER = said("parley", 1, "assistant")


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ([], Company(())),
        ([ANSWER, said("ada", 1)], Company(())),
        ([ANSWER, said("bob", 1), said("ada", None)], Company(("Bob",), continues=False)),
        ([ANSWER, said("ada", 1), said("bob", None)], Company(("Bob",))),
        ([said("ada", 2), said("bob", 1)], Company(("Bob",))),
        ([said("ada", None), said("bob", 1)], Company(("Bob",), continues=False)),
        ([said("bob", None), ANSWER, said("ada", 1)], Company(("Bob",), continues=False)),
        ([said("bob", 1), said("ada", 1)], Company(("Bob",))),
        ([ANSWER, said("ada", 1), said("alerts", None, is_bot=True)], Company(())),
    ],
    ids=[
        "nobody yet",
        "her answer, and nobody else",
        "an answer to somebody else",
        "her answer in company",
        "her own question, not yet answered",
        "her own word to somebody else",
        "somebody else's word",
        "both ask at once",
        "a program, which is no company",
    ],
)
def test_who_is_there_and_with_whom_the_last_word_was(spoken: list[Spoken], expected: Company) -> None:
    assert company(spoken, "ada", micros_of(30)) == expected


@pytest.mark.parametrize(("seconds", "goes_on"), [(-5, True), (119, True), (121, False)])
def test_an_answer_is_plainly_gone_on_with_for_two_minutes(seconds: int, goes_on: bool) -> None:
    answer = said("parley", 1, "assistant", at=micros_of(1_000))
    spoken = [answer, said("ada", 1), said("bob", None)]
    assert company(spoken, "ada", micros_of(1_000 + seconds)).continues == goes_on


def test_an_unanswered_question_is_gone_on_with_whenever() -> None:
    assert company([said("ada", 2), said("bob", 1)], "ada", micros_of(9_000)).continues
