"""How an answer ends that is not a plain whole one: the words people read then, and what of it is remembered.

Each of these sentences carries a reference, the first digits of the turn's key, by which the log is found; what the
conversation remembers carries none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.backend.completion import FinishReason
from bot.errors import ContentRefused, ModelFailure, ParleyError
from bot.outcome import Outcome
from bot.splitting import close_open
from bot.wording import plain
from storage.money import UsageRow
from storage.records import Claim

REFERENCE_DIGITS = 8

LENGTH_NOTE = "I stopped here at the length limit. Ask me to go on and I will."
FILTER_NOTE = "The provider's content filter stopped me here."
BROKEN_NOTE = "The model broke off here and did not come back. Ask me to go on and I'll try again."
NO_ROOM_TO_SPEAK = (
    "The model thought until its length limit and had no room left for a word of answer. "
    "An admin can raise `max_tokens` for this channel."
)
EMPTY_ANSWER = "The model had nothing to say to that. Please try another wording."
# Below an answer to a question with pictures.
NO_PICTURES = "The model set for this channel can't see pictures: it answered without yours."
# Before an answer that goes to its asker alone.
NOT_THERE = "I couldn't answer where you asked: a rule of that place, or a permission I lack, stands against it."
# Only passing, so without a reference.
HANDED_OVER = "_I was restarted; I'll finish this in a moment._"
WAITING = "The model isn't answering right now. I keep trying and will answer here."
BUSY = "The model is getting more questions than it may take. I'll answer here as soon as it lets me."

STOPPED = "I stopped here, as {by} asked."

_NOTES: dict[FinishReason, str] = {"length": LENGTH_NOTE, "content_filter": FILTER_NOTE}


def reference(claim: Claim) -> str:
    """What people are told so that somebody can find the turn in the log."""
    return claim.key[:REFERENCE_DIGITS]


def finished(claim: Claim, text: str, reason: FinishReason, used: UsageRow) -> Outcome:
    """The answer of a model that came to its end, with a word where that end is not what one would expect."""
    said = text.strip()
    if not said:
        why, sentence = ("no_room", NO_ROOM_TO_SPEAK) if reason == "length" else ("empty", EMPTY_ANSWER)
        return Outcome(_referring(sentence, claim), said=None, used=used, short=why)
    note = _NOTES.get(reason)
    if note is None:
        return Outcome(said, said, used)
    return Outcome(_noted(said, note, claim), said, used, short=reason)


def apology(claim: Claim, failure: ParleyError) -> Outcome:
    """The sentence that stands for an answer."""
    return Outcome(_referring(failure.sentence, claim), said=None, failure=type(failure).__name__)


def alone(claim: Claim, answer: str) -> str:
    """What the asker is told where the place takes nothing: the answer, if there is one, and why it comes this way."""
    return "\n\n".join(part for part in (_referring(NOT_THERE, claim), answer.strip()) if part)


def broken_off(claim: Claim, text: str, failure: ModelFailure, used: UsageRow | None) -> Outcome:
    """What the model said before it failed stays, with a word that it is not all."""
    said = text.strip()
    if not said:
        return replace(apology(claim, failure), used=used)
    note = FILTER_NOTE if isinstance(failure, ContentRefused) else BROKEN_NOTE
    return Outcome(_noted(said, note, claim), said, used, failure=type(failure).__name__)


def kept(earlier: str, outcome: Outcome) -> Outcome:
    """The outcome of a wish for a new answer; where the model said no word of one, it stands below the `earlier`."""
    if not earlier or outcome.said is not None:
        return outcome
    return replace(outcome, text=below(earlier, outcome.text), keeps=True)


def below(text: str, sentence: str) -> str:
    """A sentence of ours below an answer, alone where there is none."""
    return f"{close_open(text)}\n\n{sentence}" if text else sentence


def with_lines(text: str, lines: Sequence[str]) -> str:
    """An answer with lines below it that are ours and not the model's."""
    return "\n\n".join((close_open(text), *(f"_{line}_" for line in lines)))


def stopped(text: str, by: str, used: UsageRow | None) -> Outcome:
    """What the model had said when somebody stopped it."""
    said = text.strip()
    note = STOPPED.format(by=plain(by) or "somebody")
    return Outcome(f"{close_open(said)}\n\n_{note}_" if said else f"_{note}_", said or None, used, short="stopped")


def _referring(sentence: str, claim: Claim) -> str:
    return f"{sentence} (ref {reference(claim)})"


def _noted(said: str, note: str, claim: Claim) -> str:
    return f"{close_open(said)}\n\n_{_referring(note, claim)}_"
