"""What will happen in a run, drawn from a seed: rounds of steps, each with questions, faults and a death. Pure.

The same seed gives the same plan; when exactly a process dies within it, the machine decides.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot import crash
from tests.chaos.faults import HARMS, HARMS_OF_MODEL, Party

Platform = Literal["slack", "discord"]
PLATFORMS: tuple[Platform, ...] = ("slack", "discord")
Focus = Literal["slack", "discord", "both"]
Where = Literal["new", "follow", "burst", "direct", "thread"]
Ending = Literal["crash", "kill", "term", "overlap kill", "overlap term", "stop"]

Death = tuple[Ending, crash.Point | None]
_CRASHES: tuple[Death, ...] = tuple(("crash", point) for point in crash.POINTS)
# One of everything, and what hosts do most of all once more.
ONCE: tuple[Death, ...] = (
    *_CRASHES,
    ("kill", None),
    ("term", None),
    ("overlap kill", None),
    ("overlap term", None),
    ("stop", None),
)
AGAIN: tuple[Death, ...] = (
    ("kill", None),
    ("kill", None),
    ("kill", None),
    ("kill", None),
    ("term", None),
    ("term", None),
    ("overlap term", None),
    ("stop", None),
)
# So many steps share emulators and a database: what is read back after each start stays as much as in a real life.
STEPS_PER_ROUND = 24


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody asks something, `at` seconds after the step began."""

    at: float
    platform: Platform
    where: Where


@dataclass(frozen=True, slots=True)
class Harm:
    """A fault that is injected `at` seconds after the step began; the names are those of `faults.py`."""

    at: float
    party: Party
    kind: str


@dataclass(frozen=True, slots=True)
class Step:
    """The life of one process: what happens meanwhile, and how it ends.

    `point` and `count` arm a crash point. `lasts`: seconds from its start (`early`) or from when it is connected to the
    end that comes from outside. `pause`: seconds with no process at all, in which `asks_down` are asked.
    `finishes`: of two processes that overlap, how the old one ends.
    """

    ending: Ending
    point: crash.Point | None
    count: int
    focus: Focus
    lasts: float
    early: bool
    pause: float
    finishes: Literal["kill", "term"]
    asks: tuple[Ask, ...]
    asks_down: tuple[Ask, ...]
    harms: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """One set of emulators and one database, and the processes that live on them one after the other.

    Answers without `buttons` grow on Slack by its native streams, those with them by edits.
    """

    number: int
    seed: str
    drop_unconnected: bool
    limits: Literal["published", "none"]
    buttons: bool
    steps: tuple[Step, ...]


def rounds(kills: int, seed: int, lanes: int) -> list[Round]:
    """The whole plan: `kills` deaths in rounds that `lanes` can play beside each other.

    A short run is cut into as many rounds as there are lanes: there the plan depends on their number too.
    """
    dice = random.Random(f"plan {seed}")
    endings: list[Death] = []
    while len(endings) < kills:
        deck = [*ONCE, *AGAIN][: kills - len(endings)]
        dice.shuffle(deck)
        endings += deck
    size = min(STEPS_PER_ROUND, -(-kills // lanes))
    chunks = [endings[at : at + size] for at in range(0, len(endings), size)]
    return [_round(number, f"{seed}.{number}", chunk) for number, chunk in enumerate(chunks)]


def _round(number: int, seed: str, endings: Sequence[Death]) -> Round:
    dice = random.Random(f"round {seed}")
    return Round(
        number,
        seed,
        drop_unconnected=number % 2 == 1,
        limits="published" if number // 2 % 2 == 0 else "none",
        buttons=(number + number // 2) % 2 == 0,
        steps=tuple(_step(dice, ending, point) for ending, point in endings),
    )


def _step(dice: random.Random, ending: Ending, point: crash.Point | None) -> Step:
    focus: Focus = dice.choice(("slack", "discord", "both", "both"))
    if point == "in_recovery":
        # Discord's sends are repeated rather than looked for, as long as its nonces are known.
        focus = "slack"
    lasts = dice.uniform(0.3, 2.5)
    count = 1 if point in {"in_recovery", "at_hand_over", "before_finish"} else dice.randint(1, 3)
    if point in {"mid_stream", "in_catch_up"}:
        count = dice.randint(1, 12)
    harms = [Harm(dice.uniform(0, lasts), *dice.choice(_harms_for(focus))) for _ in range(dice.choice((0, 1, 1, 2)))]
    if point == "in_recovery":
        harms.append(Harm(0.0, "slack", dice.choice(("post lost reply", "post 500", "post reset"))))
    return Step(
        ending,
        point,
        count,
        focus,
        lasts,
        early=point is None and dice.random() < 0.2,
        pause=dice.choice((0.0, 0.0, dice.uniform(0.2, 2.0))),
        finishes=dice.choice(("kill", "term")),
        asks=tuple(_ask(dice, focus, dice.uniform(0, lasts)) for _ in range(dice.randint(1, 3))),
        asks_down=tuple(_ask(dice, focus, 0.0) for _ in range(dice.choice((0, 1, 1, 2)))),
        harms=tuple(harms),
    )


def _harms_for(focus: Focus) -> list[tuple[Party, str]]:
    platforms = PLATFORMS if focus == "both" else (focus,)
    of_platforms: list[tuple[Party, str]] = [(platform, kind) for platform in platforms for kind in HARMS[platform]]
    return [*of_platforms, *(("model", kind) for kind in HARMS_OF_MODEL)]


def _ask(dice: random.Random, focus: Focus, at: float) -> Ask:
    return ask(dice, dice.choice(PLATFORMS) if focus == "both" else focus, at)


def ask(dice: random.Random, platform: Platform, at: float = 0.0) -> Ask:
    """Some question on a platform."""
    where: tuple[Where, ...] = ("new", "new", "follow", "follow", "burst", "direct", "thread")
    return Ask(at, platform, dice.choice(where))
