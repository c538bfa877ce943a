"""docker-compose.yml: it fits the Compose specification, and keeps what it promises of safety.

`compose-spec.json` is the specification's own schema (compose-spec.LICENSE), as check-jsonschema 0.39 ships it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OURS = ("migrate", "web", "worker")
ALL = (*OURS, "postgres", "redis", "nginx")
LASTING = tuple(name for name in ALL if name != "migrate")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((HERE / "compose-spec.json").read_text()))


def test_it_fits_the_compose_specification(compose):
    assert [error.message for error in schema().iter_errors(compose)] == []


def test_the_schema_refuses_a_misspelt_key(compose):
    wrong = {**compose, "services": {**compose["services"], "web": {"image": "x", "restrat": "always"}}}
    assert list(schema().iter_errors(wrong))


def test_every_service_is_there(compose):
    assert set(compose["services"]) == set(ALL)


@pytest.mark.parametrize("name", LASTING)
def test_a_service_starts_again(compose, name):
    assert compose["services"][name]["restart"] == "unless-stopped"


def test_migrations_run_once(compose):
    assert compose["services"]["migrate"]["restart"] == "no"


@pytest.mark.asvs("13.2.2")
@pytest.mark.parametrize("name", ALL)
def test_a_container_has_little_to_misuse(compose, name):
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_our_own_containers_get_no_capability_back(compose, name):
    assert "cap_add" not in compose["services"][name]


def test_only_nginx_is_reachable_from_outside(compose):
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["nginx"]


@pytest.mark.asvs("13.2.2")
def test_nginx_does_not_reach_the_database(compose):
    services = compose["services"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert services["nginx"]["networks"] == ["outside"]
    assert services["postgres"]["networks"] == services["redis"]["networks"] == ["inside"]


def test_web_and_worker_share_the_spool(compose):
    web, worker = compose["services"]["web"], compose["services"]["worker"]
    directory = web["environment"]["SPOOL_DIR"]
    mounts = [mount.split(":") for mount in web["volumes"]]
    assert any(
        directory.startswith(f"{target}/") and source in compose["volumes"] for source, target in mounts
    )
    assert set(worker["volumes"]) <= set(web["volumes"])
    assert worker["environment"]["SPOOL_DIR"] == directory


def test_web_and_nginx_share_the_socket_which_nobody_else_sees_and_nginx_cannot_replace(compose):
    services = compose["services"]
    tcp, socket = services["web"]["environment"]["WEB_BIND"].split(",")
    assert (tcp, services["nginx"]["environment"]["UPSTREAM"]) == ("0.0.0.0:8000", f"${{UPSTREAM:-{socket}}}")
    mounts = {
        name: mount.removeprefix("run:")
        for name, service in services.items()
        for mount in service.get("volumes", [])
        if mount.startswith("run:")
    }
    folder = socket.removeprefix("unix:").rpartition("/")[0]
    assert mounts == {"web": folder, "nginx": f"{folder}:ro"}


def test_what_is_told_for_several_web_containers_has_them_share_no_socket(compose):
    told = (ROOT / "docs" / "operations.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    override = yaml.safe_load(told)
    assert [error.message for error in schema().iter_errors(override)] == []
    said = {name: service["environment"] for name, service in override["services"].items()}
    assert said == {"web": {"WEB_BIND": "0.0.0.0:8000"}, "nginx": {"UPSTREAM": "web:8000"}}
    assert all(said[name].keys() <= compose["services"][name]["environment"].keys() for name in said)


@pytest.mark.asvs("13.2.3")
@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET"])
def test_a_missing_secret_stops_compose(compose, name):
    assert compose["services"]["web"]["environment"][name].startswith(f"${{{name}:?")


@pytest.mark.asvs("13.2.3")
def test_no_password_is_written_down(compose):
    for service in ("web", "postgres"):
        values = compose["services"][service]["environment"].values()
        assert any("${POSTGRES_PASSWORD:?" in value for value in values)


def test_one_proxy_is_trusted(compose):
    assert compose["services"]["web"]["environment"]["PROXY_HOPS"] == "1"


def test_what_another_needs_is_waited_for(compose):
    services = compose["services"]
    waits = {
        (name, needed): rule["condition"]
        for name, service in services.items()
        for needed, rule in service.get("depends_on", {}).items()
    }
    assert waits == {
        ("migrate", "postgres"): "service_healthy",
        ("web", "migrate"): "service_completed_successfully",
        ("web", "redis"): "service_healthy",
        ("worker", "migrate"): "service_completed_successfully",
        ("nginx", "web"): "service_healthy",
    }


@pytest.mark.parametrize("name", ["postgres", "redis", "nginx"])
def test_a_foreign_image_has_a_health_check(compose, name):
    assert compose["services"][name]["healthcheck"]["test"][0] == "CMD"


def test_every_variable_of_the_nginx_template_is_set(compose):
    template = (ROOT / "nginx" / "nginx.conf.template").read_text()
    used = {part.split("}")[0] for part in template.split("${")[1:]}
    assert used <= set(compose["services"]["nginx"]["environment"])
