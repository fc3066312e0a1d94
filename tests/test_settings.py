"""Settings: the order of the layers, what each may hold, and that anything else is one line with its place."""

import argparse
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge import run
from edge.bundle import DEFAULT as DEFAULT_BUNDLE
from edge.bundle import open_bundle
from edge.errors import M3erError
from edge.settings.environment import SITE_VARIABLE, variable_name
from edge.settings.flags import from_flags
from edge.settings.layers import DEFAULT, Layer, Merged, merge_settings
from edge.settings.problems import hidden
from edge.settings.settings import Settings
from tests.made_settings import LEAVES, Key, nearly, nested, some, write_toml

_NETS = [key for key in LEAVES if key[0] == "nets"]
_FLAGS: Mapping[Key, str] = {
    ("camera", "source"): "--camera",
    ("microphone", "source"): "--mic",
    ("speech", "model"): "--stt-model",
    ("faces", "model"): "--face-model",
    ("output", "page"): "--page",
    ("output", "log"): "--log",
}


def flags(*arguments: str) -> Layer:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return from_flags(parser.parse_args(arguments))


@contextmanager
def site(text: str) -> Iterator[dict[str, str]]:
    """An environment that names a settings file of this text."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "site.toml"
        path.write_text(text, encoding="utf-8")
        yield {SITE_VARIABLE: str(path), "M3ER_BOARD": "generic-x86"}


def merged(text: str = "", **variables: str) -> Merged:
    with site(text) as environment:
        return merge_settings(environment=environment | variables)


def value_of(settings: Settings, key: Key) -> Any:
    part: Any = settings.model_dump()
    for name in key:
        part = part[name]
    return part


def as_variable(value: Any) -> str:
    """As a person would write it into the environment."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


_some_of_all = some(list(LEAVES))


@settings(max_examples=150)
@given(
    board=_some_of_all,
    here=_some_of_all,
    variables=_some_of_all,
    typed=some(list(_FLAGS)),
)
def test_the_later_layer_wins_and_says_so(
    board: dict[Key, Any], here: dict[Key, Any], variables: dict[Key, Any], typed: dict[Key, Any]
) -> None:
    board = {(*net[:2], "engine"): "onnx" for net in _NETS} | {(*net[:2], "precision"): "fp32" for net in _NETS} | board
    typed = {key: str(Path(value)) if key == ("faces", "model") else value for key, value in typed.items()}
    typed = {key: value for key, value in typed.items() if not value.startswith("-")}
    variables = {key: value for key, value in variables.items() if as_variable(value)}
    with tempfile.TemporaryDirectory() as scratch:
        board_file, site_file = Path(scratch) / "board.toml", Path(scratch) / "site.toml"
        write_toml(board_file, nested(board))
        write_toml(site_file, {"board": str(board_file), **nested(here)})
        environment = {variable_name(key): as_variable(value) for key, value in variables.items()}
        words = [word for key, value in typed.items() for word in (_FLAGS[key], value)]
        result = merge_settings(flags(*words), environment | {SITE_VARIABLE: str(site_file)})
        default = Settings(nets=result.settings.nets)
        assert (result.board, result.known_by) == ("board", f"{site_file}:1")
        for key in LEAVES:
            origin = result.where(key)
            if key in typed:
                value, source = typed[key], _FLAGS[key]
            elif key in variables:
                value, source = variables[key], variable_name(key)
            elif key in here:
                value, source = here[key], f"{site_file}:"
            elif key in board:
                value, source = board[key], f"{board_file}:"
            else:
                value, source = value_of(default, key), DEFAULT
            assert value_of(result.settings, key) == value, key
            assert origin.startswith(source), key
            if origin.startswith((str(board_file), str(site_file))):
                name, _, line = origin.rpartition(":")
                assert Path(name).read_text(encoding="utf-8").split("\n")[int(line) - 1].startswith((key[-1], "["))


