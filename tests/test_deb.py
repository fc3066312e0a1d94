"""The Debian package and the offline kit, built, and installed into a fresh Debian that has no network.

``LONG_TESTS=1`` adds a second build, an upgrade, the service under systemd and the cloud-init script.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.publish.json_lines import read_readings
from tests.real import debian, systemd
from tests.real.debian import ROOT, Debian
from tests.real.systemd import SystemdMachine

PACKAGE = ROOT / "firmware_configs" / "package"
CLIP = ROOT / "edge" / "samples" / "clip.mp4"
_BUILD_S = 900.0
long = pytest.mark.skipif(not os.environ.get("LONG_TESTS"), reason="takes minutes: LONG_TESTS=1")
pytestmark = pytest.mark.skipif(bool(debian.missing()), reason=debian.missing() or "-")


def build(script: str, *arguments: str | Path) -> Path:
    """Run a script of ``firmware_configs/package``; the file that it made."""
    done = subprocess.run(
        [PACKAGE / script, *arguments],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
        check=False,
    )
    if any(word in done.stderr for word in ("Could not resolve", "NewConnectionError", "Temporary failure")):
        pytest.skip(f"no package registry here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit for a PC, unpacked; the package is in its ``debs``. Of models it has YuNet's name, not its content."""
    models = tmp_path_factory.mktemp("models")
    (models / "face_detection_yunet_2023mar.onnx").write_bytes(b"not a net")
    archive = build("build-kit", "generic-x86", "bookworm", models, tmp_path_factory.mktemp("kit"))
    with tarfile.open(archive) as tar:
        tar.extractall(archive.parent, filter="data")
    return archive.parent / archive.stem


@pytest.fixture(scope="module")
def deb(kit: Path) -> Path:
    return next((kit / "debs").glob("m3er-edge_*.deb"))


@pytest.fixture
def fresh() -> Iterator[Debian]:
    with Debian() as machine:
        yield machine


def give(machine: Debian, kit: Path) -> None:
    """Copy a kit to /srv/kit."""
    subprocess.run(["cp", "-R", kit, machine.root / "srv" / "kit"], check=True)


def test_package_holds_the_devices_half_alone_and_nothing_of_this_machine(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tmp_path / "tree"], check=True)
    tree, control = tmp_path / "tree", (tmp_path / "tree" / "DEBIAN" / "control").read_text(encoding="utf-8")
    site = tree / "opt/m3er-edge/lib/python3.11/site-packages"
    assert (site / "edge" / "bundles" / "default" / "manifest.json").is_file()
    assert [name for name in ("export", "torch", "tests", "bin") if (site / name).exists()] == []
    assert not [*tree.rglob("__pycache__"), *tree.rglob("direct_url.json")]
    assert "python3 (>= 3.11), python3 (<< 3.12), python3-pyaudio" in control
    assert "libc6 (>= 2." in control
    doc = tree / "usr/share/doc/m3er-edge"
    for page in ("service", "updates", "physical-boards"):  # named by what the program says
        assert (doc / f"{page}.md").is_file(), page
    texts = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and ".so" not in path.name]
    named = [path for path in texts if str(ROOT).encode() in path.read_bytes()]
    assert named == [], "a path of this machine"


def test_every_library_is_pinned(deb: Path) -> None:
    """Else the same commit gives another package tomorrow; see the first line of bookworm.txt."""
    pinned = {line.partition("==")[0] for line in (PACKAGE / "bookworm.txt").read_text(encoding="utf-8").splitlines()}
    command = f"dpkg-deb --fsys-tarfile {deb} | tar -xO ./usr/share/doc/m3er-edge/wheels.txt"
    wheels = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    names = [line.partition("==")[0].lower() for line in wheels.splitlines()]
    assert [name for name in names if name not in pinned | {"m3er-edge", "m3er_edge"}] == []


