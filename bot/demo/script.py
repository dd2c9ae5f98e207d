"""What is played: the acts, one function each, and the claims they make.

A caption is printed after what it says was looked up in the emulators' state; what does not hold is said in red.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.demo.cast import ADA, BEN, LEO, MIA, Cast
from bot.demo.places import Answer, Person, Place, Question, Tally
from bot.demo.screen import Screen
from bot.demo.stage import Stage
from emulators.openai import Call, errors

TICK_SECONDS = 0.08
ANSWER_SECONDS = 120.0
# After a second delivery: long enough for a second answer to begin, were there one.
DOUBLE_SECONDS = 0.6
RETRY_AFTER = 2
# Enough of the half answer to be recognised when it is whole.
HALF_ANSWER_CHARACTERS = 20


class Unanswered(Exception):
    """A question got no whole answer in time: what follows would build on sand."""


@dataclass(slots=True)
class Scene:
    """What the acts share: the stage and the cast, the screen, and the thread that goes on through them."""

    stage: Stage
    screen: Screen
    cast: Cast
    held: bool = True
    release: Question | None = None
    snippet: Question | None = None

    async def ask(self, place: Place, who: Person, text: str, after: Question | None = None) -> Question:
        """Somebody writes, and it is shown."""
        await asyncio.sleep(self.screen.beat)
        self.screen.person(who.name, who.colour, text, nested=after is not None)
        return await place.say(who, text, after)

    async def answered(
        self,
        place: Place,
        question: Question,
        *,
        nested: bool = True,
        enough: Callable[[list[Answer]], bool] | None = None,
        doing: Callable[[], str] = str,
    ) -> list[Answer]:
        """Show the answer while it grows, until the bot is done with it, or until it is `enough`."""
        return await follow(self.stage, self.screen, place, question, nested=nested, enough=enough, doing=doing)

    def claim(self, held: bool, text: str) -> None:
        """Explain what was seen, if it holds."""
        if held:
            self.screen.explain(text)
        else:
            self.held = False
            self.screen.complain(text)

    @property
    def calls(self) -> list[Call]:
        """The requests to the offline model; none where a real one answers."""
        return self.stage.openai.calls if self.stage.openai is not None else []

    def claim_carried(self, *words: str, text: str, otherwise: str) -> None:
        """Explain by `text`, if the newest request to the model had these words in it.

        What a real model is asked cannot be looked into: then `otherwise` is said, which the answer itself shows.
        """
        if self.stage.openai is None:
            self.screen.explain(otherwise)
            return
        asked = "\n".join(str(message["content"]) for message in self.calls[-1].body["messages"])
        self.claim(all(word in asked for word in words), text)


async def follow(
    stage: Stage,
    screen: Screen,
    place: Place,
    question: Question,
    *,
    nested: bool,
    enough: Callable[[list[Answer]], bool] | None = None,
    doing: Callable[[], str] = str,
) -> list[Answer]:
    """Show what the bot answers to `question` as it grows. Raises `Unanswered` and `BotEnded`."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            with screen.answer(nested=nested) as show:
                while True:
                    answers = place.answers(question)
                    show([answer.markdown for answer in answers], doing() or place.status(question))
                    if answers and enough is not None and enough(answers):
                        return answers
                    if answers and not await stage.waiting():
                        answers = place.answers(question)
                        show([answer.markdown for answer in answers], "")
                        return answers
                    stage.look()
                    await asyncio.sleep(TICK_SECONDS)
    except TimeoutError:
        raise Unanswered(f"an answer within {ANSWER_SECONDS:g} seconds") from None


async def mention(scene: Scene) -> None:
    """A mention in a channel is answered in its thread."""
    general = scene.cast.general
    scene.screen.act("Slack", general.name, "a mention, answered in its thread while the model writes")
    question = await scene.ask(
        general,
        ADA,
        "@Parley can you give us three ideas for the release? The release is on Thursday. Kim owns the changelog.",
    )
    scene.release = question
    answers = await scene.answered(general, question)
    events = general.events(question)
    edits = sum(answer.edits for answer in answers)
    scene.claim(
        sorted(set(events)) == ["app_mention", "message"] and len(general.answers(question)) == len(answers),
        f"Slack sent this one post as {len(events)} events ({' and '.join(events)}); there is one answer.",
    )
    if edits:
        scene.screen.explain(f"The message was posted early and edited {_times(edits)} while the model wrote.")
    else:
        scene.screen.explain("The model was done so soon that there was nothing to see growing.")


