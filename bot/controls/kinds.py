"""The kinds of values a setting may have: each reads what people write, says what is possible, and shows a value.

Pure. A value has three forms: what somebody typed, the text in which it is stored, and what the program works with.
`read` takes either text, so that a stored value and a typed one pass the same gate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from bot.secret_shapes import looks_secret

_SPACES = re.compile(r"[\s,]+")
# A person, role or channel as the platforms write a mention of one: <@U123>, <@!123>, <@&123>, <#C123|general>.
_MENTION = re.compile(r"<(?:@[!&]?|#)([A-Za-z0-9]+)(?:\|[^>]*)?>")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_SECRET_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_ON = frozenset({"on", "yes", "true", "1"})
_OFF = frozenset({"off", "no", "false", "0"})
MOST_IDS = 100
MOST_DIGITS = 15


class Kind(Protocol):
    """One kind of value."""

    def read(self, text: str) -> Any:
        """The value in a text. Raises ValueError with a sentence's second half: "it must be …"."""
        ...

    def write(self, value: Any) -> str:
        """The text in which a value is stored and shown."""
        ...

    @property
    def range(self) -> str:
        """What is possible, as it stands in help and in a refusal: "a number from 0 to 2"."""
        ...

    @property
    def choices(self) -> Sequence[str]:
        """What an input can offer; nothing where anything may be written."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """Free text of at most `longest` characters; it may have several lines unless `one_line`."""

    longest: int
    one_line: bool = False
    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """How long it may be."""
        return f"{'a line' if self.one_line else 'a text'} of at most {self.longest:,} characters"

    def read(self, text: str) -> str:
        """The text without blanks around it."""
        words = text.strip()
        if not words:
            raise ValueError("it can't be empty")
        if len(words) > self.longest:
            raise ValueError(f"it has {len(words):,} characters, at most {self.longest:,} are possible")
        if self.one_line and len(words.splitlines()) > 1:
            raise ValueError("it must be one line")
        return words

    def write(self, value: str) -> str:
        """The text itself."""
        return value


@dataclass(frozen=True, slots=True)
class Name:
    """One word, such as a model's name; `what` says of what."""

    what: str
    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """What it is the name of."""
        return f"{self.what}, in one word"

    def read(self, text: str) -> str:
        """The word."""
        if len(text.split()) != 1 or len(text) > 128:
            raise ValueError(f"it must be {self.range}")
        return text.strip()

    def write(self, value: str) -> str:
        """The word itself."""
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`; a comma may stand for the point."""

    low: float
    high: float
    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """Its bounds."""
        return f"a number from {self.low:g} to {self.high:g}"

    def read(self, text: str) -> float:
        """The number."""
        try:
            number = float(text.strip().replace(",", "."))
        except ValueError:
            number = float("nan")
        if not self.low <= number <= self.high:
            raise ValueError(f"it must be {self.range}")
        return number

    def write(self, value: float) -> str:
        """As short as it can be said."""
        return f"{value:g}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`; thousands may be set off."""

    low: int
    high: int
    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """Its bounds."""
        return f"a whole number from {self.low:,} to {self.high:,}"

    def read(self, text: str) -> int:
        """The number."""
        digits = text.strip().replace(",", "").replace("_", "")
        fits = digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS
        if not fits or not self.low <= int(digits) <= self.high:
            raise ValueError(f"it must be {self.range}")
        return int(digits)

    def write(self, value: int) -> str:
        """Its digits."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    choices: Sequence[str]

    @property
    def range(self) -> str:
        """The words."""
        return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"

    def read(self, text: str) -> str:
        """The word, in lower case."""
        word = text.strip().lower()
        if word not in self.choices:
            raise ValueError(f"it must be {self.range}")
        return word

    def write(self, value: str) -> str:
        """The word itself."""
        return value


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    choices: Sequence[str] = ("on", "off")

    @property
    def range(self) -> str:
        """The two."""
        return "on or off"

    def read(self, text: str) -> bool:
        """Whether it is on."""
        word = text.strip().lower()
        if word not in _ON | _OFF:
            raise ValueError(f"it must be {self.range}")
        return word in _ON

    def write(self, value: bool) -> str:
        """On or off."""
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Dollars:
    """An amount of US dollars up to `high`; held as whole millionths."""

    high: int
    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """Its bounds."""
        return f"an amount in US dollars from 0 to {self.high:,}"

    def read(self, text: str) -> int:
        """The amount in micro-dollars."""
        digits = text.strip().removeprefix("$").removesuffix("$").replace("_", "").strip()
        # Commas set off thousands where they stand so; else one stands for the point.
        digits = digits.replace(",", "") if _THOUSANDS.fullmatch(digits) else digits.replace(",", ".")
        try:
            amount = Decimal(digits)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or not 0 <= amount <= self.high:
            raise ValueError(f"it must be {self.range}")
        micros = int((amount * 1_000_000).to_integral_value())
        if amount and not micros:
            raise ValueError("it must be 0, or at least a millionth of a dollar")
        return micros

    def write(self, value: int) -> str:
        """In dollars, with at least two places."""
        whole, fraction = divmod(value, 1_000_000)
        return f"{whole}.{f'{fraction:06}'.rstrip('0').ljust(2, '0')}"


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in dollars: the prompt's and the answer's, and between them the cached ones'."""

    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """How it is written."""
        return "dollars per million tokens as IN/OUT or IN/CACHED/OUT"

    def read(self, text: str) -> tuple[Decimal, Decimal, Decimal]:
        """The prices for prompt, cached prompt and answer, in dollars per million tokens."""
        try:
            parts = [Decimal(part.strip().removeprefix("$")) for part in text.split("/")]
        except InvalidOperation:
            parts = []
        if len(parts) not in (2, 3) or not all(part.is_finite() and 0 <= part <= 100_000 for part in parts):
            raise ValueError(f"it must be {self.range}")
        return (parts[0], parts[1] if len(parts) == 3 else parts[0], parts[-1])

    def write(self, value: tuple[Decimal, Decimal, Decimal]) -> str:
        """All three."""
        return "/".join(f"{part.normalize():f}" for part in value)