def test_kit_installs_without_network_runs_the_clip_and_leaves_nothing_behind(kit: Path, fresh: Debian) -> None:
    give(fresh, kit)
    fresh.run("mkdir -p /var/lib/private")  # systemd's, on a machine that has booted
    before = fresh.files()
    fresh.run("/srv/kit/install.sh")
    (fresh.root / "srv" / "clip.mp4").write_bytes(CLIP.read_bytes())
    # What a user has set for other programs must not matter.
    fresh.run("mkdir -p /srv/other && echo 'raise SystemExit(7)' > /srv/other/numpy.py")
    fresh.run("cd /srv/other && PYTHONPATH=. m3er-edge run --input /srv/clip.mp4 --jsonl /srv/r.jsonl")
    readings = read_readings(fresh.root / "srv" / "r.jsonl")
    assert len(readings) == 75
    for name in ("face", "speech", "text"):
        assert sum(reading.modalities[name].state == "live" for reading in readings) > 20, name
    said = fresh.run("m3er-edge doctor", check=False).stdout
    assert "pyaudio" not in said, said
    fresh.run('/opt/m3er-edge/bin/python3 -c "import pyaudio"')
    assert fresh.run("m3er-export", check=False).returncode == 127
    assert (fresh.root / "etc/systemd/system/multi-user.target.wants/m3er-edge.service").is_symlink()
    assert (fresh.root / "usr/share/m3er-edge/face_detection_yunet_2023mar.onnx").is_file()

    fresh.run(
        "echo '# mine' >> /etc/m3er-edge.toml; mkdir -p /var/lib/private/m3er-edge/bundles; dpkg --remove m3er-edge"
    )
    assert not (fresh.root / "opt" / "m3er-edge").exists()
    assert (fresh.root / "etc" / "m3er-edge.toml").read_text(encoding="utf-8").endswith("# mine\n")
    others = fresh.run("for deb in /srv/kit/debs/*.deb; do dpkg-deb -f $deb Package; done").stdout
    fresh.run(f"dpkg --purge {' '.join(others.split())}")
    fresh.run("rm -rf /srv/r.jsonl /srv/clip.mp4 /srv/other /srv/.cache")
    left = {path for path in fresh.files() - before if not path.startswith(("etc/alternatives", "var/cache"))}
    assert left == set()
    assert before - fresh.files() == set()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("printf x | dd of=$(ls debs/m3er-edge_*.deb) bs=1 seek=99999 conv=notrunc status=none", "damaged"),
        ("rm debs/libportaudio2_*.deb", "damaged"),
        ("sed -i s/amd64/arm64/ for; sed -i '/ for$/d' SHA256SUMS", "this kit is for generic-x86 (arm64)"),
        ("sed -i s/bookworm/trixie/ for; sed -i '/ for$/d' SHA256SUMS", "this system is bookworm"),
    ],
)
def test_damaged_or_foreign_kit_is_refused_before_anything_is_written(
    kit: Path, fresh: Debian, harm: str, said: str
) -> None:
    give(fresh, kit)
    fresh.run(f"cd /srv/kit && {harm}")
    done = fresh.run("/srv/kit/install.sh", check=False)
    assert done.returncode == 2
    assert said in done.stdout
    assert not (fresh.root / "opt" / "m3er-edge").exists()
    assert not (fresh.root / "usr" / "share" / "m3er-edge").exists()


def test_a_jetson_gets_every_library_of_the_package() -> None:
    names = {
        folder: {
            line.partition("==")[0] for line in (ROOT / "firmware_configs" / folder).read_text("utf-8").splitlines()
        }
        for folder in ("package/bookworm.txt", "jetson/wheels.txt")
    }
    lacking = names["package/bookworm.txt"] - names["jetson/wheels.txt"]
    assert {name for name in lacking if not name.startswith("#")} == set()


def test_jetson_installer_says_what_it_would_do(tmp_path: Path) -> None:
    """The real thing needs a Jetson; see firmware_configs/jetson/README.md for what was run."""
    jetson = ROOT / "firmware_configs" / "jetson"
    for name in ("install.sh", "wheels.txt"):
        (tmp_path / name).write_bytes((jetson / name).read_bytes())
    (tmp_path / "onnxruntime_gpu.whl").touch()
    subprocess.run("sha256sum wheels.txt > SHA256SUMS", shell=True, cwd=tmp_path, check=True)
    command = ["sh", "install.sh", "--dry-run", "onnxruntime_gpu.whl"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "python3.10 -m venv --clear --system-site-packages /opt/m3er-edge" in said
    assert said.index("onnxruntime_gpu.whl") < said.index("--requirement")
    (tmp_path / "wheels.txt").write_text("numpy==0\n", encoding="utf-8")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "damaged" in done.stderr) == (2, True)


