"""The Flask extensions, made unbound here and bound to an application in `create_app`."""

from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from app.database import metadata

db = SQLAlchemy(metadata=metadata)
migrate = Migrate()
jwt = JWTManager()
# No limit of its own: `app.web.limits` asks its storage, after the credential is known.
limiter = Limiter(key_func=get_remote_address)
cors = CORS()
