"""The work of a net is counted right, and the core's limit through an engine is found."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edge.bundle import DEFAULT, open_bundle
from export.bench.limit import limits, where, work
from export.convert.onnx_file import write_onnx


def _work(net: torch.nn.Module, shape: tuple[int, ...], folder: Path, dtype: type = np.float32) -> tuple[int, int]:
    write_onnx(net, [{"x": np.ones(shape, dtype)}], ["y"], folder / "net.onnx")
    return work(folder / "net.onnx")


def test_a_convolution_is_counted_at_every_place_of_its_output(tmp_path: Path) -> None:
    net = torch.nn.Conv2d(3, 8, 5, stride=2, padding=2)
    assert _work(net, (1, 3, 20, 30), tmp_path) == (8 * 10 * 15 * 3 * 5 * 5, 8 * 3 * 5 * 5 + 8)


def test_groups_are_smaller_convolutions(tmp_path: Path) -> None:
    macs, _ = _work(torch.nn.Conv2d(6, 6, 3, padding=1, groups=6), (1, 6, 10, 10), tmp_path)
    assert macs == 6 * 10 * 10 * 3 * 3


def test_products_are_counted_with_their_inner_length(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 7, bias=False))
    assert _work(net, (1, 64), tmp_path) == (64 * 32 + 32 * 7, 64 * 32 + 32 + 32 * 7)


def test_of_a_table_only_the_rows_that_are_read_count(tmp_path: Path) -> None:
    assert _work(torch.nn.Embedding(5_000, 16), (1, 32), tmp_path, np.int32) == (0, 32 * 16)


@pytest.mark.parametrize(("net", "macs"), [("face", 40_835_040), ("fusion", 109_664)])
def test_the_shipped_nets_do_the_work_that_their_layers_say(net: str, macs: int) -> None:
    bundle = open_bundle(DEFAULT)
    assert work(bundle.path(bundle.net(net, "onnx", "fp32")))[0] == macs


def test_every_file_is_set_against_the_peak_of_its_engine() -> None:
    bundle = open_bundle(DEFAULT)
    peaks, reached, copied = limits(bundle, rounds=1)
    assert {(p.engine, p.precision) for p in peaks} == {(r.engine, r.precision) for r in reached}
    assert all(p.gmac_per_s > 0.1 for p in peaks) and copied > 0.1
    assert len(reached) == len(bundle.manifest.nets)
    # a product that fills the core is no slower a multiplication than a net of a few thousand
    assert all(0 < r.of_peak < 1.5 for r in reached if r.net == "fusion")


def test_shares_of_the_time_add_up() -> None:
    bundle = open_bundle(DEFAULT)
    for one in where(bundle, runs=3):
        assert sum(one.shares.values()) == pytest.approx(1.0, abs=0.02)
        assert list(one.shares.values()) == sorted(one.shares.values(), reverse=True)
    assert {one.net for one in where(bundle, runs=1)} == {"face", "speech", "text", "fusion"}
