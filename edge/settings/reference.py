"""The page of all settings, in Markdown, from the settings themselves."""

from edge.settings.environment import variable_name
from edge.settings.flags import flag_of
from edge.settings.schema import allowed, leaves
from edge.settings.settings import Settings

_NET = "face"
"""Of the nets, which are set alike."""


def reference() -> str:
    """A row for each setting."""
    rows = ["| setting | allowed | default | meaning | flag |", "|---|---|---|---|---|"]
    for key, node in leaves(Settings):
        if key[0] == "nets" and key[1] != _NET:
            continue
        default = node.get("default")
        shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        flag = flag_of(key)
        cells = (f"`{'.'.join(key)}`", allowed(Settings, key), shown, node.get("description", ""), flag and f"`{flag}`")
        rows.append("| " + " | ".join(cells) + " |")
    example = variable_name(("camera", "source"))
    return "\n".join([*rows, "", f"In the environment `camera.source` is `{example}`, and so on."])
