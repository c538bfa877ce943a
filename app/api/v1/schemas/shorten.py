"""Wire shapes of /shorten."""

from marshmallow import Schema, fields

from app.api.fields import Time, Whole
from app.api.v1.schemas.links import CodeText, TargetText
from app.links.models import Link