def test_cloud_init_finds_nothing_wrong_with_our_user_data(fresh: Debian) -> None:
    write_user_data(fresh)
    said = fresh.run("cloud-init schema --config-file /srv/user-data").stdout
    assert "Valid" in said
    (fresh.root / "srv/user-data").write_text("#cloud-config\nhostname: [robot]\n", encoding="utf-8")
    assert fresh.run("cloud-init schema --config-file /srv/user-data", check=False).returncode != 0


def write_user_data(machine: Debian) -> None:
    text = (ROOT / "firmware_configs/cloud-init/user-data").read_text(encoding="utf-8")
    (machine.root / "srv" / "user-data").write_text(text, encoding="utf-8")


@long
def test_first_boot_installs_the_kit_from_the_boot_partition(kit: Path, fresh: Debian) -> None:
    """The script is the one that cloud-init writes from runcmd, and runs late in the first boot."""
    write_user_data(fresh)
    writes = "import yaml, sys; from cloudinit.util import shellify; c = yaml.safe_load(open('/srv/user-data'))"
    fresh.run(f"python3 -c \"{writes}; open('/srv/runcmd', 'w').write(shellify(c['runcmd']))\"")
    done = fresh.run("mkdir -p /boot/firmware; sh /srv/runcmd", check=False)
    assert done.returncode == 1
    assert "copy one there" in done.stdout
    with tarfile.open(fresh.root / "boot/firmware" / f"{kit.name}.tar", "w") as tar:
        tar.add(kit, kit.name)
    fresh.run("sh /srv/runcmd")
    assert "0.1.0" in fresh.run("dpkg-query -W m3er-edge").stdout
    assert list((fresh.root / "var/tmp").iterdir()) == []


@long
def test_same_commit_gives_the_same_bytes(deb: Path, tmp_path: Path) -> None:
    assert build("build-deb", "amd64", "bookworm", tmp_path).read_bytes() == deb.read_bytes()


@long
def test_upgrade_keeps_the_settings_and_what_the_operator_disabled(kit: Path, deb: Path, fresh: Debian) -> None:
    give(fresh, kit)
    fresh.run("/srv/kit/install.sh")
    fresh.run("echo '# mine' >> /etc/m3er-edge.toml; deb-systemd-helper disable m3er-edge.service; rm -r /srv/kit")
    (fresh.root / "srv" / deb.name).write_bytes(deb.read_bytes())
    fresh.run(
        f"cd /srv && dpkg-deb -R {deb.name} tree && sed -i 's/^Version: .*/Version: 0.1.1~deb12/' tree/DEBIAN/control"
        " && echo '# the new default' > tree/etc/m3er-edge.toml"
        " && rm tree/opt/m3er-edge/lib/python3.11/site-packages/pylab.py"
        " && dpkg-deb -Znone -b tree new.deb && dpkg -i --force-confold new.deb"
    )
    assert (fresh.root / "etc" / "m3er-edge.toml").read_text(encoding="utf-8").endswith("# mine\n")
    assert not (fresh.root / "etc/systemd/system/multi-user.target.wants/m3er-edge.service").exists()
    site = fresh.root / "opt/m3er-edge/lib/python3.11/site-packages"
    assert (site / "__pycache__" / "typing_extensions.cpython-311.pyc").is_file()
    assert not [*site.glob("pylab.py"), *site.glob("__pycache__/pylab.*")]
    fresh.run("m3er-edge schema")


@long
@pytest.mark.skipif(bool(systemd.missing()), reason=systemd.missing() or "-")
def test_service_of_the_package_comes_up_under_systemd(deb: Path) -> None:
    with SystemdMachine() as machine:
        machine.bind(deb.parent, "/mnt/debs")
        machine.run("rm", "-f", "/usr/sbin/policy-rc.d")  # a container's way to start no services when packages come
        machine.run("sh", "-c", "dpkg -i --refuse-downgrade --skip-same-version /mnt/debs/*.deb", timeout_s=300)
        assert machine.show("m3er-edge.service", "ActiveState") == "active"
        assert machine.show("m3er-edge.service", "UnitFileState") == "enabled"
        machine.run("dpkg", "--purge", "m3er-edge")
        assert machine.show("m3er-edge.service", "ActiveState") == "inactive"
        assert not machine.path("/var/lib/private/m3er-edge").exists()
