#!/bin/sh
# Install m3er-edge on a Jetson with JetPack 6 from the kit that `make offline-kit BOARD=jetson-orin-nano` made:
#
#   sudo ./install.sh [--dry-run] [ONNXRUNTIME.whl]
#
#   --dry-run         print the commands, run none
#   ONNXRUNTIME.whl   NVIDIA's onnxruntime-gpu for JetPack 6; without it the nets run on the processor
#
# No network is needed, but for Ubuntu's packages named below where they are missing.
set -eu
cd "$(dirname "$0")"
fail() { echo "install.sh: $*" >&2; exit 2; }
dry=
if [ "${1:-}" = --dry-run ]; then dry=yes; shift; fi
nvidia=${1:-}
run() {
    if [ -n "$dry" ]; then echo "$*"; else "$@"; fi
}
program=/opt/m3er-edge
ubuntu='python3-venv python3-dev gcc portaudio19-dev libatomic1 libgomp1'

# 1. Is the kit whole, and is this the place for it?
sha256sum --quiet --strict --check SHA256SUMS || fail "the kit is damaged; copy it here once more"
[ -z "$nvidia" ] || [ -e "$nvidia" ] || fail "$nvidia: no such file"
if [ -z "$dry" ]; then
    [ "$(id -u)" = 0 ] || fail "installing needs root: sudo ./install.sh"
    python3.10 -c '' || fail "no python3.10: JetPack 6 has it; JetPack 5 and older are too old for the nets' engines"
fi

# 2. Ubuntu's packages: PyAudio is compiled here, against Ubuntu's PortAudio.
for package in $ubuntu; do
    if ! dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q '^install ok'; then
        run apt-get install --yes "$package" || fail "$package is missing, and apt cannot get it: connect a network, or copy its .deb here and install it"
    fi
done

# 3. The environment. It sees the system's libraries: JetPack's OpenCV has GStreamer, and so nvarguscamerasrc.
run systemctl stop m3er-edge.service 2> /dev/null || true
run python3.10 -m venv --clear --system-site-packages $program
set -- run $program/bin/python3 -m pip install --quiet --no-index --no-deps --find-links wheels
grep -v -e '^#' -e '^opencv-' wheels.txt > /run/m3er-edge-wheels.txt
if [ -n "$nvidia" ]; then
    sed -i '/^onnxruntime==/d' /run/m3er-edge-wheels.txt
    "$@" "$nvidia"
fi
"$@" --requirement /run/m3er-edge-wheels.txt
"$@" pyaudio
"$@" m3er-edge
if [ -n "$dry" ] || ! $program/bin/python3 -c 'import cv2' 2> /dev/null; then
    echo "# no OpenCV of JetPack here (sudo apt install nvidia-jetpack brings it): PyPI's serves, without CSI cameras"
    "$@" opencv-python-headless
fi

# 4. The service, models and keys.
run install -m 755 m3er-edge $program/bin/m3er-edge
run ln -sf $program/bin/m3er-edge /usr/bin/m3er-edge
run install -m 644 m3er-edge.service /etc/systemd/system/m3er-edge.service
run mkdir -p /usr/share/m3er-edge /etc/m3er-edge/keys
for model in models/*; do
    if [ -e "$model" ]; then run cp -R "$model" /usr/share/m3er-edge/; fi
done
for key in keys/*.pub; do
    if [ -e "$key" ]; then run cp "$key" /etc/m3er-edge/keys/; fi
done
if [ -e m3er-edge.toml ]; then run cp m3er-edge.toml /etc/m3er-edge.toml; fi
if [ -n "$dry" ] || [ -d /run/systemd/system ]; then
    run systemctl daemon-reload
    run systemctl enable m3er-edge.service
    run systemctl restart m3er-edge.service
fi

# 5. What came of it. `provider = "cuda"` in a board's profile needs CUDAExecutionProvider here.
run $program/bin/python3 -c 'import onnxruntime; print("onnxruntime", onnxruntime.__version__, onnxruntime.get_available_providers())'
echo "Next: m3er-edge doctor; journalctl -u m3er-edge"