async def follow_up(scene: Scene) -> None:
    """A follow-up needs no mention, and the memory."""
    general = scene.cast.general
    scene.screen.act("Slack", general.name, "somebody else joins in: the name alone is enough")
    question = await scene.ask(general, BEN, "Parley, who owns the changelog again?", scene.release)
    await scene.answered(general, question)
    scene.claim_carried(
        "Ada: can you give us three ideas",
        "Ben: Parley, who owns the changelog",
        text="The model was sent the thread so far, each line with its speaker's name.",
        otherwise="Nobody mentioned Parley; in its own threads it answers who calls it by its name.",
    )


async def reply_chain(scene: Scene) -> None:
    """The same in Discord, where a conversation is a chain of replies."""
    studio = scene.cast.studio
    scene.screen.act("Discord", studio.name, "the same bot in Discord, along a chain of replies")
    question = await scene.ask(
        studio, MIA, "@Parley can you show me a bash snippet that counts the errors in every log file?"
    )
    scene.snippet = question
    [answer, *_] = await scene.answered(studio, question)
    scene.claim(studio.replied_to(answer) == question.id, "The answer is a reply to Mia's message.")
    reply = await scene.ask(studio, LEO, "What did Mia ask?", question)
    await scene.answered(studio, reply)
    scene.claim_carried(
        "Mia: can you show me",
        "Leo: What did Mia ask?",
        text="Leo replied to the answer; the model was sent the chain of replies.",
        otherwise="Leo replied to the answer, and had an answer to that.",
    )
    crowds = [ping for ping in scene.stage.discord.bot_pings if ping.kind not in ("user", "reply")]
    scene.claim(not crowds and not scene.stage.slack.crowd_pings, "No answer so far has pinged a role or a crowd.")


async def redelivery(scene: Scene) -> None:
    """What the platforms send again is answered once."""
    general, screen = scene.cast.general, scene.screen
    screen.act("Slack", general.name, "the platform delivers the same question again and again")
    calls = len(scene.calls)
    question = await scene.ask(general, ADA, "@Parley what is 19% of 2,400?")
    await general.redeliver(question, "app_mention")
    answers = await scene.answered(general, question)
    await general.redeliver(question, "message")
    await asyncio.sleep(DOUBLE_SECONDS)
    events, now = general.events(question), general.answers(question)
    asked = f", {_of(len(scene.calls) - calls, 'request')} to the model" if scene.stage.openai else ""
    scene.claim(
        len(events) == 4 and len(now) == len(answers) and (not scene.calls or len(scene.calls) - calls == 1),
        f"Slack delivered this question {_times(len(events))}, the last time after the answer; one answer{asked}.",
    )
    if scene.snippet is not None:
        studio, before = scene.cast.studio, scene.cast.studio.tally()
        await studio.redeliver(scene.snippet)
        await asyncio.sleep(DOUBLE_SECONDS)
        scene.claim(studio.tally() == before, "Discord repeated Mia's question too: still one answer there.")


async def rate_limit(scene: Scene) -> None:
    """A 429 of the model is waited out."""
    direct, openai = scene.cast.direct, scene.stage.openai
    scene.screen.act("Slack", direct.name, "the model has no time just now")
    if openai is None:
        scene.screen.leave_out("Skipped: a real model can't be told to refuse. Without OPENAI_API_KEY it is shown.")
        return
    openai.faults.add("/chat/completions", errors.rate_limited(RETRY_AFTER))
    first = len(openai.calls)

    def doing() -> str:
        refused = len(openai.calls) == first + 1 and openai.calls[-1].status == 429
        return f"(OpenAI said: 429, Retry-After: {RETRY_AFTER} s)" if refused else ""

    question = await scene.ask(direct, BEN, "What can you do?")
    await scene.answered(direct, question, nested=False, doing=doing)
    refused, *again = openai.calls[first:]
    pause = again[0].started - (refused.finished or 0) if again else 0
    scene.claim(
        refused.status == 429 and len(again) == 1 and pause >= RETRY_AFTER,
        f"The model refused with Retry-After: {RETRY_AFTER}; Parley asked again {pause:.1f} s later. "
        "Ben saw nothing of it but the wait.",
    )


