"""app/storage.py: names stay names, files are whole."""

import os
import stat
from pathlib import Path

import pytest

from app.storage import Folder


@pytest.mark.asvs("5.3.2")
@pytest.mark.parametrize(
    "name",
    ["", "a", "../a.png", "a/b.png", "/a.png", "a.png\n", ".a.png", "a.PNG", "a" * 65 + ".png", "a\0.png"],
)
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path / "files")
    for call in (lambda: folder.write(name, b"x"), lambda: folder.read(name), lambda: folder.remove(name)):
        with pytest.raises(ValueError, match="no name"):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asvs("13.3.2")
def test_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "files")
    assert (folder.read("a.png"), list(folder.older_than(0))) == (None, [])
    folder.write("a.png", b"x")
    assert (folder.read("a.png"), (tmp_path / "files").stat().st_mode & 0o777) == (b"x", 0o700)
    folder.remove("a.png")
    folder.remove("a.png")
    assert folder.read("a.png") is None


def test_file_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match="directory"):
        Folder(tmp_path).write("a.png", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_what_a_killed_process_leaves_is_listed_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    monkeypatch.setattr(os, "fsync", _killed)
    with pytest.raises(SystemExit):
        folder.write("a.png", b"x")
    [left] = folder.older_than(-1)
    folder.remove(left)
    assert list(tmp_path.iterdir()) == []


def test_file_and_its_name_are_on_the_disk_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append(
            (kind, os.fstat(descriptor).st_size if kind == "file" else (tmp_path / "a.png").exists())
        )

    monkeypatch.setattr(os, "fsync", fsync)
    Folder(tmp_path).write("a.png", b"whole")
    assert synced == [("file", len(b"whole")), ("folder", True)]


def _killed(_descriptor: int) -> None:
    raise SystemExit  # nothing is tidied up after it, as after a kill
