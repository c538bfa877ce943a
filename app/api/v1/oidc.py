"""/auth/providers and /auth/oidc: sign-in at OpenID providers.

A sign-in is begun by POST, goes on at the provider, comes back by a redirect of the browser (`came_back`), and is
completed by POST: no token is ever in a URL, and the GET of the redirect changes nothing.
"""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint as Pages
from flask import current_app, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts.models import Identity
from app.accounts.oidc import flows, publishing, signing_in
from app.accounts.oidc.flows import Flow, ForeignFlow
from app.accounts.oidc.identities import IdentityTaken
from app.accounts.oidc.joining import NotVouchedFor
from app.accounts.oidc.proving import Answer, NotProven
from app.accounts.oidc.signing_in import Began, Returned
from app.accounts.reauthentication import ReauthenticationRequired
from app.accounts.signing_in import EmailUnverified
from app.accounts.tokens import TokenPair
from app.accounts.users import EmailTaken, RegistrationClosed
from app.api import browser_secret, transport
from app.api.access import current_person, public, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.credentials import device
from app.api.specification import path_id
from app.api.transport import CookieSession
from app.api.v1.schemas.auth import HandedOut
from app.api.v1.schemas.identities import IdentityOut
from app.api.v1.schemas.oidc import CameBack, Completion, Going, ProviderList, SignInCompletion, SignInStart
from app.errors import BadGateway, GatewayTimeout
from app.web import accept, errors, limits, pages
from app.web.pages import WayOn

blueprint = Blueprint("v1_oidc", __name__, url_prefix="/auth", description="Sign in at OpenID providers.")
callbacks = Pages("callbacks", __name__)

PROVIDER = path_id("provider", "The provider's name, as `GET /auth/providers` lists it.", "google")


@blueprint.get("/providers")
@public
@blueprint.response(200, ProviderList)
def list_providers() -> dict[str, Any]:
    """List the providers that one can sign in at.

    None where the operator has set up none.
    """
    return {"items": list(current_app.config["OIDC_PROVIDERS"].values())}


@blueprint.post("/oidc/<provider>", parameters=PROVIDER)
@public
@raises(BadGateway, GatewayTimeout)
@blueprint.arguments(SignInStart)
@blueprint.response(200, Going)
def begin_sign_in(fields: dict[str, Any], provider: str) -> Began:
    """Begin a sign-in at a provider.

    Send the browser to `authorization_url`. It keeps a cookie meanwhile: only there, and for ten minutes, can the
    sign-in be completed. It comes back to `return_to` with `#code=…&state=…` and, from some providers, `&iss=…`; or
    with `#error=…&state=…`.
    """
    return _begun(signing_in.begin(provider, fields["return_to"], redirect_uri(provider)))


@blueprint.post("/oidc/<provider>/complete", parameters=PROVIDER)
@public
@raises(
    *(NotProven, ForeignFlow, NotVouchedFor, EmailUnverified, EmailTaken, RegistrationClosed),
    *(BadGateway, GatewayTimeout),
)
@blueprint.arguments(SignInCompletion)
@blueprint.response(200, HandedOut)
def complete_sign_in(fields: dict[str, Any], provider: str) -> TokenPair | CookieSession:
    """Complete a sign-in at a provider.

    Takes what stood behind the `#`, once, from the browser that began it (with its cookie). Who is not linked to an
    account signs in to the one of his e-mail address where both sides have that verified, or gets a new one as
    registration allows.
    """
    browser_secret.drop()
    pair = signing_in.complete(provider, _returned(provider, fields), device())
    return transport.handed_out(pair, fields["transport"])


@blueprint.post("/oidc/<provider>/link", parameters=PROVIDER)
@signed_in
@raises(BadGateway, GatewayTimeout)
@blueprint.arguments(SignInStart)
@blueprint.response(200, Going)
def begin_link(fields: dict[str, Any], provider: str) -> Began:
    """Begin to link a provider to one's account.

    As a sign-in is begun; complete it with the call for that.
    """
    user_id = current_person().user_id
    return _begun(signing_in.begin(provider, fields["return_to"], redirect_uri(provider), user_id))


@blueprint.post("/oidc/<provider>/link/complete", parameters=PROVIDER)
@signed_in
@raises(NotProven, ForeignFlow, ReauthenticationRequired, IdentityTaken, BadGateway, GatewayTimeout)
@blueprint.arguments(Completion)
@blueprint.response(200, IdentityOut)
def complete_link(fields: dict[str, Any], provider: str) -> Identity:
    """Link a provider to one's account.

    Takes what stood behind the `#`, once, from the browser and the user that began it. Who one is at the provider
    signs in to this account from then on.
    """
    browser_secret.drop()
    return signing_in.complete_link(provider, _returned(provider, fields), current_person(), device())


@callbacks.get("/api/v1/auth/oidc/<provider>/callback")
def came_back(provider: str) -> Response:
    """Where a provider sends the browser: on to `return_to`, what it was sent with behind the `#`, which no server
    gets to see. Parameters that nobody knows are passed over (RFC 6749 §4.1.2)."""
    limits.spend(limits.address_bucket())
    publishing.named(provider)
    told = CameBack.checked(request.args)
    return_to = flows.way_back(provider, Flow(browser_secret.kept(), told["state"]))
    return redirect(f"{return_to}#{urlencode(told)}", 303)


@callbacks.errorhandler(Exception)
def _refuse(error: Exception) -> Response:
    """A page for the person whom the provider sent here, the shape of the API for who asks for no page."""
    refusal = errors.refusal(error)
    if accept.best(request.headers.get("Accept", ""), (accept.JSON, accept.PAGE)) != accept.PAGE:
        return errors.render(refusal)
    back = WayOn(current_app.config["SIGN_IN_URL"], "Back to the sign-in")
    page = pages.refusal(refusal, "Signing in did not work", back)
    page.vary.add("Accept")
    return page


def redirect_uri(provider: str) -> str:
    """Our address that the provider knows: one for each, so that none's answer is taken for another's."""
    return f"{current_app.config['PUBLIC_URL']}{url_for('callbacks.came_back', provider=provider)}"


def _begun(began: Began) -> Began:
    browser_secret.keep(began.secret)
    return began


def _returned(provider: str, fields: dict[str, Any]) -> Returned:
    flow = Flow(browser_secret.kept(), fields["state"])
    return Returned(flow, Answer(fields["code"], fields["iss"]), redirect_uri(provider))
