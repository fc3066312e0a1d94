"""The bench's page and its verdicts: what was missed is called missed."""

from pathlib import Path

import pytest

from edge.bench.record import Bench, Machine, Media, NetTime, Start, StepTime
from edge.bundle import DEFAULT, NETS, open_bundle
from edge.settings.settings import NetChoice
from export.bench.goals import goals, slope_per_1000
from export.bench.page import write_page
from export.bench.record import Goal, Growth, LongRun, Peak, Peer, Reached, Where, WholeBench

_SCRIPT = ("whole step, no detection on our side", "the script, with Haar on every frame")


def _board(step_us: float = 1_500.0, check_us: float = 50.0) -> Bench:
    kinds = [(e, p) for e in ("onnx", "litert") for p in ("fp32", "int8")]
    nets = [
        NetTime.model_validate(
            {"net": net, "engine": e, "precision": p, "threads": 1, "file_bytes": 9_000, "runs_on": "here"}
            | {"cpu_us": 10.0 + n, "wall_us": 11.0 + n, "wall_p99_us": 20.0}
        )
        for net in NETS
        for n, (e, p) in enumerate(kinds)
    ]
    steps = {"whole step": step_us, "check + proxy": check_us}
    return Bench(
        made="2026-11-23T00:00:00+00:00",
        machine=Machine(
            name="A <board>",
            cores=4,
            architecture="aarch64",
            python="3.13",
            onnxruntime="1.31",
            providers=["CPUExecutionProvider"],
            litert="ai-edge-litert 2.3",
        ),
        bundle="default@sha256:0123456789abcdef",
        nets=nets,
        choice={name: NetChoice(engine="onnx", precision="fp32") for name in NETS},
        steps=[StepTime(part=p, what="…", cpu_us=us, wall_us=us, wall_p99_us=us) for p, us in steps.items()],
        media=Media(frames_per_s=10.0, detector="yunet", share_of_core=0.03, decoding_share_of_core=0.01),
        starts=[
            Start(speech_model=s, runs=5, first_reading_s=0.4, first_reading_worst_s=0.5, resident_mb=120.0)
            for s in (False, True)
        ],
    )


def _long(mb_a_block: float = 0.0, objects_a_block: int = 0) -> LongRun:
    count = 40
    return LongRun(
        block_steps=500,
        steps=[500 * (n + 1) for n in range(count)],
        cpu_us=[1_500.0] * count,
        resident_mb=[130.0 + mb_a_block * n for n in range(count)],
        allocated_blocks=[200_000 + objects_a_block * n for n in range(count)],
    )


def _peers(ratio: float = 50.0) -> list[Peer]:
    return [
        Peer(group=_SCRIPT[0], ours="ours", ours_us=1_500.0, theirs=_SCRIPT[1], theirs_us=1_500.0 * ratio),
        Peer(group="check + proxy", ours="ours", ours_us=50.0, theirs="scikit-learn", theirs_us=50.0 * ratio),
    ]


def _verdicts(board: Bench, peers: list[Peer], long: LongRun) -> list[bool | None]:
    return [goal.reached for goal in goals(board, open_bundle(DEFAULT), peers, long)]


def test_all_is_reached_where_it_is() -> None:
    assert _verdicts(_board(), _peers(), _long()) == [True] * 10


@pytest.mark.parametrize(
    ("board", "peers", "long", "missed"),
    [
        (_board(step_us=2_001.0), _peers(), _long(), {0}),
        (_board(), _peers(ratio=19.9), _long(), {1, 3}),
        (_board(check_us=60.0), _peers(), _long(), {2}),
        (_board(), _peers(), _long(mb_a_block=0.02), {9}),
        (_board(), _peers(), _long(objects_a_block=11), {9}),
    ],
)
def test_what_falls_short_is_called_missed(board: Bench, peers: list[Peer], long: LongRun, missed: set[int]) -> None:
    found = _verdicts(board, peers, long)
    assert {number for number, reached in enumerate(found) if reached is False} == missed


def test_what_was_not_measured_is_open() -> None:
    found = _verdicts(_board(), [], _long())
    assert [number for number, reached in enumerate(found) if reached is None] == [1, 3]


def test_growth_is_a_slope_that_a_few_odd_values_do_not_hide() -> None:
    assert slope_per_1000(_long(mb_a_block=0.5), "memory") == pytest.approx(1.0)
    assert slope_per_1000(_long(objects_a_block=7), "blocks") == pytest.approx(14.0)
    assert slope_per_1000(_long(), "memory") == pytest.approx(0.0)


def test_the_page_holds_everything_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    kinds = [("onnx", "fp32"), ("litert", "int8")]
    bench = WholeBench(
        made="2026-11-23T00:00:00+00:00",
        commit="0" * 40,
        command="make bench",
        board=_board(),
        size_ratio=0.27,
        goals=[Goal(what="a <goal>", asked="much", measured="little", reached=False)],
        peers=_peers(),
        peaks=[Peak.model_validate({"engine": e, "precision": p, "gmac_per_s": 80.0}) for e, p in kinds],
        copy_gb_per_s=20.0,
        reached=[
            Reached.model_validate(
                {"net": "face", "engine": e, "precision": p, "macs": 1_000_000, "weight_bytes": 5_000}
                | {"cpu_us": 100.0, "of_peak": 0.5, "call_us": 3.0}
            )
            for e, p in kinds
        ],
        where=[Where(net="face", precision="fp32", shares={"Conv": 0.8, "Relu": 0.2})],
        growth=[Growth(name="basis rows", unit="", what="proxy", at=[1.0, 2.0], cpu_us=[10.0, 11.0])],
        long_run=_long(),
        left_out=["other nets: not here"],
    )
    write_page(bench, tmp_path / "bench.html")
    html = (tmp_path / "bench.html").read_text()
    for part in ("missed", "a &lt;goal&gt;", "A &lt;board&gt;", "other nets: not here", "20,000 steps", "basis rows"):
        assert part in html, part
    assert "<goal>" not in html and "http://" not in html and "https://" not in html and "<script" not in html
    assert html.count("data:image/svg+xml") == 6
    assert WholeBench.model_validate_json(bench.model_dump_json()) == bench
