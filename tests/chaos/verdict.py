"""The judgement of a round: does every question have one whole answer, in its place, in order, and nothing besides?

It reads what the platforms show and what the database says once the dust has settled; no figure of the bot's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from bot.files.out import FEW_MESSAGES
from bot.late import late_word
from emulators.slack.model import Attempt
from tests.chaos import rows, shown
from tests.chaos.answers import HEAD, WORD, tokens_said
from tests.chaos.people import People, Question
from tests.chaos.process import Worker, log_lines
from tests.chaos.scene import Scene
from tests.chaos.shown import Shown
from tests.contract import off_contract
from tests.secrecy import Planted, leaks_in_files

# What the bot logs where it met a bug of its own, or gave something up.
NEVER_LOGGED = frozenset({"turn_failed", "turn_given_up", "event_dropped", "event_lost", "command_dropped"})
LATE = late_word(360.0).split()


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that must not be. `token` is the question it is about, "" where it is about none."""

    kind: str
    token: str
    what: str


@dataclass
class Reading:
    """What the messages of the bot say: the questions answered whole, and what is wrong with the rest.

    `long`: the leads of the answers that have so many messages that they come as a file too; `files`: how often each
    stands.
    """

    answered: dict[str, Shown] = field(default_factory=dict)
    long: set[str] = field(default_factory=set)
    files: Counter[str] = field(default_factory=Counter)
    flaws: list[Flaw] = field(default_factory=list)


def read(scene: Scene, questions: dict[str, Question]) -> Reading:
    """Judge what is shown, whenever: while turns run, what is unfinished is a flaw too."""
    reading = Reading()
    by_lead: defaultdict[str, list[tuple[Shown, tuple[str, ...]]]] = defaultdict(list)
    for message in scene.eyes.look():
        if message.file:
            reading.files[message.file] += 1
            continue
        words = _without_late_word(message.words)
        leads = frozenset(_lead_of(word) for word in words)
        if len(leads) == 1 and leads <= questions.keys():
            by_lead[next(iter(leads))].append((message, words))
        else:
            about = next((lead for lead in leads if lead in questions), "")
            where = f"{message.platform} {message.place} {message.id}"
            reading.flaws.append(Flaw("stray", about, f"{where}: {' '.join(words)[:200]}"))
    for lead, messages in by_lead.items():
        _judge(scene, questions, lead, messages, reading)
        if len(messages) > FEW_MESSAGES:
            reading.long.add(lead)
    reading.flaws += [Flaw("doubled", "", f"{name} stands {n} times") for name, n in reading.files.items() if n > 1]
    unanswered = questions.keys() - reading.answered.keys() - {flaw.token for flaw in reading.flaws}
    reading.flaws += [Flaw("lost", token, "no answer at all") for token in sorted(unanswered)]
    reading.flaws += _disordered(scene, questions.values(), reading.answered)
    return reading


def _judge(
    scene: Scene,
    questions: dict[str, Question],
    lead: str,
    messages: Sequence[tuple[Shown, tuple[str, ...]]],
    reading: Reading,
) -> None:
    """One answer's messages: are they one try of the model, whole, where it belongs?"""
    words = tuple(word for _, part in messages for word in part)
    heads = [match for word in words if (match := HEAD.fullmatch(word))]
    # A preview may end in the middle of a token; where a whole answer does, its words are not those of the model.
    tokens = [token for token in tokens_said(words) if token in questions]
    first = messages[0][0]
    answer = scene.answers.get((lead, int(heads[0]["version"]))) if heads else None
    if len(heads) > 1:
        reading.flaws.append(Flaw("doubled", lead, f"{len(heads)} beginnings of an answer"))
    elif answer is None or words != answer.words:
        wrong = _first_wrong(words, answer.words if answer else ())
        reading.flaws.append(Flaw("broken", lead, f"{len(words)} words in {len(messages)} messages: {wrong}"))
    for token in tokens:
        question = questions[token]
        if {(m.platform, m.place) for m, _ in messages} != {(question.platform, question.place)}:
            reading.flaws.append(Flaw("misplaced", token, f"answered in {first.platform} {first.place}"))
        if token in reading.answered:
            reading.flaws.append(Flaw("doubled", token, f"answered for {lead} too"))
        elif answer is not None and words == answer.words:
            reading.answered[token] = first
    if first.reply_to is not None and first.reply_to not in {questions[token].id for token in tokens}:
        reading.flaws.append(Flaw("misplaced", lead, f"replies to {first.reply_to}"))


def _first_wrong(words: Sequence[str], expected: Sequence[str]) -> str:
    for number, (said, right) in enumerate(zip(words, expected, strict=False)):
        if said != right:
            return f"word {number} is {said} instead of {right}"
    return f"{len(expected)} words were expected, it ends with {words[-1]}"


def _disordered(scene: Scene, questions: Iterable[Question], answered: dict[str, Shown]) -> list[Flaw]:
    """Within a conversation, answers stand in the order of their questions, as far as the platform told of it."""
    flaws: list[Flaw] = []
    latest: dict[int, tuple[tuple[int, ...], Question]] = {}
    for question in questions:
        if question.token not in answered:
            continue
        stands = tuple(int(number) for number in answered[question.token].id.split("."))
        before = latest.get(question.conversation)
        if before is None or stands >= before[0]:
            latest[question.conversation] = stands, question
        elif not (_told_apart(scene, before[1], question) or _read_back_late(scene, before[1], question)):
            flaws.append(Flaw("disordered", question.token, f"its answer stands before that to {before[1].token}"))
    return flaws


