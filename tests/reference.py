"""The settings as README.md and .env.example show them, made from the code; `python -m tests.reference` writes both."""

from __future__ import annotations

from pathlib import Path

from bot.controls.table import TABLE, Control
from bot.settings import DEFAULT_SYSTEM_MESSAGE, Settings

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
EXAMPLE = ROOT / ".env.example"
SETTINGS, CONTROLS = "settings", "controls"

_GROUPS = {
    "slack_bot_token": "Slack: both tokens turn it on",
    "discord_bot_token": "Discord: the token turns it on",
    "openai_api_key": "The model",
    "database_url": "Where conversations are kept",
    "parley_system_message": "How the bot behaves",
}


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    if value in (None, (), frozenset()):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_table() -> str:
    """README's table: variable, default, what it is for."""
    rows = ["| variable | default | what it is for |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "a short one" if _default(name) == DEFAULT_SYSTEM_MESSAGE else _default(name)
        shown = f"`{default}`" if default and default != "a short one" else default or "–"
        rows.append(f"| `{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def env_example() -> str:
    """.env.example: every variable, commented out at its default."""
    lines = ["# Copy to .env and fill in what you need; everything else has the default shown."]
    for name, field in Settings.model_fields.items():
        if name in _GROUPS:
            lines += ["", f"# --- {_GROUPS[name]}"]
        lines += [f"# {field.description}", f"# {name.upper()}={_default(name)}"]
    return "\n".join(lines) + "\n"


def controls_table() -> str:
    """README's table of what can be set in chat: name, what it is, what it may be, and where."""
    rows = ["| setting | what it is | what it may be | for |", "|---|---|---|---|"]
    rows += [f"| `{c.name}`{_mark(c)} | {c.help} | {c.kind.range} | {', '.join(c.levels)} |" for c in TABLE]
    return "\n".join(rows)


def _mark(control: Control) -> str:
    return " *" if control.who == "admins" else ""


def with_tables(readme: str) -> str:
    """README's text with the tables between their marks made anew."""
    for name, table in ((SETTINGS, settings_table()), (CONTROLS, controls_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = readme.split(begin)
        _, after = rest.split(end)
        readme = f"{before}{begin}\n{table}\n{end}{after}"
    return readme


def main() -> None:
    """Rewrite both files."""
    EXAMPLE.write_text(env_example())
    README.write_text(with_tables(README.read_text()))


if __name__ == "__main__":
    main()
