"""Settings at random: valid ones of every kind, and documents that are nearly settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import strategies as st

from edge.settings.schema import Node, kind, leaves
from edge.settings.settings import Settings

LEAVES = dict(leaves(Settings))
Key = tuple[str, ...]

_words = st.text("abc/.:!# =\"'\\é", min_size=1, max_size=8).filter(lambda text: text.strip() == text)
_special: Mapping[Key, st.SearchStrategy[Any]] = {
    ("output", "page"): st.sampled_from(["127.0.0.1:8710", "localhost:1", ":99", "[::1]:80"]),
    ("output", "publish"): st.lists(st.sampled_from(["jsonl:a", "mqtt://h", "rosbridge://h:9090"]), max_size=2),
}


def _of(node: Node) -> st.SearchStrategy[Any]:
    what = kind(node)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if what == "integer":
        return st.integers(node["minimum"], node["maximum"])
    if what == "number":
        return st.floats(node["minimum"], node["maximum"]).map(lambda x: round(x, 3) if x > 1 else x)
    if what == "array":
        return st.lists(_of(node["items"]), min_size=node.get("minItems", 0), max_size=3)
    return st.booleans() if what == "boolean" else _words


def valid(key: Key) -> st.SearchStrategy[Any]:
    """Values that a setting may have."""
    return _special[key] if key in _special else _of(LEAVES[key])


def some(keys: list[Key]) -> st.SearchStrategy[dict[Key, Any]]:
    """Some of these settings, each with a value that it may have."""
    return st.fixed_dictionaries({}, optional={key: valid(key) for key in keys})


def nested(flat: Mapping[Key, Any]) -> dict[str, Any]:
    """As tables."""
    values: dict[str, Any] = {}
    for key, value in flat.items():
        part = values
        for table in key[:-1]:
            part = part.setdefault(table, {})
        part[key[-1]] = value
    return values


def write_toml(path: Path, values: Mapping[str, Any]) -> None:
    """As a file."""
    path.write_text(tomlkit.dumps(values), encoding="utf-8")


_names = sorted({part for key in LEAVES for part in key} | {"board", "compatible", "sorce", "x"})
_any_value: st.SearchStrategy[Any] = st.recursive(
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["none", "onnx", "mqtt://a:b@c"])
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_names), inner, max_size=3),
    max_leaves=6,
)
nearly = st.dictionaries(
    st.sampled_from(_names), _any_value | st.dictionaries(st.sampled_from(_names), _any_value, max_size=4), max_size=4
)
"""Documents with names that there are, at places where they may not be."""
