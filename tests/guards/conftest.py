"""The application that the guards walk around, and somebody who may enter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import Caller, sign_up
from tests.making import set_role
from tests.sharing import shared


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with shared(sqlite_template, tmp_path_factory.mktemp("house")) as app:
        yield app


@pytest.fixture(scope="module")
def resident(house: Flask) -> Caller:
    """An admin, whom no route refuses."""
    caller = sign_up(house, "resident")
    set_role(house, caller, "admin")
    return caller
