"""What people do with the bot's own controls: `/parley`, buttons, forms and the Home tab, each handed to the core.

A form must be opened within three seconds of the command or press it answers, and a form that was sent be answered
within three seconds too (https://docs.slack.dev/interactivity/handling-user-interaction): what comes too late for
that is said in words. Every use of a control is carried out once, however often Slack tells of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import forms, response_urls
from adapters.slack.answers import AnswerControls, id_of
from adapters.slack.blockkit import SETTINGS
from adapters.slack.buttons import pressed_button
from adapters.slack.connection import Timing
from adapters.slack.failures import SlackFault, ask
from adapters.slack.home import home_view
from adapters.slack.names import Lookups
from adapters.slack.once import OnceEach
from adapters.slack.parsing import PLATFORM, Identity
from adapters.slack.people import Person
from adapters.slack.sessions import Sessions
from adapters.slack.uploads import upload
from adapters.slack.values import clean, fields, unescape
from adapters.slack.whispers import open_direct, tell
from bot.adapter import Sink
from bot.command_line import split_command
from bot.errors import ParleyError
from bot.interactions import CommandAnswer, Form, FormSubmitted, HomePage, HomeSection, OutgoingFile
from bot.messages import Address, Author, CommandInvoked

log = structlog.get_logger(__name__)

# A view that is changed at once could be overtaken by the acknowledgement that changes it too.
_AFTER_ACKNOWLEDGEMENT = 0.5

_NOT_SHOWN = "I couldn't put the picture into this channel just now."
_WHY_NOT_SHOWN = {
    "missing_scope": (
        "I couldn't put the picture into this channel: I lack the scope `files:write`. "
        "An admin can paste what `parley manifest slack` prints, and install the app again."
    ),
    "not_in_channel": "I couldn't put the picture into this channel, as I'm not in it. Invite me, and ask again.",
}
_WHY_NOT_SHOWN["channel_not_found"] = _WHY_NOT_SHOWN["not_in_channel"]
_NOT_SENT = "I couldn't send you the picture just now."
_SCOPE_LACKED = (
    "I couldn't send you the picture in a direct message: I lack the scope `{scope}`. "
    "An admin can paste what `parley manifest slack` prints, and install the app again."
)


@dataclass(frozen=True, slots=True)
class _Use:
    """One command or press: where and whose, and how it can be answered.

    `until`: the loop's time from which on its trigger is taken for too old to open a form.
    """

    address: Address
    author: Author
    id: str
    trigger: str
    response_url: object
    until: float
    at_home: bool = False


class Interactive:
    """Takes in what people do with the controls of one workspace, for as long as the adapter serves."""

    def __init__(
        self,
        me: Identity,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        people: Lookups[Person],
        *,
        sink: Sink,
        timing: Timing,
        sessions: Sessions,
    ) -> None:
        self._me = me
        self._web = web
        self._session = session
        self._people = people
        self._sink = sink
        self._timing = timing
        self._uses = OnceEach()
        self._home_works = True
        self._answers = AnswerControls(me, web, sink, self._author, self._uses, sessions, timing.lookup)

    def command(self, body: Mapping[str, Any]) -> None:
        """Start on a slash command."""
        until = self._too_late()
        self._uses.begin(_use_of(body), lambda: self._command(body, until))

    async def press(self, body: Mapping[str, Any]) -> None:
        """Start on what a button asks for; of one under an answer, return once that is durable."""
        until = self._too_late()
        under = pressed_button(body)
        if under is None:
            self._uses.begin(_use_of(body), lambda: self._press(body, until))
        else:
            await asyncio.shield(self._uses.begin(_use_of(body), lambda: self._answers.press(body, *under)))

    def visit(self, body: Mapping[str, Any]) -> None:
        """Start on the page of somebody who opened the Home tab."""
        event = fields(body.get("event"))
        user = clean(event.get("user"))
        if user and event.get("tab") == "home":
            self._uses.begin(body.get("event_id"), lambda: self._show_home(user))

    def stop(self, body: Mapping[str, Any]) -> None:
        """Start on ending what is written in a thread, where somebody pressed Slack's own stop button.

        https://docs.slack.dev/reference/events/agent_session_stopped
        """
        event = fields(body.get("event"))
        user, channel, thread = (clean(event.get(name)) for name in ("user", "channel", "thread_ts"))
        if user and channel and thread:
            self._uses.begin(body.get("event_id"), lambda: self._answers.stop(user, channel, thread))

    async def submit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Take a form in; what to acknowledge it with."""
        carried = self._uses.begin(_use_of(body), lambda: self._submit(body))
        payload: dict[str, Any] = await asyncio.shield(carried)
        return payload

    async def close(self) -> None:
        """Give what is under way a moment to be answered, then end it."""
        await self._uses.close(self._timing.settle)

    # Commands and presses

    async def _command(self, body: Mapping[str, Any], until: float) -> None:
        user, channel = clean(body.get("user_id")), clean(body.get("channel_id"))
        if not user or not channel:
            log.warning("slack_command_malformed")
            return
        author = await self._author(user, clean(body.get("user_name")))
        name, arguments = split_command(unescape(clean(body.get("text"))))
        address = Address(PLATFORM, self._me.team_id or clean(body.get("team_id")), channel)
        trigger = clean(body.get("trigger_id"))
        use = _Use(address, author, id_of(trigger), trigger, body.get("response_url"), until)
        await self._carry_out(use, name, arguments)

    async def _press(self, body: Mapping[str, Any], until: float) -> None:
        actions = body.get("actions")
        pressed = [fields(action) for action in (actions if isinstance(actions, list) else ())]
        channel = next((clean(action.get("value")) for action in pressed if action.get("action_id") == SETTINGS), "")
        person = fields(body.get("user"))
        user = clean(person.get("id"))
        if not channel or not user:
            log.warning("slack_press_unknown")
            return
        author = await self._author(user, clean(person.get("name")) or clean(person.get("username")))
        address = Address(PLATFORM, self._me.team_id or clean(fields(body.get("team")).get("id")), channel)
        trigger = clean(body.get("trigger_id"))
        at_home = fields(body.get("view")).get("type") == "home"
        use = _Use(address, author, id_of(trigger), trigger, body.get("response_url"), until, at_home)
        await self._carry_out(use, "", ())

    async def _carry_out(self, use: _Use, name: str, arguments: tuple[str, ...]) -> None:
        command = CommandInvoked(use.address, use.author, name, arguments, id=use.id)
        try:
            answer = await self._sink.command(command)
        except Exception as error:  # noqa: BLE001 - who gave the command must hear of it, whatever it was
            log.error("slack_command_failed", command=name, error=type(error).__name__)
            answer = CommandAnswer(_sentence(error))
        if answer.form is not None and await self._open(use, answer.form):
            return
        await self._say(use, answer.text, with_button=answer.form is not None or name == "show")
        if answer.file is not None:
            await self._upload(use, answer.file)

    async def _open(self, use: _Use, form: Form) -> bool:
        """Open a form; whether that could be."""
        view = forms.modal(form, at_home=use.at_home)
        if view is None or not use.trigger:
            return False
        if asyncio.get_running_loop().time() > use.until:
            log.info("slack_form_too_late")
            return False
        return await self._show_view(use, view)

    async def _show_view(self, use: _Use, view: Mapping[str, Any]) -> bool:
        try:
            await ask(self._web.views_open(trigger_id=use.trigger, view=dict(view)))
        except SlackFault as fault:
            log.info("slack_view_not_opened", code=fault.code, status=fault.status)
            return False
        return True

    async def _say(self, use: _Use, text: str, *, with_button: bool = False) -> None:
        """Answer in words; the Home tab has no place for them but a view."""
        if not use.at_home:
            settings_of = use.address.channel if with_button else ""
            await response_urls.answer(self._session, use.response_url, text, settings_of)
        elif not await self._show_view(use, forms.notice("Settings", text)):
            await tell(self._web, use.address, use.author.id, text)

    async def _upload(self, use: _Use, file: OutgoingFile) -> None:
        if file.private:
            await self._upload_privately(use, file)
            return
        try:
            await upload(self._web, use.address, file)
        except SlackFault as fault:
            log.warning("slack_upload_failed", code=fault.code, status=fault.status)
            await self._say(use, _WHY_NOT_SHOWN.get(fault.code, _NOT_SHOWN))

    async def _upload_privately(self, use: _Use, file: OutgoingFile) -> None:
        """Put a file before one person alone: Slack has no ephemeral files, so it is their direct conversation."""
        scope = "im:write"
        try:
            address = await open_direct(self._web, self._me.team_id, use.author.id)
            scope = "files:write"
            await upload(self._web, address, file)
        except SlackFault as fault:
            log.warning("slack_private_upload_failed", code=fault.code, status=fault.status)
            sentence = _SCOPE_LACKED.format(scope=scope) if fault.code == "missing_scope" else _NOT_SENT
            await self._say(use, sentence)

    # Forms

    async def _submit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        person = fields(body.get("user"))
        user, name = clean(person.get("id")), clean(person.get("name"))
        workspace = self._me.team_id or clean(fields(body.get("team")).get("id"))
        submission = forms.read(body.get("view"), workspace)
        if submission is None or not user:
            log.warning("slack_submission_malformed")
            return {}
        taking_in = self._uses.own(self._take_in(submission, user, name))
        done, _ = await asyncio.wait({taking_in}, timeout=self._timing.submission)
        if not done:
            self._uses.own(self._answer_later(submission, user, taking_in))
            return {"response_action": "update", "view": forms.working(submission)}
        answer = taking_in.result()
        if answer.problems:
            return forms.refusal(submission, answer.problems)
        self._uses.own(self._answer_now(submission, user, answer))
        return {}

    async def _take_in(self, submission: forms.Submission, user: str, name: str) -> CommandAnswer:
        try:
            author = await self._author(user, name)
            return await self._sink.form(FormSubmitted(submission.address, author, submission.form, submission.values))
        except Exception as error:  # noqa: BLE001 - who sent the form must hear of it, whatever it was
            log.error("slack_form_failed", form=submission.form, error=type(error).__name__)
            sentence = _sentence(error)
            return CommandAnswer(sentence, problems={next(iter(submission.values), ""): sentence})

    async def _answer_now(self, submission: forms.Submission, user: str, answer: CommandAnswer) -> None:
        await tell(self._web, submission.address, user, answer.text)
        await self._refresh(submission, user)

    async def _answer_later(
        self, submission: forms.Submission, user: str, taking_in: asyncio.Task[CommandAnswer]
    ) -> None:
        """Finish the view that says "Working on it"; where it was closed meanwhile, say it beside the channel."""
        answer = await taking_in
        await asyncio.sleep(_AFTER_ACKNOWLEDGEMENT)
        view = forms.again(submission, answer) if answer.problems else forms.told(submission, answer.text)
        try:
            await ask(self._web.views_update(view_id=clean(submission.view.get("id")), view=view))
        except SlackFault as fault:
            log.info("slack_view_not_updated", code=fault.code, status=fault.status)
            text = f"{answer.text}\n\n{forms.listed(answer.problems)}" if answer.problems else answer.text
            await tell(self._web, submission.address, user, text)
        if not answer.problems:
            await self._refresh(submission, user)

    # The Home tab

    async def _refresh(self, submission: forms.Submission, user: str) -> None:
        """The Home tab shows what was changed from it."""
        if submission.at_home:
            await self._show_home(user)

    async def _show_home(self, user: str) -> None:
        author = await self._author(user, "")
        try:
            page = await self._sink.home(author, PLATFORM, self._me.team_id)
        except Exception as error:  # noqa: BLE001 - an empty page would say nothing of it
            log.error("slack_home_failed", error=type(error).__name__)
            page = HomePage((HomeSection(_sentence(error)),))
        try:
            await ask(self._web.views_publish(user_id=user, view=home_view(page)))
            self._home_works = True
        except SlackFault as fault:
            if self._home_works:  # said once: every visit would say it again
                log.warning("slack_home_not_published", code=fault.code, status=fault.status)
            self._home_works = False

    # What these share

    async def _author(self, user: str, name: str, within: float | None = None) -> Author:
        known = await self._people.find([user], within=within or self._timing.call, fresh=[user])
        return known.get(user, Person(name or user)).as_author(user)

    def _too_late(self) -> float:
        return asyncio.get_running_loop().time() + self._timing.trigger


def _sentence(error: Exception) -> str:
    return error.sentence if isinstance(error, ParleyError) else ParleyError.sentence


def _use_of(body: Mapping[str, Any]) -> str:
    """What is the same however often Slack tells of one use of a control, and of no other use; empty where it says
    nothing that is."""
    trigger = clean(body.get("trigger_id"))
    actions = body.get("actions")
    action = fields(actions[0]) if isinstance(actions, list) and actions else {}
    view = fields(body.get("view"))
    told = (body.get("command"), body.get("text"), action.get("action_id"), action.get("action_ts"), view.get("id"))
    return "\0".join((trigger, *map(clean, told))) if trigger else ""
