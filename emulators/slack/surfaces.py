"""What people do with buttons, modals and the Home tab: an act each, as strict as Slack's own client.

Each sends the app the interaction or event that Slack would, and shows what the app answers with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from emulators.slack import events, sessions, views
from emulators.slack.model import Channel, Delivery, Json, Message, Modal, SlackError, User
from emulators.slack.people import People
from emulators.slack.state import ResponseUrl


class Surfaces(People):
    """The control API's acts on surfaces; see `SlackWorkspace`."""

    async def press(
        self,
        user: User,
        where: Message | Json,
        action_id: str,
        value: str | None = None,
        *,
        element: Json | None = None,
    ) -> Delivery:
        """A person presses a button of a message, or of a view (a modal's, or their Home tab's).

        `value` picks the button of several that have the action_id, or replaces the value of the only one; `element`
        replaces the action for selects and the like. Raises LookupError where there is no such element.
        """
        blocks = where.blocks if isinstance(where, Message) else where["blocks"]
        if isinstance(where, Message) and where.ephemeral_to not in (None, user.id):
            raise LookupError(f"{user.name} does not see the message")
        block, found = _element(blocks, action_id, value)
        action: Json = {
            "action_id": action_id,
            "block_id": block.get("block_id", ""),
            "type": found.get("type", "button"),
        }
        if "text" in found:
            action["text"] = found["text"]
        if (chosen := value if value is not None else found.get("value")) is not None:
            action["value"] = chosen
        action |= element or {}
        if not isinstance(where, Message):
            payload = events.view_actions(self, user, where, action)
            return await self.interact("interactive", payload, None, accepts=False)
        response = ResponseUrl(user.id, where.channel, where.ts, where.thread_ts)
        url = self.new_response_url(response)
        payload = events.block_actions(self, user, where, action, response_url=url)
        return await self.interact("interactive", payload, response, accepts=False)

    async def stop_session(self, user: User, channel: Channel, thread_ts: str) -> None:
        """A person presses Slack's own stop button, which there is while the agent's session is processing.

        What the app streams in the thread is stopped; the session goes on until the app says otherwise.
        """
        if self.sessions.get((channel.id, thread_ts)) != "processing" or sessions.STOPPED not in self.subscriptions:
            raise LookupError("there is no stop button: no session of the thread is processing")
        event = events.session_stopped(self, user, channel, thread_ts)
        for ts in event["streaming_message_ts"]:
            await self.stop_stream(self.store[channel.id][ts])
        self.send_event(event)
        await asyncio.sleep(0)

    async def open_home(self, user: User, tab: str = "home") -> None:
        """A person opens a tab of the app's page."""
        if "app_home_opened" in self.subscriptions and (self.home_tab or tab != "home"):
            self.send_event(events.home_opened(self, user, tab))
        await asyncio.sleep(0)

    # ---- modals

    def modal(self, user: User) -> Modal | None:
        """The modal that is open on somebody's screen."""
        return next((modal for modal in reversed(self.modals) if modal.user == user.id and modal.is_open), None)

    async def submit(self, user: User, values: Mapping[str, str]) -> Delivery:
        """A person fills in the open modal and sends it; what the app acknowledges with is done to the modal.

        `values` by action_id; an option by its value or its text; inputs that are not named stay as they are. Raises
        ValueError for what Slack's client does not let one send, LookupError where no modal with such an input is open.
        """
        modal = self.modal(user)
        if modal is None:
            raise LookupError(f"no modal is open for {user.name}")
        if not modal.view.get("submit"):
            raise LookupError("the modal has nothing to send")
        inputs = {block["element"]["action_id"]: block for block in _inputs(modal.view)}
        if unknown := set(values) - set(inputs):
            raise LookupError(f"no input {', '.join(sorted(unknown))} in the modal")
        state: Json = {}
        for name, block in inputs.items():
            state[block["block_id"]] = {name: _state(block, values.get(name))}
        return await self.submit_view(user, modal.view, state)

    async def submit_view(self, user: User, view: Json, values: Json) -> Delivery:
        """As `submit`, with the `state.values` as they are sent."""
        payload = events.view_submission(self, user, view, values)
        delivery = await self.interact("interactive", payload, None, accepts=True)
        modal = next((m for m in self.modals if m.view["id"] == view["id"]), None)
        if modal is not None:
            self._acknowledged(modal, delivery)
        return delivery

    async def redeliver_interaction(self, delivery: Delivery) -> Delivery:
        """Send an interaction's payload again in an envelope of its own, as after an acknowledgement that got lost."""
        again = self.socket.dispatch("interactive", delivery.payload, accepts=delivery.accepts_response_payload)
        await self.wait_for(lambda: again.state != "pending", timeout=self.timing.ack_deadline + 5)
        return again

    def close_modal(self, user: User) -> None:
        """A person closes the open modal."""
        modal = self.modal(user)
        assert modal is not None
        modal.is_open = False
        self.changed()

    def _acknowledged(self, modal: Modal, delivery: Delivery) -> None:
        """An unanswered submission leaves the modal open with Slack's own error."""
        if not delivery.acked:
            modal.errors = {"": "We had some trouble connecting. Try again?"}
            return
        answer = delivery.response or {}
        modal.errors = {}
        match answer.get("response_action"):
            case None | "clear":
                modal.is_open = False
                if answer and "response_action" not in answer:
                    self.complain(f"a submission was acknowledged with what is no response_action: {sorted(answer)}")
            case "errors":
                modal.errors = dict(answer.get("errors") or {})
                known = {block["block_id"] for block in _inputs(modal.view)}
                if not modal.errors or not set(modal.errors) <= known:
                    self.complain(f"errors for blocks that are no inputs of the view: {sorted(modal.errors)}")
            case "update":
                try:
                    modal.view = views.checked(self, answer.get("view") or {}, "modal", modal.view["id"])
                except SlackError as error:
                    self.complain(f"a view to update with that Slack refuses: {error.messages or error.code}")
            case other:
                self.complain(f"a response_action this workspace does not know: {other}")
        self.changed()


