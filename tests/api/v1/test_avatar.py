"""PUT, GET, DELETE /users/me/avatar: pictures come in, squares go out."""

import io
import struct
import zlib
from typing import Any

import pytest
from flask import Flask
from PIL import Image, PngImagePlugin
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app import pictures
from app.accounts import avatars
from app.api.v1.avatars import PNG
from app.turns import Turns
from tests.conftest import AppFactory, Caller, sign_up
from tests.making import let_pass, picture

# Pictures are files: of the database they take a name and a version, as other changes of an account do.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PATH = "/users/me/avatar"
SECRET = b"52.5163 N 13.3777 E"


def send(caller: Caller, data: bytes, **options: Any) -> TestResponse:
    upload = FileStorage(io.BytesIO(data), options.pop("filename", "me.png"))
    boundary, body = encode_multipart(
        {"avatar": upload}
    )  # in memory, where the client would leave a file open
    return caller.put(PATH, data=body, content_type=f"multipart/form-data; boundary={boundary}", **options)


def shown(caller: Caller) -> Image.Image:
    return Image.open(io.BytesIO(caller.get(PATH).data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has many pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 1000)),
    ]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def files(app: Flask) -> list[str]:
    folder = app.config["AVATAR_DIR"]
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_picture_becomes_a_square_png(alice: Caller, kind: str) -> None:
    answer = send(alice, picture(kind))
    assert (answer.status_code, answer.headers["Location"], answer.data) == (201, f"/api/v1{PATH}", b"")
    got = alice.get(PATH)
    assert (got.status_code, got.mimetype, got.headers["X-Content-Type-Options"]) == (200, PNG, "nosniff")
    assert (shown(alice).format, shown(alice).size) == ("PNG", (256, 256))
    red, _, blue, _ = shown(alice).getpixel((0, 0))
    assert blue > 200 > red


@pytest.mark.asvs("5.2.2")
def test_type_is_told_from_the_bytes_alone(alice: Caller) -> None:
    assert send(alice, picture("JPEG"), filename="me.svg").status_code == 201
    assert send(alice, b"<svg xmlns='http://www.w3.org/2000/svg'/>", filename="me.png").status_code == 400


def test_picture_stands_upright_as_its_camera_was_held(alice: Caller) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    send(alice, picture("JPEG", (40, 40), exif=exif))
    red, _, blue, _ = shown(alice).getpixel((0, 0))
    assert red > 200 > blue
    red, _, blue, _ = shown(alice).getpixel((255, 255))
    assert blue > 200 > red


def test_line_of_pictures_that_are_read_is_bounded(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(at_once=1, in_line=1, refusal=pictures.TooManyPictures, patience=0)
    monkeypatch.setattr(pictures, "_turns", turns)
    with turns.take():
        answer = send(alice, picture())
    assert (answer.status_code, answer.headers["Retry-After"], files(app)) == (503, "1", [])
    assert answer.json["error"]["code"] == "UNAVAILABLE"
    assert send(alice, picture()).status_code == 201


def test_pictures_have_a_limit_of_their_own(make_app: AppFactory) -> None:
    alice = sign_up(make_app(RATELIMIT_ENABLED="true", LIMIT_AVATARS="2/minute"), "alice")
    assert [send(alice, picture()).status_code for _ in range(3)] == [201, 204, 429]
    assert alice.get(PATH).status_code == 200


def hiding(kind: str) -> bytes:
    """A picture with a secret in every place for metadata that its format has, and behind its end."""
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    places = {"icc_profile": SECRET * 20, "exif": exif, "comment": SECRET, "xmp": SECRET, "pnginfo": info}
    wanted = {"JPEG": ("icc_profile", "exif", "comment", "xmp"), "PNG": ("icc_profile", "exif", "pnginfo")}
    wanted |= {"WEBP": ("icc_profile", "exif", "xmp"), "GIF": ("comment",)}
    return picture(kind, **{name: places[name] for name in wanted[kind]}) + SECRET


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.asvs("14.2.8")
def test_metadata_is_gone(alice: Caller, kind: str) -> None:
    sent = hiding(kind)
    assert SECRET in sent
    assert send(alice, sent).status_code == 201
    kept = shown(alice)
    assert SECRET not in alice.get(PATH).data
    assert (kept.info, dict(kept.getexif())) == ({}, {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.4",
        b"<html><script>alert(1)</script>",
        b"BM" + bytes(100),
        picture("BMP"),
        picture("TIFF"),
        picture("ICO"),
        picture("PPM"),
        picture("JPEG")[:200],
        picture("WEBP")[:40],
        picture("GIF")[:30],
        bytes(1000),
    ],
)
@pytest.mark.asvs("5.2.2")
def test_what_is_no_picture_of_the_four_kinds_is_400(app: Flask, alice: Caller, data: bytes) -> None:
    answer = send(alice, data)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "avatar")
    assert alice.get(PATH).status_code == 404
    assert files(app) == []


