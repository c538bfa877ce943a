"""One application and one signed-in user, whom all the forgers of this folder try to be."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import Caller, sign_up
from tests.sharing import shared


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with shared(sqlite_template, tmp_path_factory.mktemp("house")) as app:
        yield app


@pytest.fixture(scope="module")
def victim(house: Flask) -> Caller:
    return sign_up(house, "victim")
