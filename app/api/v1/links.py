from app.api.access import signed_in
from app.api.blueprint import Blueprint

blueprint = Blueprint("v1_links", __name__, url_prefix="/links")


@blueprint.get("")
@signed_in
def list_links(): ...
