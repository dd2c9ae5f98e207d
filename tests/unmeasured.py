"""The environment for processes of the bot whose coverage is not measured: it makes each start half as long again, and
what the worker does is measured where it runs inside the tests, and by those that start the command line."""

from __future__ import annotations

import os


def environment() -> dict[str, str]:
    """This process's own, without what has coverage begin in a child."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
