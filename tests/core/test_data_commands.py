"""What `parley export`, `erase` and `audit` refuse before they look at any database, and how a change is shown."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from bot.__main__ import cli
from bot.auditing import moment_of, rows
from storage.records import now
from storage.scopes import AuditLine, Scope


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export",), "one of the two"),
        (("export", "--user", "slack:U1", "--workspace", "slack:T1"), "one of the two"),
        (("export", "--user", "U1"), "slack:ID or discord:ID"),
        (("erase", "--user", "irc:ada", "--yes"), "slack:ID or discord:ID"),
        (("erase", "--user", "slack:U1"), "say --yes"),
        (("erase",), "--user"),
        (("audit", "--since", "yesterday"), "write it as 7d"),
        (("audit", "--workspace", "T1"), "slack:ID or discord:ID"),
    ],
)
def test_what_is_not_meant_clearly_is_refused_with_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("action", "before", "after", "told"),
    [
        ("set", None, "0.7", "set temperature: not set → 0.7"),
        ("set", "a\nb", "c", "set temperature: a b → c"),
        ("reset", "0.7", None, "reset temperature: 0.7 → not set"),
        ("forget", None, "3 messages", "forget temperature: 3 messages"),
        ("stop", None, None, "stop temperature"),
        ("set", "x" * 100, "\x1b[2J", f"set temperature: {'x' * 60}… → \ufffd[2J"),
    ],
)
def test_a_change_is_one_line(action: str, before: str | None, after: str | None, told: str) -> None:
    line = AuditLine(1, 0, Scope("slack", "T1"), "U1", "", action, "temperature", before, after)
    assert list(rows([line]))[1] == f"1970-01-01T00:00:00Z\tU1\tslack T1\t{told}"


def test_a_moment_is_a_time_ago_or_a_date_in_utc() -> None:
    assert abs(now() - 7 * 86_400_000_000 - moment_of("7d")) < 60_000_000
    assert moment_of("1970-01-02") == 86_400_000_000
    assert moment_of("1970-01-01T01:00:00+01:00") == 0
    with pytest.raises(ValueError, match="isoformat"):
        moment_of("soon")
