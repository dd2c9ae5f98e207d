"""Things the offline assistant can write on demand: sums, lists, code, tables, long text. All deterministic."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence

_SPOKEN = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {name: value for value, name in enumerate(_SPOKEN.split())}
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
SPOKEN_SIGNS = (
    (r"(\d+(?:\.\d+)?)\s*(?:%|percent) of\s+", r"\1/100*"),
    (r"\bplus\b", "+"), (r"\bminus\b", "-"), (r"\b(?:times|multiplied by)\b|×", "*"),
    (r"\b(?:divided by|over)\b|÷", "/"), (r"(?<=\d)\s*x\s*(?=\d)", "*"), (r"\^", "**"), (r"(?<=\d),(?=\d{3}\b)", ""),
)  # fmt: skip
SUM = re.compile(r"(?<![\w.-])[-(]*\d[\d\s.()]*(?:(?:\*\*|[-+*/%])[-\s(]*\d[\d\s.()]*)+")
DATE = re.compile(r"\d{4}-\d\d-\d\d|\d+/\d+/\d+|\d+\.\d+\.\d+")
SENTENCES = (
    "A good way into {topic} is to write down what is known and what is only believed.",
    "Most of the work is unglamorous: reading, asking, and trying again on a smaller case.",
    "People who do {topic} well tend to agree on the goal before they argue about the means.",
    "One surprise is enough to change the plan, and a plan that cannot change is a wish.",
    "It helps to say out loud what would prove the idea wrong.",
    "Small steps leave a trail that others can follow, and that you can follow back.",
    "There is always a cheaper first version, and it usually teaches the most.",
    "With {topic}, the last tenth takes as long as the rest, so leave room for it.",
    "A figure beats an adjective, and a figure with its source beats both.",
    "When two people explain {topic} in the same words, ask a third.",
    "Nobody regrets the notes they took; many regret the ones they did not.",
    "Then comes the part that makes it pleasant: somebody uses it and smiles.",
    "Quiet reliability is rarely praised and always missed.",
)
IDEAS = (
    "Start with the smallest useful piece of {topic} and show it to somebody today",
    "Write down three questions about {topic} that nobody can answer yet",
    "Pair up for an hour: one explains {topic}, the other only asks",
    "Pick one number that says whether {topic} goes well, and look at it weekly",
    "Drop the part of {topic} that nobody would miss",
    "Ask the newest person on the team what about {topic} is odd",
    "Keep a page of decisions on {topic}, with the reason beside each",
    "Celebrate the first thing about {topic} that works end to end",
)
CODE = {
    "bash": """\
for file in *.log; do
    printf "%s: " "$file"
    grep -c ERROR "$file"
done""",
    "sql": """\
SELECT channel, count(*) AS questions
FROM messages
WHERE mentions_bot
GROUP BY channel
ORDER BY questions DESC;""",
    "javascript": """\
const greet = (name) => `Hello, ${name}!`;

["Ada", "Grace"].map(greet).forEach((line) => console.log(line));""",
    "python": """\
def greet(name: str) -> str:
    return f"Hello, {name}!"


for name in ("Ada", "Grace"):
    print(greet(name))""",
}


def number_in(text: str, default: int, most: int) -> int:
    """The first number of a text, in digits or in words up to twelve; at most `most`."""
    for word in re.findall(r"\w+", text.lower()):
        if word.isascii() and word.isdigit():
            return max(1, min(int(word), most))
        if word in NUMBERS:
            return max(1, NUMBERS[word])
    return default


def topic_of(text: str, default: str = "this") -> str:
    """What a demand is about: the words after "about", "on", "for" or "of"."""
    match = re.search(r"\b(?:about|on|for|of)\s+([^.?!\n]{2,60})", text, re.IGNORECASE)
    return match[1].strip() if match else default


def worked_out(text: str) -> str | None:
    """The sum in a text with its result, like `12 * 7 = **84**`; None where there is none that can be worked out."""
    plain = DATE.sub(" ", text)
    for pattern, sign in SPOKEN_SIGNS:
        plain = re.sub(pattern, sign, plain, flags=re.IGNORECASE)
    found = SUM.search(plain)
    if found is None:
        return None
    expression = found[0].strip()
    try:
        result = _value(ast.parse(expression, mode="eval").body)
    except ZeroDivisionError:
        return f"`{expression}` divides by zero, and there even I must pass."
    except (ValueError, SyntaxError, OverflowError):
        return None
    expression = expression.replace("/100*", "% of ").replace("**", "^")
    shown = f"{result:,.0f}" if float(result).is_integer() and abs(result) < 1e15 else f"{result:,.6g}"
    return f"`{expression}` = **{shown}**"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            low, high = _value(left), _value(right)
            if isinstance(sign, ast.Pow) and (low <= 0 or abs(high) > 64 or low > 1e6):
                raise OverflowError
            return OPERATORS[type(sign)](low, high)
        case _:
            raise ValueError("not a sum")


def paragraphs(amount: int, topic: str) -> str:
    """So many paragraphs on a topic, each different from the one before."""
    rows = []
    for i in range(amount):
        picked = [SENTENCES[(i * 5 + j * 3) % len(SENTENCES)] for j in range(4 + i % 2)]
        rows.append(" ".join(picked).format(topic=topic))
    return "\n\n".join(rows)


def words(amount: int, topic: str) -> str:
    """About so many words on a topic, in whole paragraphs, the last one cut to the word."""
    rows, left = [], amount
    for row in paragraphs(amount // 40 + 1, topic).split("\n\n"):
        kept = row.split()[:left]
        if not kept:
            break
        rows.append(" ".join(kept))
        left -= len(kept)
    return "\n\n".join(rows)


def ideas(amount: int, topic: str) -> str:
    """A numbered list on a topic."""
    rows = [f"{i + 1}. {IDEAS[i % len(IDEAS)].format(topic=topic)}." for i in range(amount)]
    return "\n".join(rows)


def code(asked: str) -> str:
    """A short program in a fence, in the language named (Python where none is)."""
    known = {"js": "javascript", "shell": "bash", **{name: name for name in CODE}}
    language = next((known[word] for word in re.findall(r"\w+", asked.lower()) if word in known), "python")
    return f"```{language}\n{CODE[language]}\n```"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    safe = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {' | '.join(row)} |" for row in safe)
