"""The offline model: an assistant that answers from the conversation alone, the same way every time.

It is a stand-in for the demo, and says so now and then. What it remembers is worked out in `memory.py`, what it can
write in `writing.py`.
"""

from __future__ import annotations

import re

from emulators.openai import memory, writing
from emulators.openai.memory import Line
from emulators.openai.reply import ChatRequest, Reply, ToolCall

HONEST = "_I am the offline stand-in for the model: I know this conversation and some small tricks, not the world._"
HONEST_EVERY = 5  # answers

GREETING = re.compile(r"^(hi|hello|hey|yo|good (?:morning|afternoon|evening)|moin|hallo)\b", re.IGNORECASE)
THANKS = re.compile(r"\b(thanks|thank you|thx|cheers)\b", re.IGNORECASE)
IDENTITY = re.compile(
    r"\bwho are you|what are you|are you (?:real|an? \w+|offline|human)|what can you do\b", re.IGNORECASE
)
SAY = re.compile(r"^(?:please )?(?:say|repeat|echo)(?: after me)?:?\s+(?P<what>.+)$", re.IGNORECASE | re.DOTALL)
WHAT_SAID = re.compile(
    r"\bwhat (?:did|have|has) (?P<who>i|we|[\w-]+) (?:just |already )?"
    r"(?:say|said|told you|tell you|ask(?:ed)?|wr(?:i|o)te)"
    r"(?: (?:about|on|of) (?P<what>[^?.]+))?",
    re.IGNORECASE,
)
WHAT_KNOWN = re.compile(r"\bwhat (?:do|can) you (?:remember|know|recall)\b|\bwhat do you have on\b", re.IGNORECASE)
MY_NAME = re.compile(r"\bmy name\b|\bwho am i\b", re.IGNORECASE)
SUMMARY = re.compile(r"\bsummar(?:y|ise|ize)|\btl;?dr\b|\brecap\b", re.IGNORECASE)
LONG = re.compile(r"(?P<amount>\w+)[ -](?P<unit>paragraph|word)s?\b", re.IGNORECASE)
ESSAY = re.compile(r"\b(?:essay|long (?:text|answer|reply|story)|story)\b", re.IGNORECASE)
TABLE = re.compile(r"\btable\b", re.IGNORECASE)
CODE = re.compile(r"\b(?:code|snippet|script|program|function|python|javascript|bash|sql)\b", re.IGNORECASE)
LIST = re.compile(r"\b(?:list|ideas|tips|suggestions|steps|reasons)\b", re.IGNORECASE)


def answer(request: ChatRequest) -> Reply:
    """Answer the last thing said; a tool is called only where the request demands one."""
    if (call := _forced_call(request)) is not None:
        return Reply(tool_calls=(call,))
    lines = memory.lines_of(request)
    if not lines:
        return Reply("I am listening. Ask me something, or tell me something to remember.")
    answered = sum(message.role == "assistant" for message in request.messages)
    text = _text(lines)
    if answered % HONEST_EVERY == HONEST_EVERY - 1 and HONEST not in text:
        text = f"{text}\n\n{HONEST}"
    return Reply(text)


def _forced_call(request: ChatRequest) -> ToolCall | None:
    choice = request.body.get("tool_choice")
    if isinstance(choice, dict):
        return ToolCall(choice["function"]["name"])
    if choice == "required":
        return ToolCall(request.body["tools"][0]["function"]["name"])
    return None


def _text(lines: list[Line]) -> str:
    line, earlier = lines[-1], lines[:-1]
    name = memory.name_of(line.speaker, lines)
    return (
        _on_demand(line, lines)
        or _from_memory(line, earlier, name)
        or _noted(line, name)
        or _small_talk(line, name, first=not earlier)
        or _at_a_loss(line, earlier, name)
    )


def _on_demand(line: Line, lines: list[Line]) -> str | None:
    """Things to be written, where the line asks for one."""
    text = line.text
    if match := SAY.match(text):
        return match["what"]
    if memory.ASKED_TO_REMEMBER.match(text):
        return None
    long = LONG.search(text)
    if long and (long["amount"].isdigit() or long["amount"].lower() in writing.NUMBERS):
        amount, topic = (
            writing.number_in(long["amount"], 3, 2_000),
            writing.topic_of(text[long.end() :], "working together"),
        )
        return writing.words(amount, topic) if long["unit"].lower() == "word" else writing.paragraphs(amount, topic)
    if SUMMARY.search(text):
        return _summary(lines)
    asks = memory.is_question(text) or re.match(
        r"(?:\w+ )?(?:give|show|write|make|draw|list|draft|create)\b", text, re.I
    )
    if asks and ESSAY.search(text):
        return writing.paragraphs(5, writing.topic_of(text, "working together"))
    if asks and TABLE.search(text):
        return f"Here is what I have of us, as a table:\n\n{_table(lines)}"
    if asks and CODE.search(text) and not memory.recall(line, lines[:-1]):
        return f"Something to start from:\n\n{writing.code(text)}\n\nTell me what it should do instead."
    if asks and LIST.search(text) and not memory.recall(line, lines[:-1]):
        amount, topic = writing.number_in(text, 5, 50), writing.topic_of(text, "the next step")
        return f"**{amount} thoughts on {topic}**\n\n{writing.ideas(amount, topic)}"
    return writing.worked_out(text)


