"""SECURITY_LOG: each sealed event as a line, in the order of the chain, in files that are turned over."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.audit import sealing, security_log
from tests.integration.audit.conftest import head, record, sealed


@pytest.fixture(autouse=True)
def path(app: Flask, context: None, tmp_path: Path) -> Path:
    app.config["SECURITY_LOG"] = tmp_path / "security.log"
    return tmp_path / "security.log"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.asvs("16.2.2")
def test_line_tells_the_event_and_its_seal(path: Path) -> None:
    sealed("a")
    security_log.write()
    [line] = lines(path)
    assert line["id"].startswith("evt_")
    assert line["at"].endswith("+00:00")
    del line["id"], line["at"]
    assert line == {
        "seq": 1,
        "action": "thing.done",
        "outcome": "success",
        "actor": "system",
        "credential": None,
        "subject": "a",
        "owner": None,
        "before": None,
        "after": {"number": 1},
        "request_id": None,
        "ip_prefix": "",
        "hash": head(),
    }


def test_each_event_comes_once_and_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_log, "_LINES", 2)
    sealed("a", "b", "c")
    security_log.write()
    security_log.write()
    sealed("d")
    security_log.write()
    assert [(line["seq"], line["subject"]) for line in lines(path)] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (4, "d"),
    ]


def test_unsealed_event_waits(path: Path) -> None:
    record("a")
    security_log.write()
    assert not path.exists()


@pytest.mark.asvs("16.4.2")
def test_is_for_its_owner_alone(path: Path) -> None:
    sealed("a")
    security_log.write()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.asvs("16.3.4")
def test_what_cannot_be_written_is_written_later(path: Path) -> None:
    sealed("a")
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        security_log.write()
    path.rmdir()
    security_log.write()
    assert [line["subject"] for line in lines(path)] == ["a"]


def test_line_that_was_cut_off_spoils_no_other(path: Path) -> None:
    sealed("a")
    path.write_text('{"seq": 1, "ha')
    security_log.write()
    assert json.loads(path.read_text().splitlines()[1])["subject"] == "a"


def test_full_file_is_turned_over_and_the_oldest_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_log, "LARGEST", 10)
    monkeypatch.setattr(security_log, "OLDER", 2)
    for subject in "abcd":
        sealed(subject)
        security_log.write()
    names = ["security.log", "security.log.1", "security.log.2"]
    assert sorted(found.name for found in path.parent.iterdir() if found.suffix != ".db") == names
    assert [lines(path.with_name(name))[0]["subject"] for name in names] == ["d", "c", "b"]


def test_without_the_setting_nothing_is_written_and_later_all_is(app: Flask, path: Path) -> None:
    app.config["SECURITY_LOG"] = None
    sealed("a")
    security_log.write()
    app.config["SECURITY_LOG"] = path
    sealing.seal()
    security_log.write()
    assert [line["subject"] for line in lines(path)] == ["a"]


def test_worker_without_the_folder_does_not_start_and_all_else_does(app: Flask, path: Path) -> None:
    app.config["SECURITY_LOG"] = path.parent / "nowhere" / path.name
    runner = app.test_cli_runner()
    refused = runner.invoke(args=["worker"])
    assert (refused.exit_code, "SECURITY_LOG" in refused.output) == (1, True)
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0


def test_asking_whether_the_file_can_be_written_writes_no_line(path: Path) -> None:
    security_log.check()
    assert lines(path) == []
