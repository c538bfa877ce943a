"""Scenarios of many calls: what one step made is there for the next, and gone once it is deleted."""

from typing import Any

import pytest

from tests.contract.scenarios import play
from tests.contract.sending import ROLES, SHORT, SIZE, schema_of
from tests.contract.totals import PROPERTY

BY_OTHERS = (
    r"/(oidc|identities|passkeys?|totp|recovery-codes)(/|$)|/auth/(verify|email/confirm|password/reset)$"
)
"""What takes something that no step makes: of an authenticator, a provider, a mail. Single calls bring it along."""
WHO = ROLES if SIZE.every_role else ROLES[:1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("role", WHO)
def test_every_step_is_answered_as_documented(app, role, record_property):
    run = play(app, schema_of(app).exclude(path_regex=BY_OTHERS), role)
    record_property(PROPERTY, run.tally.told(len(WHO)))
    assert not run.failures, run.told()
    assert (
        run.tally.succeeded > (run.tally.positive - run.tally.refused) / 2
    )  # but for what is not this role's to do


def _that_stays(**_arguments: Any) -> tuple[str, int]:
    return "", 204


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_link_that_outlives_its_deletion_is_found_out(app):
    """The control."""
    links = schema_of(app).include(
        path=["/api/v1/links", "/api/v1/links/{code}"], method=["POST", "GET", "DELETE"]
    )
    app.view_functions["v1_links.delete_link"] = _that_stays
    assert "Deleted resource still available" in {
        title for _, title in play(app, links, "user", SHORT).failures
    }
