"""Every noun's models in one place, so that Alembic sees all tables."""

from app.accounts import models as accounts
from app.audit import models as audit
from app.clicks import models as clicks
from app.links import models as links
from app.mail import models as mail

__all__ = ["accounts", "audit", "clicks", "links", "mail"]
