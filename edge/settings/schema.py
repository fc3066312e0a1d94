"""What the typed settings say about themselves: which keys there are, and in words what each may be."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from edge.settings.toml_file import Key

Node = dict[str, Any]
"""A part of a JSON schema."""


def leaves(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], Node]]:
    """All settings, in order, each with its part of the JSON schema; nets by their names."""
    yield from _leaves(model, (), _whole(model))


def known_keys(model: type[BaseModel], key: Key) -> list[str]:
    """What a table may hold."""
    node = _at(model, key)
    return list(_children(node)) if node is not None else []


def choices(model: type[BaseModel], key: Key) -> list[str]:
    """What a setting may be, where that is one of a few words."""
    node = _at(model, key)
    return [str(choice) for choice in node.get("enum", [])] if node is not None else []


def allowed(model: type[BaseModel], key: Key) -> str:
    """What a setting may be, in words."""
    node = _at(model, key)
    return _words(model, node) if node is not None else "nothing"


def kind(node: Node) -> str:
    """``string``, ``integer``, ``number``, ``boolean``, ``array`` or ``object``."""
    return str(node.get("type", "string" if "enum" in node or "const" in node else "object"))


@lru_cache(maxsize=8)
def _whole(model: type[BaseModel]) -> Node:
    return model.model_json_schema()


def _leaves(model: type[BaseModel], key: tuple[str, ...], node: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    for name, child in _children(node).items():
        child = _resolved(model, child)
        if kind(child) == "object":
            yield from _leaves(model, (*key, name), child)
        else:
            yield (*key, name), child


def _children(node: Node) -> dict[str, Node]:
    if "propertyNames" in node:
        each: Node = node["additionalProperties"]
        return dict.fromkeys(node["propertyNames"]["enum"], each)
    properties: dict[str, Node] = node.get("properties", {})
    return properties


def _at(model: type[BaseModel], key: Key) -> Node | None:
    node: Node | None = _whole(model)
    for part in key:
        if node is None:
            return None
        node = node.get("items") if isinstance(part, int) else _children(node).get(part)
        node = None if node is None else _resolved(model, node)
    return node


def _resolved(model: type[BaseModel], node: Node) -> Node:
    """Without references, and without the null of what need not be set; a node's own words win."""
    own = {name: value for name, value in node.items() if name not in ("$ref", "anyOf", "allOf")}
    if "$ref" in node:
        return {**_resolved(model, _whole(model)["$defs"][node["$ref"].rpartition("/")[2]]), **own}
    parts: list[Node] = node.get("anyOf") or node.get("allOf") or []
    for part in parts:
        if part.get("type") != "null":
            return {**_resolved(model, part), **own}
    return node


def _words(model: type[BaseModel], node: Node) -> str:
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    what = kind(node)
    if what in ("integer", "number"):
        noun = "a whole number" if what == "integer" else "a number"
        return f"{noun} from {node.get('minimum', '…')} to {node.get('maximum', '…')}"
    if what == "array":
        return f"a list, each {_words(model, _resolved(model, node['items']))}"
    if what == "object":
        return f"a table of {', '.join(_children(node))}"
    return {"boolean": "true, false", "string": "text"}.get(what, what)
