"""Batches are short as long as others are seen to wait for their turn to write."""

import os

from flask import Flask
from sqlalchemy import make_url

from app import database
from app.clicks.pace import Paces
from app.extensions import db


def test_a_writer_that_waits_is_shown_consideration(app: Flask) -> None:
    sqlite = db.engine.dialect.name == "sqlite"
    with database.writing():
        paces = Paces(db.engine.dialect.name)
    queue = f"{make_url(app.config['SQLALCHEMY_DATABASE_URI']).database}-queue"
    if sqlite:
        os.utime(queue, (0, 0))
    alone = paces.present
    if sqlite:
        os.utime(queue)  # as who waits does
    assert (paces.present.pause > alone.pause) == sqlite
    assert (paces.present is alone) != sqlite
