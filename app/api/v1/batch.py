"""/links/batch: many links in one call."""

from typing import Any

from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint, raises
from app.api.idempotency import idempotent, keep_nothing
from app.api.v1.links import spend_create
from app.api.v1.schemas.batch import BatchOut, answer
from app.api.v1.schemas.batch_input import Batch, read
from app.errors import NotFound, PreconditionFailed
from app.links import batch
from app.links.codes import CodeTaken
from app.links.remembering import remembering
from app.web import body

blueprint = Blueprint("v1_batch", __name__, url_prefix="/links/batch", description="Many links in one call.")

LARGEST = 4 * 1024 * 1024  # bytes


@blueprint.post("")
@scope("links:write")
@idempotent
@raises(CodeTaken, NotFound, PreconditionFailed)
@body.at_most(LARGEST)
@blueprint.arguments(Batch)
@blueprint.response(200, BatchOut)
def change_links(wanted: dict[str, Any]) -> dict[str, Any]:
    """Make, change and delete up to 1,000 links.

    Items are done in order, each by the rules of its single call, and see what those before them left. The answer
    is 200 though items fail: each result has the status and the error that the single call would answer. With
    `atomic` a failing item has all others undone; the answer is then the first one's error, and its `details` name
    every item that failed, as `items.3.link.code`. With `dry_run` the answer is the same, and nothing is stored.
    With an `Idempotency-Key` the answer is kept, its failed items included, if any item was done.
    Where the service demands preconditions, `if_match` has to be there. A call counts as one against the limit on
    new links.
    """
    spend_create()
    with remembering():
        items = read(wanted["items"])
        outcomes = batch.run(current_principal().user_id, items, dry_run=wanted["dry_run"])
        told = answer(wanted, items, outcomes)
    if wanted["dry_run"] or not told["summary"]["succeeded"]:
        keep_nothing()
    return told
