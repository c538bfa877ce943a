"""Write openapi.json as a Postman collection (format v2.1, which Bruno and Insomnia import too) to standard output.

Python's standard library alone: ``python3 deploy/collection.py http://127.0.0.1:8000 < openapi.json``. One folder
for each group of calls. "Sign in" and "Exchange a refresh token" keep the tokens they get as variables of the
collection, and all calls send them.
"""

import json
import sys
from typing import Any

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post", "put", "patch", "delete")
KEEP_TOKENS = [
    "if (pm.response.code === 200) {",
    "    const tokens = pm.response.json();",
    '    pm.collectionVariables.set("accessToken", tokens.access_token);',
    '    pm.collectionVariables.set("refreshToken", tokens.refresh_token);',
    "}",
]
KEEPING = ("login", "refresh")  # the operations that answer with tokens


def collection(document: dict[str, Any], base: str) -> dict[str, Any]:
    """The collection of an OpenAPI document, for the installation at `base`."""
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": SCHEMA,
        },
        "auth": _bearer("accessToken"),
        "variable": [
            {"key": "baseUrl", "value": base},
            {"key": "accessToken", "value": ""},
            {"key": "refreshToken", "value": ""},
        ],
        "item": [_folder(document, tag) for tag in document["tags"]],
    }


def _folder(document: dict[str, Any], tag: dict[str, str]) -> dict[str, Any]:
    items = [
        _request(method, path, item.get("parameters", []), item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item and tag["name"] in item[method]["tags"]
    ]
    return {"name": tag["name"], "description": tag.get("description", ""), "item": items}


def _request(
    method: str, path: str, shared: list[dict[str, Any]], operation: dict[str, Any]
) -> dict[str, Any]:
    parameters = [*shared, *operation.get("parameters", [])]
    request = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "url": _url(path, parameters),
        "header": [{**_entry(found), "disabled": True} for found in parameters if found["in"] == "header"],
        **_auth(operation),
    }
    if "requestBody" in operation:
        content_type, content = next(iter(operation["requestBody"]["content"].items()))
        request["header"].append({"key": "Content-Type", "value": content_type})
        body = json.dumps(content.get("example", {}), indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": body, "options": {"raw": {"language": "json"}}}
    made = {"name": operation["summary"].rstrip("."), "request": request, "response": []}
    if operation["operationId"] in KEEPING:
        script = {"type": "text/javascript", "exec": KEEP_TOKENS}
        made["event"] = [{"listen": "test", "script": script}]
    return made


def _url(path: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Path parameters as Postman's `:name`; those of the query are there to be switched on."""
    parts = [part.replace("{", ":").replace("}", "") for part in path.strip("/").split("/")]
    return {
        "raw": "/".join(["{{baseUrl}}", *parts]),
        "host": ["{{baseUrl}}"],
        "path": parts,
        "query": [{**_entry(found), "disabled": True} for found in parameters if found["in"] == "query"],
        "variable": [_entry(found) for found in parameters if found["in"] == "path"],
    }


def _entry(parameter: dict[str, Any]) -> dict[str, Any]:
    value = parameter.get("example", parameter["schema"].get("default", ""))
    return {
        "key": parameter["name"],
        "value": str(value),
        "description": parameter.get("description", ""),
    }


def _auth(operation: dict[str, Any]) -> dict[str, Any]:
    """Nothing where the collection's own token is right."""
    schemes = [name for requirement in operation.get("security", []) for name in requirement]
    if not schemes:
        return {"auth": {"type": "noauth"}}
    return {} if "accessToken" in schemes else {"auth": _bearer(schemes[0])}


def _bearer(variable: str) -> dict[str, Any]:
    token = {"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}
    return {"type": "bearer", "bearer": [token]}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: collection.py BASE < openapi.json")
    json.dump(collection(json.load(sys.stdin), sys.argv[1]), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