@given(nearly, st.booleans())
def test_a_file_of_anything_is_settings_or_an_error_with_file_and_line(values: dict[str, Any], board: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "some.toml"
        write_toml(path, values)
        environment = {"M3ER_BOARD": str(path)} if board else {"M3ER_BOARD": "generic-x86", SITE_VARIABLE: str(path)}
        try:
            result = merge_settings(environment=environment | ({SITE_VARIABLE: os.devnull} if board else {}))
        except M3erError as error:
            assert re.match(rf"{re.escape(str(path))}:\d+: ", str(error)), error
            assert "\n" not in str(error) and ":b@" not in str(error)
        else:
            assert isinstance(result.settings, Settings)


@given(
    st.dictionaries(
        st.sampled_from([variable_name(key) for key in LEAVES] + ["M3ER_LOG", "M3ER_YUNET", "M3ER_X"]),
        st.text(st.characters(exclude_characters="\0"), max_size=12)
        | st.sampled_from(["1", "true", "[1]", "[", "1\nb = 2", "{}", "-1", "nan", "inf", "\udcff"]),
        max_size=4,
    )
)
@example({"M3ER_OUTPUT__PUBLISH": "\udcff"})
def test_an_environment_of_anything_is_settings_or_an_error_with_the_variable(variables: dict[str, str]) -> None:
    with site("") as environment:
        try:
            result = merge_settings(environment=environment | variables)
        except M3erError as error:
            assert str(error).split(":")[0] in variables, error
        else:
            assert result.warnings == [warning for warning in result.warnings if warning.startswith("M3ER_X")]


@given(
    st.lists(
        st.tuples(st.sampled_from([*_FLAGS.values(), "--publish"]), st.text(st.characters(exclude_characters="\0"))),
        max_size=4,
    )
)
def test_flags_of_anything_are_settings_or_an_error_with_the_flag(typed: list[tuple[str, str]]) -> None:
    words = [f"{flag}={value}" for flag, value in typed if flag != "--log"]
    with site("") as environment:
        try:
            merge_settings(flags(*words), environment)
        except M3erError as error:
            assert str(error).split(":")[0] in dict(typed), error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[camera]\nwidth_px = 9\n", ":2: camera.width_px: is 9; allowed: a whole number from 160 to 4096"),
        ("[camera]\n\nsorce = 0\n", ":3: camera.sorce: no such setting; did you mean source? known here: source, "),
        ("camra = 1\n", ":1: camra: no such setting; did you mean camera?"),
        ("[nets.nose]\nthreads = 1\n", ":1: nets.nose: no such setting; known here: face, speech"),
        ("[nets.face]\nengine = 'onxx'\n", ":2: nets.face.engine: is 'onxx'; did you mean onnx? allowed: onnx, litert"),
        ("[camera]\nwidth_px = '640'\n", ":2: camera.width_px: is '640'; allowed: a whole number"),
        ("[camera]\nwidth_px = true\n", ":2: camera.width_px: is true; allowed"),
        ("[speech]\nbeam = nan\n", ":2: speech.beam: is nan; allowed: a number from 1 to 50"),
        ("[cores]\nrun = [\n 0,\n -1,\n]\n", ":2: cores.run.1: is -1; allowed: a whole number from 0 to 1023"),
        ("[cores]\nrun = []\n", ":2: cores.run: is []; allowed: a list"),
        (
            "[output]\npublish = ['mqqt://h']\n",
            ":2: output.publish: --publish mqqt://h: did you mean mqtt:?",
        ),
        ("[output]\npage = 'host:port'\n", ":2: output.page: is 'host:port'; host:port: no address for the page"),
        ("camera = 3\n", ":1: camera: is 3; allowed: a table of source, width_px"),
        ("[camera]\nsource = 1.5\n", ":2: camera.source: is 1.5; allowed: text"),
        ("compatible = ['x']\n", ":1: compatible: no such setting"),
        ("board = 'generic-x68'\n[camera]\nsource = ''\n", ":3: camera.source: is ''; allowed"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_what_is_allowed(text: str, said: str) -> None:
    with site(text) as environment:
        with pytest.raises(M3erError) as error:
            merge_settings(environment=environment)
        assert str(error.value).startswith(environment[SITE_VARIABLE] + said), error.value


def test_a_wrong_value_is_found_where_a_later_layer_hides_it() -> None:
    with pytest.raises(M3erError, match=r"site\.toml:2: camera\.width_px"):
        merged("[camera]\nwidth_px = 9\n", M3ER_CAMERA__WIDTH_PX="640")


def test_half_a_net_is_whole_with_the_boards_half() -> None:
    result = merged("[nets.face]\nthreads = 3\n")
    face = result.settings.nets["face"]
    assert (face.engine, face.threads) == ("litert", 3)
    assert result.where(("nets", "face", "threads")).endswith("site.toml:2")
    assert "generic-x86.toml:" in result.where(("nets", "face", "engine"))


def test_half_a_net_alone_is_said_to_lack_the_other_half(tmp_path: Path) -> None:
    write_toml(tmp_path / "bare.toml", {})
    with pytest.raises(M3erError, match=r"site\.toml:2: nets\.face\.precision: is missing; allowed: fp32, int8"):
        merged("\n[nets.face]\nengine = 'onnx'\n", M3ER_BOARD=str(tmp_path / "bare.toml"))


@pytest.mark.parametrize(
    ("variables", "key", "value"),
    [
        ({"M3ER_CAMERA__SOURCE": "2"}, ("camera", "source"), "2"),
        ({"M3ER_LOG": "json"}, ("output", "log"), "json"),
        ({"M3ER_LOG": "json", "M3ER_OUTPUT__LOG": "text"}, ("output", "log"), "text"),
        ({"M3ER_YUNET": "y.onnx"}, ("faces", "model"), "y.onnx"),
        ({"M3ER_CORES__RUN": "0, 1"}, ("cores", "run"), [0, 1]),
        ({"M3ER_CORES__RUN": "[0, 1]"}, ("cores", "run"), [0, 1]),
        ({"M3ER_OUTPUT__PUBLISH": "mqtt://a jsonl:b"}, ("output", "publish"), ["mqtt://a", "jsonl:b"]),
        ({"M3ER_OUTPUT__PAGE_VIDEO": "true"}, ("output", "page_video"), True),
        ({"M3ER_SPEECH__BEAM": "11"}, ("speech", "beam"), 11.0),
        ({"M3ER_SPEECH__MODEL": ""}, ("speech", "model"), "best"),
    ],
)
def test_the_environment(variables: dict[str, str], key: Key, value: Any) -> None:
    result = merged(**variables)
    assert value_of(result.settings, key) == value
    assert result.where(key) == (DEFAULT if value == "best" else list(variables)[-1])


def test_a_variable_that_is_none_of_ours_is_a_warning_and_a_secret_is_no_setting() -> None:
    result = merged(M3ER_CAMERA__SORCE="1", M3ER_MQTT_PASSWORD="hush", M3ER_PAGE_TOKEN="hush", M3ER_MQTT_CA="ca.pem")
    assert result.warnings == ["M3ER_CAMERA__SORCE: no variable of ours; did you mean M3ER_CAMERA__SOURCE?"]
    assert "hush" not in repr(result)


def test_a_settings_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(M3erError, match=r"nowhere\.toml: no such settings file; make it, or unset M3ER_SETTINGS"):
        merge_settings(environment={SITE_VARIABLE: str(tmp_path / "nowhere.toml")})
    with pytest.raises(M3erError, match="cannot be read"):
        merge_settings(environment={SITE_VARIABLE: str(tmp_path)})


@pytest.mark.parametrize("place", ["M3ER_BOARD", "site", "--board"])
def test_an_unknown_board_is_refused_with_where_it_was_asked_for(place: str) -> None:
    with site("board = 'pi-4'\n" if place == "site" else "") as environment:
        environment = {SITE_VARIABLE: environment[SITE_VARIABLE]}
        if place == "M3ER_BOARD":
            environment[place] = "pi-4"
        asked = flags("--board", "pi-4") if place == "--board" else None
        where = {"site": environment[SITE_VARIABLE] + ":1"}.get(place, place)
        with pytest.raises(M3erError, match=rf"{re.escape(where)}: board: .*did you mean raspberry-pi-4\?"):
            merge_settings(asked, environment)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://robot:pass@word@host/x", "rtsp://robot:***@host/x"),
        ("rtspsrc location=rtsp://a:b@h ! decodebin", "rtspsrc location=rtsp://a:***@h ! decodebin"),
        ("rtspsrc user-id=a user-pw=b ! x", "rtspsrc user-id=a user-pw=*** ! x"),
        ("http://h/?token=abc&x=1", "http://h/?token=***&x=1"),
        ("/dev/video0", "/dev/video0"),
        ("mqtt://robot@h:1883", "mqtt://robot@h:1883"),
    ],
)
def test_passwords_are_hidden(text: str, shown: str) -> None:
    assert hidden(text) == shown


def test_a_bundle_that_lacks_what_a_detected_board_suggests_runs_all_the_same(tmp_path: Path) -> None:
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "compatible").write_text("raspberrypi,5-model-b\0")
    bundle = open_bundle(DEFAULT_BUNDLE)
    kept = [net for net in bundle.manifest.nets if net.net != "face" or net.engine == "onnx"]
    bundle = replace(bundle, manifest=bundle.manifest.model_copy(update={"nets": kept}))
    nothing = {SITE_VARIABLE: os.devnull}
    detected = merge_settings(environment=nothing, root=tmp_path)
    assert detected.board == "raspberry-pi-5"
    assert set(detected.settings_for(bundle).nets) == {"speech", "text", "fusion"}
    for asked in ({"M3ER_BOARD": "raspberry-pi-5"}, {"M3ER_NETS__FACE__ENGINE": "litert"}):
        merged = merge_settings(environment=nothing | asked, root=tmp_path)
        assert "face" in merged.settings_for(bundle).nets, "what somebody asked for must not be left out unsaid"
