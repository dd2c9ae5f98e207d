"""Intake, claim, finish in any interleaving of two workers, with leases that run out and events that come again."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from bot.errors import LeaseLost, QuestionChanged
from bot.messages import Address, IncomingMessage
from storage import Store
from storage.records import Answer, Claim, Revised
from tests.storage.people import asks, keeps, says

T = TypeVar("T")
EXPIRED, LONG = -3600.0, 3600.0


@dataclass
class Question:
    """What the model of the store knows of one message."""

    message: IncomingMessage
    addressed: bool
    deleted: bool = False
    turn: int | None = None
    text: str = "hello"
    edited_after: int = 0


@dataclass
class Open:
    """What it knows of one turn."""

    conversation: str
    attempts: int = 0
    revision: int = 0
    holder: Claim | None = None
    expired: bool = False
    ended: bool = False
    questions: list[Question] = field(default_factory=list)


class Interleaving(RuleBasedStateMachine):
    """One store, any order of calls; a model of it in dictionaries; both must agree at every step."""

    template: Path
    claims = Bundle("claims")
    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(shutil.copy(self.template, Path(self.folder.name) / "parley.db"))
        self.runner = asyncio.Runner()
        self.store = self.do(Store.open(f"sqlite:///{self.path}"))
        self.questions: dict[str, Question] = {}
        self.turns: dict[int, Open] = {}
        self.answers = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def line(self, conversation: str) -> list[int]:
        """The open turns of a conversation, first the one that may run."""
        return [n for n, turn in sorted(self.turns.items()) if turn.conversation == conversation and not turn.ended]

    @rule(
        target=known,
        conversation=st.sampled_from(("t1", "t2")),
        at=st.integers(0, 20),
        addressed=st.booleans(),
    )
    def a_message_comes(self, conversation: str, at: int, addressed: bool) -> str:
        address = Address("slack", "T1", "C1", conversation)
        question = Question(says(f"m{len(self.questions)}", at=at, address=address), addressed)
        self.questions[question.message.id] = question
        self.accepted(question, addressed, new=True)
        return question.message.id

    @rule(which=known, addressed=st.booleans())
    def it_comes_again(self, which: str, addressed: bool) -> None:
        self.accepted(self.questions[which], addressed, new=False)

    def accepted(self, question: Question, addressed: bool, *, new: bool) -> None:
        conversation = question.message.address.thread or ""
        accepted = self.do(
            self.store.inbox.accept(question.message, conversation, rule=asks if addressed else keeps, complete=True)
        )
        question.addressed = question.addressed or (addressed and not question.deleted)
        if not addressed or question.turn is not None or question.deleted:
            assert accepted.outcome == ("stored" if new else "duplicate")
            assert accepted.turn_id == question.turn
            return
        line = self.line(conversation)
        joins = bool(line) and self.turns[line[-1]].attempts == 0
        assert accepted.outcome == ("joined" if joins else "queued")
        assert accepted.turn_id is not None
        question.turn = accepted.turn_id
        turn = self.turns.setdefault(accepted.turn_id, Open(conversation))
        turn.questions.append(question)
        assert self.line(conversation)[-1] == accepted.turn_id

    @rule(which=known)
    def it_is_deleted(self, which: str) -> None:
        question = self.questions[which]
        revised = self.do(self.store.revisions.delete(question.message.address, question.message.id))
        assert revised.outcome == ("same" if question.deleted else "changed")
        self.is_revised(question, revised)
        question.deleted = True

    @rule(which=known, text=st.sampled_from(("hello", "good morning")), at=st.integers(1, 20))
    def it_is_edited(self, which: str, text: str, at: int) -> None:
        question = self.questions[which]
        edit = replace(question.message, text=text, edited_at=question.message.sent_at + timedelta(seconds=at))
        revised = self.do(self.store.revisions.edit(edit))
        if question.deleted or at < question.edited_after:
            assert revised.outcome == "stale"
            return
        assert revised.outcome == ("same" if text == question.text else "changed")
        question.text, question.edited_after = text, at
        self.is_revised(question, revised)

    def is_revised(self, question: Question, revised: Revised) -> None:
        """A turn that has not ended counts the changes of its questions."""
        if revised.outcome != "changed" or question.turn is None or self.turns[question.turn].ended:
            assert revised.revision is None
            return
        self.turns[question.turn].revision += 1
        assert revised.revision == self.turns[question.turn].revision

    @rule(target=claims, owner=st.sampled_from(("ann", "bob")), lease=st.sampled_from((EXPIRED, LONG)))
    def a_worker_asks_for_work(self, owner: str, lease: float) -> Any:
        claim = self.do(self.store.turns.claim(owner, lease, ["slack"]))
        heads = [line[0] for line in map(self.line, ("t1", "t2")) if line]
        free = [n for n in heads if self.turns[n].holder is None or self.turns[n].expired]
        if claim is None:
            assert free == []
            return multiple()
        assert claim.turn_id == min(free)
        turn = self.turns[claim.turn_id]
        turn.attempts += 1
        assert (claim.attempt, claim.revision) == (turn.attempts, turn.revision)
        turn.holder, turn.expired = claim, lease == EXPIRED
        self.reads(claim, turn)
        return claim

    def reads(self, claim: Claim, turn: Open) -> None:
        """A turn reads its own questions last, in order, and nothing that only a later turn may answer."""
        said = self.do(self.store.history.until(claim.turn_id, claim.conversation_id, 0))
        own = [m.platform_id for m in said if m.turn_id == claim.turn_id]
        ordered = sorted((q for q in turn.questions if not q.deleted), key=lambda q: q.message.sent_at)
        assert sorted(own) == sorted(q.message.id for q in ordered)
        if own:
            assert said[-1].platform_id == own[-1]
            sent = {q.message.id: q.message.sent_at for q in ordered}
            assert [sent[i] for i in own] == sorted(sent.values())
        assert all(m.turn_id is None or m.turn_id <= claim.turn_id for m in said)

    @rule(claim=consumes(claims))
    def it_answers(self, claim: Claim) -> None:
        self.answers += 1
        turn = self.turns[claim.turn_id]
        held = turn.holder is claim
        if held and claim.revision < turn.revision:
            with pytest.raises(QuestionChanged):
                self.do(self.store.turns.finish(claim, "answered"))
            claim = replace(claim, revision=self.do(self.store.turns.begin_again(claim, None)))
            assert claim.revision == turn.revision
        finishing = self.store.turns.finish(
            claim, "answered", answer=Answer(f"a{self.answers}", "B", "Parley", f"to {claim.turn_id}")
        )
        if held:
            self.do(finishing)
            turn.ended, turn.holder = True, None
        else:
            with pytest.raises(LeaseLost):
                self.do(finishing)

    @rule(claim=consumes(claims))
    def it_hands_back(self, claim: Claim) -> None:
        self.do(self.store.turns.release(claim))
        turn = self.turns[claim.turn_id]
        if turn.holder is claim:
            turn.holder = None

    @rule(claim=claims)
    def it_intends_a_part(self, claim: Claim) -> None:
        intending = self.store.turns.intend_part(claim, 1)
        if self.turns[claim.turn_id].holder is claim:
            self.do(intending)
        else:
            with pytest.raises(LeaseLost):
                self.do(intending)

    @precondition(lambda self: self.turns)
    @invariant()
    def the_file_agrees(self) -> None:
        with sqlite3.connect(self.path) as look:
            running = look.execute(
                "SELECT max(n) FROM (SELECT count(*) n FROM turns WHERE state = 'running' GROUP BY conversation_id)"
            ).fetchone()[0]
            stored = dict(look.execute("SELECT platform_id, turn_id FROM messages WHERE role = 'user'").fetchall())
            answers = look.execute("SELECT turn_id FROM messages WHERE role = 'assistant'").fetchall()
        look.close()
        assert running in {None, 1}
        assert stored == {q.message.id: q.turn for q in self.questions.values()}
        assert sorted(answers) == [(n,) for n, turn in sorted(self.turns.items()) if turn.ended]

    def teardown(self) -> None:
        """Whatever happened: every turn that is left can be answered, once and in its order."""
        for turn in self.turns.values():
            if turn.holder is not None:
                self.do(self.store.turns.release(turn.holder))
                turn.holder = None
        while any(not turn.ended for turn in self.turns.values()):
            claim = self.a_worker_asks_for_work("ann", LONG)
            self.it_answers(claim)
        self.the_file_agrees()
        assert all(q.turn is not None for q in self.questions.values() if q.addressed)
        self.do(self.store.close())
        self.runner.close()
        self.folder.cleanup()


def test_whatever_the_interleaving_each_question_has_one_turn_and_each_turn_one_end(migrated: Path) -> None:
    machine = type("InterleavingInFolder", (Interleaving,), {"template": migrated})
    machine.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    machine.TestCase().runTest()  # type: ignore[attr-defined]