def _inputs(view: Json) -> Iterator[Json]:
    return (block for block in view["blocks"] if block["type"] == "input")


def _state(block: Json, value: str | None) -> Json:
    """What `view.state` holds of one input, filled in with `value` or left as it was."""
    element = block["element"]
    name = element["action_id"]
    if element["type"] == "static_select":
        chosen = element.get("initial_option")
        if value is not None:
            chosen = next((o for o in element["options"] if value in (o["value"], o["text"]["text"])), None)
            if chosen is None:
                raise ValueError(f"{name} has no option {value}")
        if chosen is None and not block.get("optional"):
            raise ValueError(f"{name} must be filled in")
        return {"type": "static_select", "selected_option": chosen}
    text = element.get("initial_value", "") if value is None else value
    if len(text) > element.get("max_length", 3_000) or (text and len(text) < element.get("min_length", 0)):
        raise ValueError(f"{name} does not take {len(text)} characters")
    if "\n" in text and not element.get("multiline"):
        raise ValueError(f"{name} is one line")
    if not text and not block.get("optional"):
        raise ValueError(f"{name} must be filled in")
    return {"type": element["type"], "value": text or None}


def _element(blocks: list[Json], action_id: str, value: str | None) -> tuple[Json, Json]:
    """The block and the element with the action_id; of several the one with the value."""
    found = [(block, element) for block in blocks for element in _elements(block) if element["action_id"] == action_id]
    if not found:
        raise LookupError(f"no element with action_id {action_id}")
    if len(found) == 1:
        return found[0]
    for block, element in found:
        if value is None or element.get("value") == value:
            return block, element
    raise LookupError(f"no element with action_id {action_id} and value {value}")


def _elements(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        if "action_id" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _elements(value)
