"""The Postman collection that `make collection` writes: whole, and its requests work as they are.

Sent by a small runner that resolves variables as Postman does; the script that keeps the tokens is run by Node.js.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT
from tests.service import Answer, Service, serving

DOCUMENT = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
# Postman's own object, as far as the collection uses it; it prints what was set.
PM = """
const set = {}, answer = JSON.parse(require("fs").readFileSync(0, "utf8"));
const pm = {
    response: {code: answer.code, json: () => answer.body},
    collectionVariables: {set: (name, value) => { set[name] = value; }},
};
%s
console.log(JSON.stringify(set));
"""


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    made = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "collection.py"), "http://127.0.0.1:8000"],
        input=(ROOT / "openapi.json").read_bytes(),
        capture_output=True,
        check=True,
    )
    written: dict[str, Any] = json.loads(made.stdout)
    return written


class Runner:
    """Sends the requests of a collection."""

    def __init__(self, service: Service, collection: dict[str, Any]) -> None:
        self._service = service
        self._auth = collection["auth"]
        self._variables = {entry["key"]: entry["value"] for entry in collection["variable"]}
        self._variables["baseUrl"] = service.base
        self._requests = {item["name"]: item for folder in collection["item"] for item in folder["item"]}

    def send(self, name: str) -> Answer:
        item = self._requests[name]
        request = item["request"]
        headers = {
            header["key"]: header["value"] for header in request["header"] if not header.get("disabled")
        }
        auth = request.get("auth", self._auth)
        if auth["type"] == "bearer":
            headers["Authorization"] = f"Bearer {self._resolved(auth['bearer'][0]['value'])}"
        body = json.loads(request["body"]["raw"]) if "body" in request else None
        answer = self._service.call(
            request["method"], self._target(request["url"]), body=body, headers=headers
        )
        for event in item.get("event", []):
            self._variables |= self._run("\n".join(event["script"]["exec"]), answer)
        return answer

    def _target(self, url: dict[str, Any]) -> str:
        assert url["raw"] == "/".join([*url["host"], *url["path"]])
        target = self._resolved(url["raw"]).removeprefix(self._service.base)
        for variable in url["variable"]:
            target = target.replace(f"/:{variable['key']}", f"/{variable['value']}")
        assert all(entry["disabled"] for entry in url["query"])
        return target

    def _resolved(self, text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda match: self._variables[match[1]], text)

    def _run(self, script: str, answer: Answer) -> dict[str, str]:
        told = json.dumps({"code": answer.status, "body": answer.json})
        command = ["node", "-e", PM % script]
        done = subprocess.run(command, input=told, capture_output=True, text=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found


@pytest.fixture
def runner(collection: dict[str, Any], sqlite_url: str, tmp_path: Path) -> Iterator[Runner]:
    with serving(sqlite_url, tmp_path) as service:
        yield Runner(service, collection)


def test_every_operation_is_a_request(collection: dict[str, Any]) -> None:
    written = sorted(
        (item["request"]["method"], re.sub(r":(\w+)", r"{\1}", "/".join(item["request"]["url"]["path"])))
        for folder in collection["item"]
        for item in folder["item"]
    )
    described = sorted(
        (method.upper(), path.strip("/"))
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "parameters"
    )
    assert written == described


def test_a_person_signs_in_and_sends_what_is_there(collection: dict[str, Any], runner: Runner) -> None:
    """Each request of a folder in the order of the collection, with the token that signing in has kept."""
    (links,) = (folder["item"] for folder in collection["item"] if folder["name"] == "links")
    names = [*("Open an account", "Sign in", "Exchange a refresh token"), *(item["name"] for item in links)]
    answers = {name: runner.send(name).status for name in names}
    assert {name: status for name, status in answers.items() if status >= 400} == {}
    assert runner.send("Sign out").status == 204
    assert runner.send(links[0]["name"]).status == 401
