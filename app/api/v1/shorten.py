from app.api.blueprint import Blueprint

blueprint = Blueprint("v1_shorten", __name__, url_prefix="/shorten")
