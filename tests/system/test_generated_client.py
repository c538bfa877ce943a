"""A client that a public generator makes from the committed specification works against a running Slugline.

It is made anew in each run and never committed, as docs/api/README.md tells. `--fail-on-warning`: the generator
warns of what it leaves out.
"""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import PASSWORD
from tests.e2e.processes import PATIENCE, ROOT
from tests.service import serving

NAME = "slugline_client"


def filtered(document: bytes) -> bytes:
    """The specification without what the generator stumbles over, by the words of docs/api/README.md."""
    words = told(r"openapi\.json \| jq '([^']+)'")
    return subprocess.run(
        ["jq", words], input=document, capture_output=True, timeout=PATIENCE, check=True
    ).stdout


def told(pattern: str) -> str:
    """What docs/api/README.md says there."""
    found = re.search(pattern, (ROOT / "docs" / "api" / "README.md").read_text())
    assert found
    return found[1]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the generated package, which can be imported as `NAME`."""
    folder = tmp_path_factory.mktemp("generated") / NAME
    document = folder.with_name("slugline.json")
    document.write_bytes(filtered((ROOT / "openapi.json").read_bytes()))
    config = folder.with_name("slugline.yml")
    config.write_text(told(r"`(content_type_overrides: [^`]+)`"))
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *(
                "--meta",
                "none",
                "--config",
                str(config),
                "--path",
                str(document),
                "--output-path",
                str(folder),
            ),
        ],
        env={"PATH": str(Path(sys.executable).parent)},  # where it finds ruff, to format what it made
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder.parent))
    yield folder
    sys.path.remove(str(folder.parent))


def module(path: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.{path}")


def test_no_operation_is_left_out(generated: Path) -> None:
    document = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    described = {
        (found["tags"][0], found["operationId"])
        for item in document["paths"].values()
        for method, found in item.items()
        if method != "parameters"
    }
    made = {(file.parent.name, file.stem) for file in generated.glob("api/*/*.py")}
    assert {pair for pair in made if pair[1] != "__init__"} == described


def test_it_makes_a_round_trip(generated: Path, sqlite_url: str, tmp_path: Path) -> None:
    client, models = module("client"), module("models")
    account = {"email": "ada@example.org", "password": PASSWORD}
    with serving(sqlite_url, tmp_path) as service:
        with client.Client(base_url=service.base) as anonymous:
            user = module("api.auth.register").sync(client=anonymous, body=models.Register(**account))
            tokens = module("api.auth.login").sync(client=anonymous, body=models.Login(**account))
        assert isinstance(user, models.UserOut)
        assert isinstance(tokens, models.Tokens)
        with client.AuthenticatedClient(base_url=service.base, token=tokens.access_token) as own:
            make_change_and_delete(own, models, user.id)


def make_change_and_delete(client: Any, models: ModuleType, user_id: str) -> None:
    """A link's life, through typed calls and models."""
    create, read, patch, remove, every = (
        module(f"api.links.{name}")
        for name in ("create_link", "get_link", "patch_link", "delete_link", "list_links")
    )
    new = models.LinkCreate(url="https://example.com/", title="Spring sale", tags=["mail"])
    made, again = (create.sync(client=client, body=new, idempotency_key="order-7") for _ in range(2))
    assert isinstance(made, models.LinkOut)
    assert again == made
    assert (made.owner, made.status, made.tags) == (user_id, models.LinkOutStatus.ACTIVE, ["mail"])

    found = read.sync_detailed(made.code, client=client)
    assert found.parsed == made
    for status in (200, 412):
        title = models.LinkPatch(title=f"Not {status}")
        changed = patch.sync_detailed(made.code, client=client, body=title, if_match=found.headers["ETag"])
        assert changed.status_code == status
    assert isinstance(changed.parsed, models.Error)
    assert changed.parsed.error.code == "PRECONDITION_FAILED"

    listed = every.sync(client=client, tag="mail", limit=5)
    assert [(link.code, link.title) for link in listed.items] == [(made.code, "Not 200")]
    assert listed.page.has_more is False
    assert remove.sync_detailed(made.code, client=client).status_code == 204
    assert read.sync(made.code, client=client).error.code == "NOT_FOUND"