def _told_apart(scene: Scene, earlier: Question, later: Question) -> bool:
    """Whether Slack told of two questions by two connections, or of the earlier one again: so that whoever heard of the
    later one can't have known that there was another before it.

    A process that stood still hears, once it goes on, of what Slack has given up by then: in the order in which it was
    told.
    """
    told: dict[object, list[Attempt]] = {}
    for delivery in scene.slack.deliveries:
        reached = [attempt for attempt in delivery.attempts if attempt.fate in ("acked", "timeout")]
        told.setdefault(delivery.event.get("ts"), []).extend(reached)
    firsts, seconds = told.get(earlier.id, []), told.get(later.id, [])
    first, second = (next((one for one in tries if one.fate == "acked"), None) for tries in (firsts, seconds))
    if first and second and (first.connection != second.connection or first.at > second.at):
        return True
    on_that_one = ([each.at for each in firsts if each.connection == one.connection] for one in seconds)
    return any(at and min(at) > one.at for one, at in zip(seconds, on_that_one, strict=True))


def _read_back_late(scene: Scene, earlier: Question, later: Question) -> bool:
    """Whether a question was found in a place's history when a newer one had waited for that as long as one may."""
    held_until = rows.held_until(scene.database, later.token)
    if not held_until:
        return False
    # A hold lasts as long as its process lives.
    asked = rows.queued_at(scene.database, later.token)
    stood_still = sum(max(0, until - max(since, asked)) for since, until in scene.stood_still)
    return rows.queued_at(scene.database, earlier.token) > held_until + stood_still


@lru_cache(maxsize=100_000)
def _lead_of(word: str) -> str:
    match = WORD.fullmatch(word)
    return match["lead"] if match else ""


def _without_late_word(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without the sentence that goes before an answer which comes minutes late."""
    # Between its beginning and its end stands how long ago it was asked.
    begins = [*words[:6], *words[8:9]] == [*LATE[:6], *LATE[8:9]]
    return words[len(LATE) :] if begins else words


def at_the_end(scene: Scene, people: People, workers: Sequence[Worker]) -> list[Flaw]:
    """All flaws of a round after its last process ended in order."""
    reading = read(scene, people.questions)
    flaws = list(reading.flaws)
    if len(reading.long) != len(reading.files):
        flaws.append(Flaw("lost", "", f"{len(reading.long)} long answers came with {len(reading.files)} files"))
    flaws += [Flaw("unsettled", "", what) for what in rows.unsettled(scene.database)]
    flaws += [
        Flaw("stuck status", "", f"{status.channel} {status.thread_ts} shows {status.text!r}")
        for status in {(s.channel, s.thread_ts): s for s in scene.slack.statuses}.values()
        if scene.slack.status(status.channel, status.thread_ts)
    ]
    locks = sorted(path.name for path in scene.folder.glob("parley.db-worker-*"))
    if len(locks) > 1:
        flaws.append(Flaw("left behind", "", f"{len(locks)} files of dead workers: {locks}"))
    requests = [*scene.slack.requests, *scene.discord.requests]
    complaints = [*scene.slack.complaints, *scene.discord.complaints, *dict.fromkeys(off_contract(requests))]
    flaws += [Flaw("off protocol", "", complaint) for complaint in complaints]
    flaws += [Flaw("in the log", "", f"worker {w.number}: {line}") for w in workers for line in _alarming(w)]
    flaws += [Flaw("leaked", "", leak) for leak in leaks_in_files((w.log for w in workers), _planted(scene))]
    return flaws


def _planted(scene: Scene) -> Planted:
    planted = Planted({"sk-emulated-key"}, {answer.text for answer in scene.answers.values()})
    return planted.add(scene.slack, scene.discord)


def _alarming(worker: Worker) -> list[str]:
    found = []
    for line in log_lines(worker.log):
        if isinstance(line, str):
            found.append(line)
        elif line.get("event") in NEVER_LOGGED:
            found.append(str(line))
    # The last line of a killed process may be cut.
    return found[:20]


def report(scene: Scene, people: People, workers: Sequence[Worker], flaw: Flaw) -> str:
    """Everything there is to know about a flaw, so that it can be understood without running again."""
    lines = [f"=== {flaw.kind} {flaw.token} (round {scene.plan.number}, seed {scene.plan.seed}): {flaw.what}"]
    question = people.questions.get(flaw.token)
    if question is not None:
        keys, stored = rows.of_question(scene.database, flaw.token)
        lines += [f"question: {question}", "--- the place:"]
        together = frozenset(q.token for q in people.questions.values() if q.conversation == question.conversation)
        lines += shown.lives(scene.slack, scene.discord, question.platform, question.place, together)
        told = [each for each in scene.slack.deliveries if each.event.get("ts") == question.id]
        lines += [f"told: {each.state}, {[attempt.fate for attempt in each.attempts]}" for each in told]
        lines += ["--- rows:", *map(str, stored), "--- log:"]
        for worker in workers:
            lines += [
                f"worker {worker.number}: {line}"
                for line in log_lines(worker.log)
                if isinstance(line, dict) and (line.get("turn") in keys or line.get("message") == question.id)
            ]
    return "\n".join(lines)