async def crash(scene: Scene) -> None:
    """Killed in the middle of an answer, and started again."""
    general, stage, screen = scene.cast.general, scene.stage, scene.screen
    screen.act("Slack", general.name, "the bot is killed in the middle of an answer")
    question = await scene.ask(general, ADA, "@Parley can you write one paragraph about calm releases?", scene.release)
    halves = await scene.answered(
        general, question, enough=lambda answers: len(answers[0].markdown) >= HALF_ANSWER_CHARACTERS
    )
    killed = stage.pid
    await stage.kill()
    unfinished = bool(await stage.waiting())
    screen.event(f"kill -9 {killed}: the process is gone, its turn {'unfinished' if unfinished else 'just finished'}.")
    began = time.monotonic()
    with screen.waiting("          Starting it again…"):
        await stage.begin()
    screen.event(f"Started again as process {stage.pid}, connected after {time.monotonic() - began:.1f} s.")
    wholes = await scene.answered(general, question)
    grown = sum(len(a.markdown) for a in wholes) > sum(len(a.markdown) for a in halves)
    scene.claim(
        wholes[0].id == halves[0].id and not await stage.waiting() and general.tally().doubled == 0,
        "The new process found the half answer and finished it, in the same message."
        if grown
        else "The whole answer stood there before the kill; the new process said nothing twice.",
    )
    later = await scene.ask(general, BEN, "Parley, and when is the release?", scene.release)
    await scene.answered(general, later)
    scene.claim_carried(
        "The release is on Thursday",
        "Ben: Parley, and when is the release?",
        text="What Ada said to the first process was on disk; the second one knows it.",
        otherwise="The second process goes on in the thread of the first one.",
    )


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the show, and whether a picture of it has it."""

    play: Callable[[Scene], Awaitable[None]]
    pictured: bool = True


ACTS = (
    Act(mention),
    Act(follow_up),
    Act(reply_chain),
    Act(redelivery, pictured=False),
    Act(rate_limit, pictured=False),
    Act(crash),
)


async def play(stage: Stage, screen: Screen, cast: Cast) -> bool:
    """Play every act and count at the end; whether all of it held. Raises `BotEnded`."""
    scene = Scene(stage, screen, cast)
    for act in ACTS:
        with screen.pictured(act.pictured):
            try:
                await act.play(scene)
            except (Unanswered, AssertionError) as failure:
                scene.claim(False, str(failure))
                break
    _count(scene)
    return scene.held


def _count(scene: Scene) -> None:
    stage, places = scene.stage, scene.cast.played
    found = sum((place.tally() for place in places), Tally())
    requests = [*stage.slack.requests, *stage.discord.requests]
    refused = sum(request.status >= 400 for request in requests)
    complaints = [*stage.slack.complaints, *stage.discord.complaints]
    scene.held = scene.held and not (found.doubled or found.lost or refused or complaints)
    rows = [
        (str(found.questions), f"questions, {found.answers} answers, {found.doubled} doubled, {found.lost} lost"),
        (str(len(requests)), f"requests to Slack and Discord, {refused} refused, {len(complaints)} off protocol"),
    ]
    if stage.openai is not None:
        calls = scene.calls
        busy = sum(call.status == 429 for call in calls)
        cut = sum(call.disconnected is not None for call in calls)
        rows.append((str(len(calls)), f"requests to the model: {busy} refused and waited out, {cut} cut by the kill"))
    rows.append((str(len(stage.pids)), "processes of the bot, one after the other, on one database file"))
    for complaint in complaints[:5]:
        scene.screen.complain(complaint)
    scene.screen.summary(rows, held=scene.held)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
