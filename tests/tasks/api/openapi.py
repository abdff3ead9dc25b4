"""Holds answers of the API against the OpenAPI schema that it serves."""

import json
import re
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

# Any path answers so: the schema names the methods that there are, and HTTPS=on leads
# to the same path.
NOT_SAID = {301, 405}


@cache
def served_schema() -> Any:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(json.dumps(schema, default=str))


@cache
def strict_schema() -> Any:
    return strict(served_schema())


def strict(node: Any) -> Any:
    """The same as JSON Schema, in which a key that is not named is wrong.

    OpenAPI 3.0 has its own way to write "or null".
    """
    if isinstance(node, list):
        return [strict(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {key: strict(value) for key, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        node.setdefault("additionalProperties", False)
    is_nullable = node.pop("nullable", False)
    return {"anyOf": [node, {"type": "null"}]} if is_nullable else node


def operation_of(method: str, path: str) -> Any:
    """The operation that answers; None where the schema has none.

    A path that stands there word for word goes before one with a name in it.
    """
    if path in strict_schema()["paths"]:
        return strict_schema()["paths"][path].get(method.lower())
    for template, operations in strict_schema()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return operations.get(method.lower())
    return None


def what_is_wrong(
    method: str, path: str, status: int, content_type: str, body: bytes
) -> str | None:
    """What of an answer is not as the schema says; None where all is."""
    operation = operation_of(method, path)
    if operation is None or status in NOT_SAID:
        return None
    answer = operation["responses"].get(str(status))
    if answer is None:
        return f"the schema has no {status}"
    contents = answer.get("content", {})
    kind = content_type.partition(";")[0]
    if not (contents or body):
        return None
    if kind not in contents:
        return f"the schema has no {status} with {kind!r}"
    return _what_is_wrong_in(body, contents[kind]["schema"]) if "json" in kind else None


def _what_is_wrong_in(body: bytes, schema: Any) -> str | None:
    whole = {**schema, "components": strict_schema()["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    for error in validator.iter_errors(json.loads(body)):
        return f"{error.json_path}: {error.message[:300]}"
    return None
