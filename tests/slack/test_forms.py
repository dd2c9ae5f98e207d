"""A form as a modal, what comes back of it, and somebody's page: within every limit of Slack's, pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import forms
from adapters.slack.blockkit import cut, sections
from adapters.slack.home import home_view
from adapters.slack.mrkdwn import as_mrkdwn, length
from bot.interactions import CommandAnswer, Form, FormField, HomePage, HomeSection
from bot.messages import Address
from emulators.slack import blocks as blockkit

HERE = Address("slack", "T1", "C1")


def form(*fields: FormField, **changes: Any) -> Form:
    return replace(Form("settings", "Settings here", HERE, fields), **changes)


def sent(view: dict[str, Any], **typed: Any) -> dict[str, Any]:
    """The view as it comes back, with these elements in its state."""
    values: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            name = block["element"]["action_id"]
            values[block["block_id"]] = {name: typed.get(name, {"type": block["element"]["type"], "value": None})}
    return view | {"id": "V1", "state": {"values": values}}


def opened(made: Form, **options: bool) -> dict[str, Any]:
    view = forms.modal(made, **options)
    assert view is not None
    assert blockkit.problems(view["blocks"], most=100, allowed=blockkit.IN_VIEWS) == []
    return view


def test_each_field_becomes_an_input_of_its_kind_that_may_be_left_empty() -> None:
    view = opened(
        form(
            FormField("temperature", "Temperature", "line", "0.2", "A number from 0 to 2", longest=20),
            FormField("system", "System", "lines", "One.\nTwo."),
            FormField("streaming", "Streaming", "choice", "", choices=("on", "off")),
        )
    )
    line, lines, choice = view["blocks"]
    assert all(block["optional"] for block in view["blocks"])
    assert (line["element"]["multiline"], line["element"]["max_length"]) == (False, 20)
    assert (line["element"]["initial_value"], line["hint"]["text"]) == ("0.2", "A number from 0 to 2")
    assert (lines["element"]["multiline"], lines["element"]["initial_value"]) == (True, "One.\nTwo.")
    assert lines["element"]["max_length"] == 3_000
    assert [option["text"]["text"] for option in choice["element"]["options"]] == ["(not set here)", "on", "off"]
    assert choice["element"]["initial_option"]["value"] == "(not set here)"
    assert json.loads(view["private_metadata"]) == {"form": "settings", "channel": "C1", "thread": None, "home": False}


def test_what_is_longer_than_an_input_takes_is_left_out_and_the_form_says_how_to_change_it() -> None:
    view = opened(form(FormField("system", "System", "lines", "x" * 3_001), FormField("model", "Model", "line")))
    told, model = view["blocks"]
    assert told["type"] == "context"
    assert "3,001 characters" in told["elements"][0]["text"] and "!set system" in told["elements"][0]["text"]
    assert model["element"]["action_id"] == "model"
    back = forms.read(sent(view), "T1")
    assert back is not None
    assert dict(back.values) == {"model": ""}  # what was not shown is not taken for emptied


def test_a_form_of_which_nothing_can_be_shown_is_none() -> None:
    assert forms.modal(form(FormField("system", "System", "lines", "x" * 3_001))) is None


def test_long_names_are_cut_to_what_slack_takes() -> None:
    field = FormField("a", "l" * 3_000, "choice", "", "h" * 3_000, choices=("c" * 100, "d"))
    view = opened(form(field, title="t" * 30, submit="s" * 30))
    assert (len(view["title"]["text"]), len(view["submit"]["text"])) == (24, 24)
    (block,) = view["blocks"]
    assert (len(block["label"]["text"]), len(block["hint"]["text"])) == (2_000, 2_000)
    assert block["element"]["options"][1]["value"] == "c" * 100


def test_more_choices_than_a_menu_takes_are_typed() -> None:
    view = opened(form(FormField("a", "a", "choice", "x", choices=tuple(map(str, range(200))))))
    assert view["blocks"][0]["element"]["type"] == "plain_text_input"


def test_what_was_filled_in_comes_back_by_the_fields_names() -> None:
    thread = Address("slack", "T1", "C1", "1.1")
    view = opened(
        form(
            FormField("system", "System", "lines", "old"),
            FormField("streaming", "Streaming", "choice", "on", choices=("on", "off")),
            FormField("vision", "Vision", "choice", "on", choices=("on", "off")),
            address=thread,
        ),
        at_home=True,
    )
    back = forms.read(
        sent(
            view,
            system={"type": "plain_text_input", "value": " Be\nbrief. "},
            streaming={"type": "static_select", "selected_option": {"text": {}, "value": "(not set here)"}},
            vision={"type": "static_select", "selected_option": {"text": {}, "value": "off"}},
        ),
        "T1",
    )
    assert back is not None
    assert (back.form, back.address, back.at_home) == ("settings", thread, True)
    assert dict(back.values) == {"system": " Be\nbrief. ", "streaming": "", "vision": "off"}


@pytest.mark.parametrize("change", [{"callback_id": "other"}, {"private_metadata": "{"}, {"state": None}])
def test_a_view_that_is_no_form_of_ours_is_none(change: dict[str, Any]) -> None:
    view = sent(opened(form(FormField("a", "a", "line"))))
    assert forms.read(view | change, "T1") is None
    assert forms.read(None, "T1") is None


def test_problems_stand_beside_their_fields_as_plain_text() -> None:
    back = forms.read(sent(opened(form(FormField("a", "a", "line"), FormField("b", "b", "line")))), "T1")
    assert back is not None
    refused = forms.refusal(back, {"b": "Only **admins** may, see `/parley show`.", "gone": "No."})
    errors = refused["errors"]
    assert refused["response_action"] == "errors"
    assert errors == {back.blocks["b"]: "Only admins may, see /parley show.", back.blocks["a"]: "No."}


def test_a_form_that_is_shown_again_keeps_what_was_typed_under_new_block_ids() -> None:
    view = opened(form(FormField("a", "a", "line", "old"), FormField("b", "b", "choice", "x", choices=("x", "y"))))
    typed = sent(
        view,
        a={"type": "plain_text_input", "value": "new"},
        b={"type": "static_select", "selected_option": {"text": {}, "value": "y"}},
    )
    back = forms.read(typed, "T1")
    assert back is not None
    again = forms.again(back, CommandAnswer("Nothing was changed.", problems={"a": "too new"}))
    assert blockkit.problems(again["blocks"], most=100, allowed=blockkit.IN_VIEWS) == []
    told, a, b = again["blocks"]
    assert "too new" in told["text"]["text"]
    assert (a["element"]["initial_value"], b["element"]["initial_option"]["value"]) == ("new", "y")
    assert {a["block_id"], b["block_id"]} & {block["block_id"] for block in view["blocks"]} == set()
    assert forms.read(sent(again), "T1") is not None


def test_a_page_has_a_button_for_each_channel_that_may_be_changed() -> None:
    view = home_view(
        HomePage(
            (
                HomeSection("**Your month**\n3 answers."),
                HomeSection("- model: gpt-4o", Address("slack", "T1", "C7"), changes=True),
                HomeSection("- model: gpt-4o", Address("slack", "T1", "C8")),
                HomeSection("- vision: off", Address("slack", "T1", "D9"), changes=True),
            )
        )
    )
    month, changeable, fixed, direct = view["blocks"]
    assert "*Your month*" in month["text"]["text"]
    assert changeable["text"]["text"].startswith("<#C7>\n• model")
    assert changeable["accessory"]["value"] == "C7"
    assert "accessory" not in fixed
    assert "<#" not in direct["text"]["text"]
    assert blockkit.problems(view["blocks"], most=100, allowed=blockkit.IN_VIEWS) == []


def test_a_page_of_any_size_keeps_slacks_limits_and_says_where_it_was_cut() -> None:
    page = HomePage(tuple(HomeSection("word " * 2_000, Address("slack", "T1", f"C{n}")) for n in range(60)))
    view = home_view(page)
    assert blockkit.problems(view["blocks"], most=100, allowed=blockkit.IN_VIEWS) == []
    assert len(view["blocks"]) == 100
    assert "more than this page" in view["blocks"][-1]["text"]["text"]


def test_what_mrkdwn_has_not_is_shown_in_columns() -> None:
    assert as_mrkdwn("**a** <b>") == "*a* &lt;b&gt;"
    table = as_mrkdwn("| a | b |\n|---|---|\n| 1 | <!channel> @here |")
    assert table.startswith("```\na │ b\n──┼─") and table.endswith("```")
    assert "<!channel>" not in table and "@here" not in table


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400).map(lambda text: text * 30), st.sampled_from(["", "<#C024BE91L>"]))
def test_any_markdown_becomes_sections_that_slack_takes(text: str, heading: str) -> None:
    assert blockkit.problems(sections(text, heading), most=10_000, allowed=blockkit.IN_VIEWS) == []


@settings(max_examples=60, deadline=None)
@given(st.text(), st.integers(1, 30))
def test_a_cut_text_is_never_longer_than_asked(text: str, most: int) -> None:
    assert length(cut(text, most)) <= most