@dataclass(frozen=True, slots=True)
class Ids:
    """People, roles or channels, by their ids or by mentioning them; `what` says which, `form` how an id looks.

    A name is refused: it would match nobody, or a stranger who takes it.
    """

    what: str
    form: str
    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """What it is a list of."""
        return f"a list of {self.what}, mentioned or by their ids, at most {MOST_IDS}"

    def read(self, text: str) -> frozenset[str]:
        """The ids."""
        ids = frozenset(filter(None, _SPACES.split(_MENTION.sub(r" \1 ", text))))
        if not ids or len(ids) > MOST_IDS or not all(re.fullmatch(self.form, each) for each in ids):
            raise ValueError(f"it must be {self.range}")
        return ids

    def write(self, value: frozenset[str]) -> str:
        """The ids, sorted."""
        return ", ".join(sorted(value))


@dataclass(frozen=True, slots=True)
class SecretName:
    """The name under which the host keeps a secret: never the secret itself."""

    choices: Sequence[str] = ()

    @property
    def range(self) -> str:
        """What it names."""
        return "the name of a secret that the host keeps for me, in letters, digits and _"

    def read(self, text: str) -> str:
        """The name, in lower case as the host's files are called. What looks like a secret itself is not repeated."""
        name = text.strip()
        if looks_secret(name):
            raise ValueError(
                "that looks like a key itself, and a chat is no place for one. Delete your message, replace that key "
                "at its provider, and give me the name of a secret that the host keeps"
            )
        if not _SECRET_NAME.fullmatch(name):
            raise ValueError(f"it must be {self.range}")
        return name.lower()

    def write(self, value: str) -> str:
        """The name itself."""
        return value
