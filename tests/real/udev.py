"""Real udev rules against a USB camera with a microphone that there is not: a made /sys in namespaces of its own."""

import itertools
import os
import re
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from tests.real.child import missing_commands

_INTERFACE = "/sys/devices/usb1/1-1/1-1:1."
CAMERA = _INTERFACE + "0/video4linux/video0"
"""Its node that gives pictures."""
METADATA = _INTERFACE + "0/video4linux/video1"
MICROPHONE = _INTERFACE + "1/sound/card1/pcmC1D0c"
"""The microphone's node that records."""
SPEAKER = _INTERFACE + "1/sound/card1/pcmC1D0p"
DECODER = "/sys/devices/platform/codec/video4linux/video10"
"""Of a Raspberry Pi: it gives pictures, and is no camera."""

_COMPLAINT = r":\d+:? (Invalid|Unknown|Unbalanced|Failed|GOTO|The line)"

# $1: the rules; $2: a node's folder; $3: what its driver says it can do.
_ASK = """
set -e
mount --make-rprivate /
mount -t tmpfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs dev /dev
mknod -m 666 /dev/null c 1 3
mkdir -p /run/udev/rules.d /run/udev/data /sys/bus/usb/devices /sys/class/video4linux /sys/class/sound
cp "$1" /run/udev/rules.d/
# In place of the driver's answer to v4l_id.
echo 'SUBSYSTEM=="video4linux", ENV{ID_V4L_CAPABILITIES}="'"$3"'"' > /run/udev/rules.d/61-capabilities.rules
device=/sys/devices/usb1/1-1
mkdir -p $device
ln -s /sys/bus/usb $device/subsystem
ln -s $device /sys/bus/usb/devices/1-1
echo DEVTYPE=usb_device > $device/uevent
echo 046d > $device/idVendor
echo 0825 > $device/idProduct
node() {  # folder, class, major, minor, name
  mkdir -p "$1"
  ln -s /sys/class/$2 "$1/subsystem"
  ln -s "$1" /sys/class/$2/
  printf 'MAJOR=%s\\nMINOR=%s\\nDEVNAME=%s\\n' $3 $4 $5 > "$1/uevent"
  echo $3:$4 > "$1/dev"
}
for number in 0 1; do
  interface=$device/1-1:1.$number
  mkdir -p $interface
  ln -s /sys/bus/usb $interface/subsystem
  echo DEVTYPE=usb_interface > $interface/uevent
  for field in bInterfaceClass:0e bInterfaceSubClass:01 bInterfaceProtocol:00 bInterfaceNumber:0$number; do
    echo ${field#*:} > $interface/${field%:*}
  done
done
for number in 0 1; do
  camera=$device/1-1:1.0/video4linux/video$number
  node $camera video4linux 81 $number video$number
  echo $number > $camera/index
done
decoder=/sys/devices/platform/codec/video4linux/video10
node $decoder video4linux 81 10 video10
echo 0 > $decoder/index
card=$device/1-1:1.1/sound/card1
mkdir -p $card
ln -s /sys/class/sound $card/subsystem
touch $card/uevent
touch $card/id
node $card/pcmC1D0c sound 116 3 snd/pcmC1D0c
node $card/pcmC1D0p sound 116 2 snd/pcmC1D0p
export SYSTEMD_DEVICE_VERIFY_SYSFS=0 SYSTEMD_LOG_LEVEL=debug
udevadm test --action=add "$2" 2>&1
"""


@lru_cache
def missing() -> str:
    """Why no rules can be tried here; empty if they can."""
    if lacks := missing_commands("udevadm", "unshare"):
        return lacks
    tried = subprocess.run(["unshare", "-mn", "true"], capture_output=True, text=True, check=False)
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


def names(rules: Path, node: str, capabilities: str = ":capture:") -> set[str]:
    """What udev calls a node when it is plugged in: links in /dev, and the ALSA card's name, as ``card NAME``.

    Raises:
        AssertionError: udev does not understand a rule.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write(_ASK)
        script.flush()
        command = ["unshare", "-mn", "sh", script.name, str(rules), node, capabilities]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LANG": "C"})
    said = done.stdout + done.stderr
    assert done.returncode == 0 and not re.search(re.escape(rules.name) + _COMPLAINT, said), said
    links = re.findall(r"^ *DEVLINKS=(.*)$", said, re.MULTILINE)
    # By what it logs: systemd 252 writes the card's name, and 257 says what it would write.
    cards = re.findall(r"/\.\./id\W.*['\"](\w+)['\"]", said)
    return {*itertools.chain(*(line.split() for line in links)), *(f"card {card}" for card in cards)}
