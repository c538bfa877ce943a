"""What the contract tests sent in all, from whichever process: told at the end of a run, and too little is a failure.

A plugin of pytest (`tests/conftest.py` names it), since with xdist no test knows of the others.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

PROPERTY = "contract"
"""Of `record_property`: a `Tally` as told (`tests/contract/sending.py`, which is not imported here: it costs a second
in every process of every run)."""
LEAST_SHARE = 0.85
"""Of good calls answered 2xx. The rest breaks rules that the schemas do not say: a control character in a title,
`from` after `to`. Were the people spoilt or the paths wrong, it would be far less."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _faults(_tallies(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tallies = _tallies(config)
    for line in _summary(tallies):
        terminalreporter.write_line(line)
    for fault in _faults(tallies):
        terminalreporter.write_line(f"FAILED tests/contract: {fault}", red=True)


def _tallies(config: pytest.Config) -> list[dict[str, Any]]:
    """Of all processes; none in a worker, which has no terminal."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    reports: Iterator[Any] = (
        report
        for outcome in ("passed", "failed")
        for report in (terminal.stats.get(outcome, []) if terminal else [])
    )
    return [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]


def _summary(tallies: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each role and kind, "contract, user: 3,614 calls (...), 91% of the good ones answered 2xx"."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for tally in tallies:
        numbers = {name: value for name, value in tally.items() if isinstance(value, int)}
        kind = "steps" if tally["scenarios"] else "calls"
        sums.setdefault((tally["role"], kind), Counter()).update(numbers)
    for (role, kind), found in sums.items():
        of = f" of {found['scenarios']} scenarios" if kind == "steps" else ""
        yield (
            f"contract, {role}: {found['positive'] + found['negative']:,} {kind}{of} "
            f"({found['positive']:,} good, {found['negative']:,} bad), {_share(found):.0%} of the good answered 2xx"
        )


def _faults(tallies: list[dict[str, Any]]) -> list[str]:
    """What is wrong with a run of every operation; a run of some is not held to anything."""
    calls = [tally for tally in tallies if not tally["scenarios"]]
    if not calls or len(calls) < calls[0]["tests"]:
        return []
    total: Counter[str] = Counter()
    for tally in calls:
        total.update({name: tally[name] for name in ("positive", "negative", "succeeded")})
    faults = []
    if total["positive"] + total["negative"] < calls[0]["least"]:
        faults.append(f"fewer than {calls[0]['least']:,} calls")
    if _share(total) < LEAST_SHARE:
        faults.append(f"less than {LEAST_SHARE:.0%} of the good calls answered 2xx")
    return faults


def _share(sums: Counter[str]) -> float:
    return sums["succeeded"] / (sums["positive"] or 1)
