"""What an admin has to see to: which failure, what it concerns, and by what one knows that it is over. Pure.

A trouble has a subject, such as a key or a channel. Nobody is told twice of one subject until it is well again; what
an answer proves well is said here too. Whom it is told and when is `alerts`'.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from bot.backend.keys import ring_of
from bot.errors import (
    DeliveryRefused,
    KeyRefused,
    KeysMissing,
    ModelFailure,
    ModelUnknown,
    ParameterRefused,
    ParleyError,
    PriceUnknown,
    QuotaExhausted,
    TokenRefused,
    TurnAbandoned,
    TurnGivenUp,
)
from bot.host_keys import variable_of
from bot.messages import Address
from bot.wording import quotable

# A subject is part of a row's key, and a model may be called anything.
LONGEST_SUBJECT = 120


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing to see to; `text` is Markdown and names neither a key nor anything that people or providers said."""

    subject: str
    kind: str
    text: str


def with_key(label: str, failure: ModelFailure) -> Trouble:
    """A key was refused, or its account is empty; `label` names it within its ring, `research/key-1`."""
    ring, key = ring_of(label)
    return _trouble(_key(label), failure, f"`{key}` of `{variable_of(ring)}`")


def with_model(failure: ModelFailure, model: str, address: Address) -> Trouble | None:
    """A question got no answer; None where that is no admin's business, or where its key's trouble says it already."""
    if not failure.tells_admin or isinstance(failure, KeyRefused | QuotaExhausted):
        return None
    if isinstance(failure, KeysMissing):
        return _trouble(_secret(failure.ring), failure, f"the secret `{quotable(variable_of(failure.ring))}`")
    name = f"the model `{quotable(model)}`"
    if isinstance(failure, ModelUnknown):
        return _trouble(_model(model), failure, name)
    if isinstance(failure, ParameterRefused):
        setting = f"`{quotable(failure.parameter)}` as it is set for {_channel(address)}"
        return _trouble(_settings(address), failure, setting)
    # One question's refusal says nothing of the next one, nor does the next one's answer make it well.
    return _trouble(f"request {model}", failure, name)


def with_price(failure: PriceUnknown, model: str, address: Address) -> Trouble:
    """A model can't be asked, since nobody knows what an answer of it may cost."""
    return _trouble(f"price {model}", failure, f"the model `{quotable(model)}` of {_channel(address)}")


def with_budget(kind: Literal["BudgetLow", "BudgetUsedUp"], which: str, text: str) -> Trouble:
    """A budget comes to its end; `which` tells it, with its month, from others, and `text` says so in words."""
    return Trouble(_short(f"{kind} {which}"), kind, text)


def with_place(failure: DeliveryRefused, address: Address) -> Trouble:
    """A place took neither an answer nor, perhaps, the sentence in its stead."""
    return _trouble(_place(address), failure, _channel(address))


def with_token(platform: str, variable: str) -> Trouble:
    """A platform refuses a token that it took before."""
    return _trouble(_token(platform), TokenRefused(variable, "refused while running", ""), f"`{variable}`")


def with_secret_file(ring: str, wrong: str) -> Trouble:
    """A secret file has changed into what is no list of keys; `wrong` says why, without a piece of it."""
    text = (
        f"The secret file for `{variable_of(ring)}` {wrong}. I go on with the keys that I have of it. "
        "Put it right; I take it up by myself."
    )
    return Trouble(_short(f"secret file {ring}"), "SecretFileUnusable", text)


def proven_by_file(ring: str) -> tuple[str, ...]:
    """The subjects that are well once a secret file was taken up."""
    return (_short(f"secret file {ring}"),)


def given_up(reference: str) -> Trouble:
    """A turn is not tried again."""
    return _trouble("turns", TurnGivenUp(), f"A question (ref {reference})")


def abandoned(reference: str) -> Trouble:
    """A turn ended without a word to anybody."""
    return _trouble("turns unsaid", TurnAbandoned(), f"A question (ref {reference})")


def proven_by_landing(address: Address) -> tuple[str, ...]:
    """The subjects that are well once a platform has taken an answer."""
    return _place(address), _token(address.platform)


def proven_by_answer(model: str, key_label: str, address: Address) -> tuple[str, ...]:
    """The subjects that are well once a model has answered."""
    return _key(key_label), _secret(ring_of(key_label)[0]), _model(model), _settings(address)


def _trouble(subject: str, failure: ParleyError, about: str) -> Trouble:
    text = failure.for_admin.format(about=about)
    return Trouble(_short(subject), type(failure).__name__, text[:1].upper() + text[1:])


def _key(label: str) -> str:
    return _short(f"key {label}")


def _secret(ring: str) -> str:
    return _short(f"secret {ring}")


def _model(name: str) -> str:
    return _short(f"model {name}")


def _settings(address: Address) -> str:
    return _short(f"settings {address.platform} {address.workspace} {address.channel}")


def _place(address: Address) -> str:
    return _short(f"place {address.platform} {address.workspace} {address.channel}")


def _token(platform: str) -> str:
    return _short(f"token {platform}")


def _short(subject: str) -> str:
    if len(subject) <= LONGEST_SUBJECT:
        return subject
    digest = hashlib.blake2b(subject.encode("utf8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{subject[: LONGEST_SUBJECT - len(digest) - 1]} {digest}"


def _channel(address: Address) -> str:
    return f"the channel `{quotable(address.channel)}` on {address.platform.capitalize()}"