def _from_memory(line: Line, earlier: list[Line], name: str) -> str | None:
    """An answer out of what was said before, where the line asks for it."""
    question = next((part for part in reversed(memory.sentences(line.text)) if memory.is_question(part)), None)
    if question is None:
        return None
    if MY_NAME.search(question):
        if name:
            return f"You are **{name}**."
        return "You have not told me your name yet. Say “my name is …” and I will remember it here."
    if match := WHAT_SAID.search(question):
        return _quotes(match, line, earlier)
    if WHAT_KNOWN.search(question):
        known = [f"- {memory.retold(fact, line.speaker)}" for told in earlier for fact in memory.facts_in(told)]
        if not known:
            return "Nothing yet in this conversation. Tell me something to remember."
        return "From this conversation I remember:\n\n" + "\n".join(dict.fromkeys(known))
    fact = memory.recall(Line(line.speaker, question), [*earlier, line])
    if fact is None:
        return None
    told = memory.retold(fact, line.speaker)
    who = (
        "You told me" if fact.speaker == line.speaker else f"{memory.name_of(fact.speaker, earlier) or 'Somebody'} said"
    )
    return f"{who} that **{told}**."


def _quotes(question: re.Match[str], line: Line, earlier: list[Line]) -> str:
    who, about, asked = question["who"], question["what"], " ask" in question[0].lower()
    own = who.lower() in ("i", "we")
    said = [
        told.text
        for told in earlier
        if (
            who.lower() == "we" or told.speaker == line.speaker if own else told.speaker.lower().startswith(who.lower())
        )
        and memory.is_question(told.text) == asked
        and (about is None or memory.keywords(about) & memory.keywords(told.text))
    ]
    subject = f"{'You' if own else who} {'asked' if asked else 'said'}"
    if not said:
        return f"{subject} nothing{f' about {about}' if about else ''} that I could see in this conversation."
    quoted = "\n".join(f"> {text.splitlines()[0]}" for text in said[-5:])
    return f"{subject}{f' about {about}' if about else ''}:\n\n{quoted}"


def _noted(line: Line, name: str) -> str | None:
    """A word of thanks for a fact or a name told."""
    told = "; ".join(memory.retold(fact, line.speaker) for fact in memory.facts_in(line))
    if match := memory.NAMED.search(line.text):
        return f"Nice to meet you, **{match['name']}**!{f' And noted: {told}.' if told else ''}"
    if told:
        return f"Noted{f', {name}' if name else ''}: **{told}**. Ask me about it any time in this thread."
    return None


def _small_talk(line: Line, name: str, *, first: bool) -> str | None:
    text = line.text
    if IDENTITY.search(text):
        return (
            f"{HONEST}\n\nI can:\n\n- remember what you tell me here (*the deploy is on Friday*) and say it back\n"
            "- do sums (*what is 17 * 23?*)\n- write a list, a table, some code, or *ten paragraphs about patience*\n"
            "- sum up who said what"
        )
    if GREETING.match(text):
        more = f" {HONEST}" if first else ""
        return f"Hello{f', {name}' if name else ''}! 👋 What shall we look at?{more}"
    if THANKS.search(text):
        return f"You're welcome{f', {name}' if name else ''}!"
    return None


def _at_a_loss(line: Line, earlier: list[Line], name: str) -> str:
    """An honest answer where there is nothing to answer from."""
    subject = next(iter(memory.sentences(line.text)), line.text)
    shown = subject if len(subject) <= 120 else f"{subject[:117]}…"
    known = sum(len(memory.facts_in(told)) for told in earlier)
    aside = f" I do remember {known} thing{'s' if known > 1 else ''} you all told me." if known else ""
    call = f"{name}, you" if name else "You"
    return (
        f"{call} said: “{shown}”.\n\nA real model would have something to say to that. {HONEST}{aside} "
        "Try *what can you do?*"
    )


def _summary(lines: list[Line]) -> str:
    rows = [f"- **{told.speaker or 'You'}**: {told.text.splitlines()[0][:160]}" for told in lines[:-1]]
    return "\n".join(["Up to here:", "", *rows[-12:]]) if rows else "There is nothing to sum up yet: you spoke first."


def _table(lines: list[Line]) -> str:
    facts = [(told.speaker or "you", fact.text) for told in lines for fact in memory.facts_in(told)]
    if facts:
        return writing.table([("Who", "What"), *facts[-10:]])
    people = list(dict.fromkeys(told.speaker or "you" for told in lines))
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
    return writing.table([("Day", "Who"), *((day, people[i % len(people)]) for i, day in enumerate(days))])
