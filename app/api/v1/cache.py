"""/cache: what the service remembers of statistics, in all its processes."""

from app.api.access import scope
from app.api.blueprint import Blueprint
from app.clicks import versions

blueprint = Blueprint(
    "v1_cache", __name__, url_prefix="/cache", description="What is remembered of statistics."
)


@blueprint.post("/invalidate")
@scope("admin", role="admin")
@blueprint.response(204)
def invalidate_cache() -> None:
    """Forget remembered statistics.

    Everybody's, at once in every process: the next answers are read anew. For admins. Clicks do so by themselves for
    the account that they belong to; this is for when the database was changed by hand.
    """
    versions.forget_all()
