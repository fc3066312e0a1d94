"""The shell scripts that an operator runs and reads: what shellcheck says of them, and that each can be run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = ("firmware_configs", "tests", ".ci")
SCRIPTS = sorted(
    path
    for place in PLACES
    for path in (ROOT / place).rglob("*")
    if path.is_file() and path.read_bytes()[:32].startswith((b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash"))
)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed: make system")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(ROOT)))
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_make_runs_can_be_run() -> None:
    for name in (
        "package/build-deb",
        "package/build-kit",
        "package/fetch-debs",
        "package/kit/install.sh",
        "jetson/install.sh",
    ):
        assert os.access(ROOT / "firmware_configs" / name, os.X_OK), name
