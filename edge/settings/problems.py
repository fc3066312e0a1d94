"""Check values against the settings there are, and say in one line what is wrong, where, and what is allowed."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edge.errors import M3erError
from edge.settings.schema import allowed, choices, known_keys
from edge.settings.toml_file import Key

Model = TypeVar("Model", bound=BaseModel)

_IN_URL = re.compile(r"(://[^:/@\s]*):\S*@")
_NAMED = re.compile(r"((?:user-pw|passw(?:or)?d|pwd|token|secret|key)=)[^\s&]+", re.IGNORECASE)
_MOST_SHOWN = 60


def check(model: type[Model], values: Mapping[str, Any], where: Callable[[Key], str], may_lack: bool = False) -> None:
    """Raise M3erError for the first thing that is wrong.

    Args:
        where: says where a key is set.
        may_lack: another layer may bring what is missing.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            if not (may_lack and problem["type"] == "missing"):
                raise M3erError(_said(model, problem, where)) from None


def hidden(text: str) -> str:
    """The text without the passwords in it: of URLs, and of what is called password, token or the like."""
    return _NAMED.sub(r"\1***", _IN_URL.sub(r"\1:***@", text))


def _said(model: type[BaseModel], problem: ErrorDetails, where: Callable[[Key], str]) -> str:
    key = tuple(part for part in problem["loc"] if part != "[key]")
    name = ".".join(map(str, key)) or "the file"
    return f"{where(key)}: {hidden(name)}: {_why(model, problem, key)}"


def _why(model: type[BaseModel], problem: ErrorDetails, key: Key) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden" or problem["loc"][-1:] == ("[key]",):
        known = known_keys(model, key[:-1])
        near = get_close_matches(str(key[-1]), known, 1)
        return "no such setting; " + (f"did you mean {near[0]}? " if near else "") + f"known here: {', '.join(known)}"
    if kind == "missing":
        return f"is missing; allowed: {allowed(model, key)}"
    value = problem["input"]
    if kind == "value_error":
        why = problem["msg"].removeprefix("Value error, ")
        return hidden(why) if isinstance(value, list) else f"is {_shown(value)}; {hidden(why)}"
    near = get_close_matches(value, choices(model, key), 1) if isinstance(value, str) else []
    return f"is {_shown(value)}; " + (f"did you mean {near[0]}? " if near else "") + f"allowed: {allowed(model, key)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    text = hidden(repr(value))
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
