"""One round played: processes that live and die by the plan, while people ask and everything around them fails.

What a death does to the product is not looked at here: the verdict comes when the dust has settled.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from storage.records import now
from tests.chaos import faults, rows, verdict
from tests.chaos.people import People
from tests.chaos.plan import PLATFORMS, Ask, Harm, Round, Step, ask
from tests.chaos.process import STARTS_WITHIN_SECONDS, Worker
from tests.chaos.scene import LEASE_SECONDS, Scene, raise_scene
from tests.chaos.tally import Tally
from tests.chaos.verdict import Flaw

LOOK_SECONDS = 0.25
# How long a stopped process may keep the next one waiting; a start waits for a held database three times as long.
STOPPED_FOR_SECONDS = 10.0
# A process that does not come by its crash point is given more to do, for so long; then it is killed all the same.
NUDGE_SECONDS = 1.5
REACHES_WITHIN_SECONDS = 60.0
# With more questions open than this, people wait.
MOST_OPEN = 12
# The bot gives a turn up that was running when eight processes died. It shall not come to that here, where a step may
# add two or three: one that stands still counts as well.
MOST_DEATHS = 3
# The dust has settled when all is answered; it never will when nothing changes for so long.
PATIENCE_SECONDS = 180.0
# And then nothing may come any more: longer than anybody waits for a message on its way.
QUIET_SECONDS = 1.5


class Playing:
    """A round while it is played."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.people = People(scene)
        self.tally = Tally(rounds=1)
        self.flaws: list[Flaw] = []
        self.workers: list[Worker] = []
        self._dice = random.Random(f"playing {scene.plan.seed}")
        self._deaths: list[float] = []
        self._answered: set[str] = set()

    async def run(self) -> None:
        """Play every step and let the dust settle."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch())
                await self._play()
                watching.cancel()
        finally:
            for each in self.workers:
                each.go_on()
                await each.kill()

    async def _play(self) -> None:
        await self._open()
        worker = await self._begin(self.scene.plan.steps[0])
        following: list[Step | None] = [*self.scene.plan.steps[1:], None]
        for step, after in zip(self.scene.plan.steps, following, strict=True):
            worker = await self._step(step, worker, after)
        await self._settle(worker)

    # ---- processes

    async def _start(self, step: Step | None = None) -> Worker:
        armed, count = (step.point, step.count) if step is not None else (None, 1)
        worker = await Worker.start(self.scene, len(self.workers), armed, count)
        self.workers.append(worker)
        return worker

    async def _open(self) -> None:
        """The very first process meets everybody, so that the places which can't be found by reading are known."""
        worker = await self._start()
        await worker.connected()
        await self.people.open_direct_talks()
        await self._until(lambda: not self._open_questions())
        await worker.kill()

    async def _begin(self, step: Step | None, beside: Worker | None = None) -> Worker:
        """Start the process of a step, once no turn is near to being given up; `beside` is one that still runs."""
        if not self._can_go_on():
            relief = beside if beside is not None and not beside.dead else await self._start()
            await self._until(lambda: relief.dead or self._at_ease())
            if relief is not beside:
                self._expect_order(relief, await relief.terminate())
        return await self._start(step)

    def _can_go_on(self) -> bool:
        return rows.most_deaths(self.scene.database) <= MOST_DEATHS and len(self._open_questions()) <= MOST_OPEN

    def _at_ease(self) -> bool:
        return rows.most_deaths(self.scene.database) <= MOST_DEATHS and len(self._open_questions()) <= MOST_OPEN // 2

    def _expect_order(self, worker: Worker, code: int) -> None:
        # One that is told to end while it still loads has nothing to put in order: the signal ends it.
        unready = code == -signal.SIGTERM and not worker.has_spoken
        if code != 0 and not unready and not (worker.armed and worker.fell):
            self.flaws.append(Flaw("bad exit", "", f"worker {worker.number} ended with {code}"))

    # ---- steps

    async def _step(self, step: Step, worker: Worker, after: Step | None) -> Worker:
        script = asyncio.create_task(self._act_out(step))
        if not step.early:
            await worker.connected()
        if step.ending == "crash" and step.point != "at_hand_over":
            await self._until_it_falls(step, worker)
        else:
            await worker.ended(step.lasts)
        await script
        if worker.dead and not (worker.armed and worker.fell):
            self.flaws.append(
                Flaw("bad exit", "", f"worker {worker.number} ended by itself: {worker.process.returncode}")
            )
        return await self._end(step, worker, after)

    async def _until_it_falls(self, step: Step, worker: Worker) -> None:
        until = time.monotonic() + REACHES_WITHIN_SECONDS
        while not await worker.ended(NUDGE_SECONDS) and time.monotonic() < until:
            if len(self._open_questions()) <= MOST_OPEN:
                platform = step.focus if step.focus != "both" else self._dice.choice(PLATFORMS)
                await self.people.ask(ask(self._dice, platform))
            if step.point == "in_recovery":
                await faults.on_slack(self.scene.slack, "post lost reply", self._dice)

    async def _end(self, step: Step, worker: Worker, after: Step | None) -> Worker:
        """Let a step's process die as planned; returns the next one."""
        if worker.dead:
            self._died(step, str(step.point))
            return await self._after_a_death(step, after)
        match step.ending:
            case "overlap kill" | "overlap term" | "stop":
                return await self._overlap(step, worker, after)
            case "term":
                self._expect_order(worker, await worker.terminate())
                self._died(step, "term")
            case "crash" if step.point == "at_hand_over":
                await self._keep_writing(step, worker)
                self._expect_order(worker, await worker.terminate())
                self._died(step, "at_hand_over" if worker.fell else "term", reached=worker.fell)
            case _:
                await self._kill(worker)
                self._died(step, "kill", reached=step.ending != "crash")
        return await self._after_a_death(step, after)

    async def _keep_writing(self, step: Step, worker: Worker) -> None:
        """Have an answer under way that can't be finished in time: else there would be nothing to hand over."""
        platform = step.focus if step.focus != "both" else self._dice.choice(PLATFORMS)
        self.scene.slow = True
        await self.people.ask(Ask(0.0, platform, "new"))
        newest = next(reversed(self.people.questions))
        await self._until(lambda: worker.dead or any(lead == newest for lead, _ in self.scene.answers))
        self.scene.slow = False

    async def _kill(self, worker: Worker) -> None:
        await self._until(lambda: worker.dead or rows.most_deaths(self.scene.database) <= MOST_DEATHS)
        await worker.kill()

    async def _after_a_death(self, step: Step, after: Step | None) -> Worker:
        for each in step.asks_down:
            await self.people.ask(each)
        await asyncio.sleep(step.pause)
        return await self._begin(after)

    async def _overlap(self, step: Step, old: Worker, after: Step | None) -> Worker:
        """The next process starts before the old one ends, as Heroku does it, or beside one that stands still."""
        await self._until(lambda: old.dead or rows.most_deaths(self.scene.database) <= MOST_DEATHS)
        if step.ending == "stop":
            # Beside one that stands still with the database locked nobody else would come to any ease.
            await self._until(lambda: old.dead or self._can_go_on())
            old.stop()
            stopped_at = now()
            new = await self._start(after)
        else:
            new = await self._begin(after, beside=old)
        # One that was stopped in the middle of writing keeps the database locked: the next one waits for it.
        await new.connected(STOPPED_FOR_SECONDS if step.ending == "stop" else STARTS_WITHIN_SECONDS)
        for each in step.asks_down:
            await self.people.ask(each)
        if step.ending == "stop":
            await asyncio.sleep(LEASE_SECONDS + 0.5 + step.pause)
            old.go_on()
            self.scene.stood_still.append((stopped_at, now()))
            await new.connected()
        await asyncio.sleep(step.lasts / 2)
        if (step.finishes if step.ending == "stop" else step.ending.removeprefix("overlap ")) == "kill":
            await old.kill()
        else:
            self._expect_order(old, await old.terminate())
        self._died(step, step.ending)
        return new

    def _died(self, step: Step, how: str, *, reached: bool = True) -> None:
        self._deaths.append(time.monotonic())
        self.tally.kills[how] += 1
        self.tally.kills_in[how, step.focus] += 1
        if not reached:
            self.tally.missed[str(step.point)] += 1

    # ---- what happens meanwhile

    async def _act_out(self, step: Step) -> None:
        began = time.monotonic()
        acts: list[Ask | Harm] = [*step.asks, *step.harms]
        for act in sorted(acts, key=lambda each: each.at):
            await asyncio.sleep(max(0.0, began + act.at - time.monotonic()))
            if isinstance(act, Harm):
                await self._harm(act)
            else:
                await self.people.ask(act)

    async def _harm(self, harm: Harm) -> None:
        self.tally.faults[f"{harm.party} {harm.kind}"] += 1
        match harm.party:
            case "slack":
                await faults.on_slack(self.scene.slack, harm.kind, self._dice)
            case "discord":
                await faults.on_discord(self.scene.discord, harm.kind, self._dice)
            case "model":
                await faults.on_model(self.scene.openai, harm.kind, self._dice)

    async def _watch(self) -> None:
        """See answers come, and how long they took after the last death."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            seen = verdict.read(self.scene, self.people.questions).answered.keys()
            moment = time.monotonic()
            for token in seen - self._answered:
                deaths = [at for at in self._deaths if at > self.people.questions[token].at]
                if deaths:
                    self.tally.slowest = max(self.tally.slowest, moment - deaths[-1])
            self._answered = set(seen)

    def _open_questions(self) -> set[str]:
        return self.people.questions.keys() - self._answered

    # ---- the end

    async def _settle(self, worker: Worker) -> None:
        for emulator in (self.scene.slack, self.scene.discord, self.scene.openai):
            emulator.faults.clear()
        await self._until(lambda: not self._open_questions() and not rows.open_turns(self.scene.database))
        await asyncio.sleep(QUIET_SECONDS)
        self._expect_order(worker, await worker.terminate())
        self.flaws += verdict.at_the_end(self.scene, self.people, self.workers)
        self.tally.questions = len(self.people.questions)
        self.tally.answered = len(verdict.read(self.scene, self.people.questions).answered)
        self.tally.tries = len(self.scene.answers)
        self.tally.faults.update(self.scene.hurt)
        self.tally.flaws.update(flaw.kind for flaw in self.flaws)
        self.tally.reports += [verdict.report(self.scene, self.people, self.workers, flaw) for flaw in self.flaws]

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Wait for it as long as anything changes."""
        before: object = None
        until = 0.0
        while not reached():
            now = (len(self._answered), rows.open_turns(self.scene.database), len(self.scene.answers))
            if now != before:
                before, until = now, time.monotonic() + PATIENCE_SECONDS
            if time.monotonic() > until:
                self._waited_in_vain()
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _waited_in_vain(self) -> None:
        """Say what was waited for. Whether it is a flaw is seen at the end: the platform may have lost an event."""
        for token in sorted(self._open_questions()):
            stalled = Flaw("waited for", token, f"nothing changed for {PATIENCE_SECONDS:.0f} s")
            self.tally.reports.append(verdict.report(self.scene, self.people, self.workers, stalled))


def play(plan: Round, folder: Path) -> Tally:
    """Play a round in a folder of its own, which is left for those who look for a cause."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_play(plan, folder))


async def _play(plan: Round, folder: Path) -> Tally:
    async with raise_scene(plan, folder) as scene:
        playing = Playing(scene)
        await playing.run()
        return playing.tally
