"""What is set: which board this is, and whether all settings are well-formed and fit this machine."""

from collections.abc import Sequence

from edge.cores import check_cores
from edge.doctor.checks import Finding, from_error
from edge.errors import M3erError
from edge.settings.layers import Layer, Merged, merge_settings

_UNSET = "unset it, or mend its name; m3er-edge settings shows the result"


def settings_for_board(board: str) -> Merged:
    """As a run would have them. Raises M3erError where they are malformed.

    Args:
        board: a profile's name or file; empty: as a run finds it.
    """
    return merge_settings(Layer({"board": board} if board else {}, lambda _key: "--board"))


def check_settings(board: str) -> Sequence[Finding]:
    """All layers, and the board they are for."""
    try:
        merged = settings_for_board(board)
        check_cores(merged)
    except M3erError as error:
        return [from_error("settings", error)]
    do = "" if merged.board else "name the board with --board, or measure it: m3er-edge bench --board my.toml --write"
    findings = [Finding("settings", "ok", f"board: {merged.board_in_words}", do)]
    return [*findings, *(Finding("settings", "warning", warning, _UNSET) for warning in merged.warnings)]
