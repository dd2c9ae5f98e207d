"""What a conversation says: who said which line, which facts were told, and the fact that answers a question.

Plain English patterns, no model: enough for a demo to show that a thread is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emulators.openai.reply import ChatRequest

SPEAKER = re.compile(r"^(?P<name>[^\W\d_][\w'’.-]*(?: [\w'’.-]+){0,2}): (?P<text>.*)$", re.DOTALL)
_LABELS = "note remember reminder todo fact ps btw fyi re warning question answer example please update context"
NO_SPEAKER = frozenset(_LABELS.split())
MENTION = re.compile(r"<@!?\w+>|(?<![\w.])@(?!everyone\b|here\b|channel\b)[\w-]+[,:]?")  # of people, not of crowds
JOINED = re.compile(r",? and (?=(?:the|our|my|your|this|his|her|their)\s)", re.IGNORECASE)
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
ASKED_TO_REMEMBER = re.compile(
    r"^(?:(?:ok|okay|hey|hi|and|also|so|please|can you|could you)[, ]+)*(?:remember|note|keep in mind|don't forget)"
    r"(?:\s+this)?(?:\s+that)?[:,]?\s+(?P<fact>.{3,})$",
    re.IGNORECASE,
)
STATEMENT = re.compile(
    r"^(?:(?:btw|by the way|fyi|ok|okay|hi|hello|hey|so|and|also|well)[,:]?\s+)*"
    r"(?P<fact>(?:the|our|my|your|this|his|her|their|[A-Z][\w’']*)\s(?:[\w’'-]+\s){0,6}?"
    r"(?:is|are|was|were|will be|starts|ends|happens|lives|has|likes|owns)\s.{1,200})$",
    re.IGNORECASE,
)
NAMED = re.compile(r"\b(?:[Mm]y name(?:'s|’s| is)|[Cc]all me|I am called)\s+(?P<name>[^\W\d_][\w'’-]*)")
QUESTION = re.compile(
    r"^(?:(?:and|so|ok|okay|hey|hi|please|now)[, ]+)*"
    r"(?:what|when|where|who|whose|which|why|how|do|does|did|is|are|was|can|could|would|will|tell me|remind me)\b",
    re.IGNORECASE,
)
_SMALL_WORDS = """
    a about again all am an and any are as at be been by can could did do does for from had has have hey hi how i in
    is it its know me my of ok okay on or our please remember remind said say should so tell that the their them there
    they this to told us was we were what whats when where which who whose why will with would you your"""
STOP_WORDS = frozenset(_SMALL_WORDS.split())


@dataclass(frozen=True, slots=True)
class Line:
    """One thing a person said; `speaker` is empty where the message names nobody."""

    speaker: str
    text: str


def lines_of(request: ChatRequest) -> list[Line]:
    """What people said, oldest first; a line without `Name: ` in front belongs to the one before in its message."""
    found: list[Line] = []
    for message in request.messages:
        if message.role != "user":
            continue
        speaker, held = message.name or "", list[str]()
        for raw in message.text.splitlines():
            match = SPEAKER.match(raw)
            if match and not NO_SPEAKER & set(match["name"].lower().split()):
                if held:
                    found.append(Line(speaker, clean("\n".join(held))))
                speaker, held = match["name"], [match["text"]]
            else:
                held.append(raw)
        found.append(Line(speaker, clean("\n".join(held))))
    return [line for line in found if line.text]


def clean(text: str) -> str:
    """A text without mentions and stray blanks."""
    return "\n".join(" ".join(MENTION.sub(" ", row).split()) for row in text.splitlines()).strip()


def sentences(text: str) -> list[str]:
    """The sentences of a text, one a line break or a full stop."""
    return [part.strip() for part in SENTENCE.split(text) if part.strip()]


def is_question(sentence: str) -> bool:
    """Whether a sentence asks something."""
    return sentence.endswith("?") or bool(QUESTION.match(sentence))


def facts_in(line: Line) -> list[Line]:
    """The facts that a line tells, each with its speaker and without its full stop; a name is none."""
    found = []
    for sentence in sentences(line.text):
        told = ASKED_TO_REMEMBER.match(sentence)
        if told is None and not is_question(sentence):
            told = STATEMENT.match(sentence)
        facts = [fact.rstrip(".! ?") for fact in JOINED.split(told["fact"])] if told else []
        found += [Line(line.speaker, fact) for fact in facts if not NAMED.match(fact)]
    return found


def name_of(speaker: str, lines: Sequence[Line]) -> str:
    """What to call a speaker: the name last given in words, else the name before the line, else nothing."""
    for line in reversed(lines):
        if line.speaker == speaker and (match := NAMED.search(line.text)):
            return match["name"]
    return speaker.partition(" ")[0]


def keywords(text: str) -> set[str]:
    """The words of a text that carry its meaning, without plural endings."""
    words = re.findall(r"[^\W_]+", re.sub(r"['’]s\b", "", text.lower()))
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words if word not in STOP_WORDS}


def recall(question: Line, lines: Sequence[Line]) -> Line | None:
    """The fact that answers a question: most words in common, then the asker's own, then the newest."""
    wanted = keywords(question.text)
    best: tuple[int, bool, int] | None = None
    chosen = None
    for age, line in enumerate(lines):
        for fact in facts_in(line):
            score = len(wanted & keywords(fact.text))
            rank = (score, fact.speaker == question.speaker, age)
            if score and (best is None or rank >= best):
                best, chosen = rank, fact
    return chosen


def retold(fact: Line, asker: str) -> str:
    """A fact as told back to `asker`: "my" becomes "your", or the speaker's name where somebody else said it."""
    own = fact.speaker == asker
    name = fact.speaker or "somebody"
    turned = (
        {
            "my": "your",
            "mine": "yours",
            "i": "you",
            "i'm": "you're",
            "me": "you",
            "am": "are",
            "our": "your",
            "we": "you",
        }
        if own
        else {
            "my": f"{name}'s",
            "i": name,
            "i'm": f"{name} is",
            "me": name,
            "am": "is",
            "our": "the team's",
            "we": "they",
        }
    )
    text = re.sub(r"[\w'’]+", lambda match: turned.get(match[0].lower().replace("’", "'"), match[0]), fact.text)
    return text[:1].lower() + text[1:] if text.split(" ")[0].lower() in _OPENERS else text


_OPENERS = frozenset(("the", "our", "my", "your", "this", "his", "her", "their", "you", "you're"))