@pytest.mark.parametrize("size", [(4001, 4000), (16_000_001, 1), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.asvs("5.2.6")
def test_bomb_is_refused_before_its_pixels_are_made(alice: Caller, size: tuple[int, int]) -> None:
    answer = send(alice, bomb(*size))
    assert (answer.status_code, answer.json["error"]["message"]) == (
        400,
        "A picture has at most 16,000,000 pixels.",
    )


def test_picture_of_just_as_many_pixels_is_taken(alice: Caller) -> None:
    assert send(alice, picture("PNG", (4000, 4000))).status_code == 201


@pytest.mark.asvs("5.2.1")
def test_two_mebibytes_are_taken_and_a_byte_more_is_413(alice: Caller) -> None:
    data = picture().ljust(avatars.LARGEST, b"\0")
    assert send(alice, data).status_code == 201
    assert send(alice, data + b"\0").status_code == 413
    assert send(alice, data * 2).status_code == 413


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (picture(), "image/png", 415),
        (b"{}", "application/json", 415),
        ({}, "multipart/form-data", 400),
        ({"avatar": "text"}, "multipart/form-data", 400),
        ({"avatar": "file", "more": "file"}, "multipart/form-data", 400),
        ({"avatar": "file", "name": "Eve"}, "multipart/form-data", 400),
        (b"--x\r\n", "multipart/form-data; boundary=y", 400),
        (b"", "multipart/form-data", 400),
    ],
)
def test_body_of_another_form_is_refused(alice: Caller, data: Any, content_type: str, status: int) -> None:
    if isinstance(data, dict):
        data = {
            name: (io.BytesIO(picture()), "a") if value == "file" else value for name, value in data.items()
        }
    assert alice.put(PATH, data=data, content_type=content_type).status_code == status


def test_two_pictures_in_one_form_are_refused(app: Flask, alice: Caller) -> None:
    """Which of them was meant, nobody can tell."""
    both = {"avatar": [(io.BytesIO(picture(kind)), "a") for kind in ("PNG", "JPEG")]}
    answer = alice.put(PATH, data=both, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "avatar")
    assert files(app) == []


@pytest.mark.asvs("5.2.4")
def test_second_picture_takes_the_place_of_the_first(app: Flask, alice: Caller) -> None:
    send(alice, picture())
    first = alice.get(PATH)
    assert send(alice, picture("JPEG", (50, 50))).status_code == 204
    second = alice.get(PATH)
    assert first.headers["ETag"] != second.headers["ETag"]
    assert first.data != second.data
    assert len(files(app)) == 2


def test_etag_saves_the_download_and_guards_the_change(alice: Caller) -> None:
    send(alice, picture())
    tag = alice.get(PATH).headers["ETag"]
    assert alice.get(PATH, headers={"If-None-Match": tag}).status_code == 304
    assert send(alice, picture(), headers={"If-Match": tag}).status_code == 204
    assert send(alice, picture(), headers={"If-Match": tag}).status_code == 412
    assert send(alice, picture(), headers={"If-None-Match": "*"}).status_code == 412
    assert alice.delete(PATH, headers={"If-Match": tag}).status_code == 412


def test_picture_that_is_not_there_is_404(alice: Caller) -> None:
    assert [alice.get(PATH).status_code, alice.delete(PATH).status_code] == [404, 404]
    assert alice.delete(PATH, headers={"If-Match": "*"}).status_code == 412


def test_removed_picture_is_gone(alice: Caller) -> None:
    send(alice, picture())
    assert "avatar" in alice.get("/users/me").json["_links"]
    assert alice.delete(PATH).status_code == 204
    assert alice.get(PATH).status_code == 404
    assert "avatar" not in alice.get("/users/me").json["_links"]


def test_each_has_a_picture_of_his_own(alice: Caller, bob: Caller) -> None:
    send(alice, picture())
    assert bob.get(PATH).status_code == 404


@pytest.mark.asvs("5.3.2", "5.4.1")
def test_name_of_the_file_is_random(app: Flask, alice: Caller) -> None:
    send(alice, picture(), filename="../../etc/passwd")
    [name] = files(app)
    assert len(name) == len("x" * 32 + ".png")
    assert alice.id not in name


def test_files_that_no_account_names_are_removed_after_an_hour(
    app: Flask, alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for caller in (alice, alice, bob):
        send(caller, picture())
    assert bob.delete("/users/me").status_code == 204
    with app.app_context():
        avatars.remove_unused()
        assert len(files(app)) == 3
        let_pass(monkeypatch, hours=2)
        avatars.remove_unused()
    assert len(files(app)) == 1


def test_full_disk_is_an_error_and_loses_nothing(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(alice, picture())
    before = alice.get(PATH).data
    monkeypatch.setitem(app.config, "AVATAR_DIR", app.config["AVATAR_DIR"] / files(app)[0])
    assert send(alice, picture("GIF")).status_code == 500
    monkeypatch.undo()
    assert alice.get(PATH).data == before
