#!/bin/sh
# Install m3er-edge from this kit, without a network: sudo ./install.sh
# Run again, it mends or upgrades. /etc/m3er-edge.toml is written only where the kit brings one.
set -eu
cd "$(dirname "$0")"
fail() { echo "install.sh: $*" >&2; exit 2; }

# 1. Is the kit whole, and for this machine?
[ "$(id -u)" = 0 ] || fail "installing needs root: sudo ./install.sh"
sha256sum --quiet --strict --check SHA256SUMS || fail "the kit is damaged; copy it here once more"
board='' arch='' suite=''
# shellcheck source=/dev/null
. ./for
here=$(dpkg --print-architecture)
[ "$here" = "$arch" ] || fail "this kit is for $board ($arch), this machine is $here; make one with: make offline-kit BOARD=…"
# shellcheck source=/dev/null
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$suite" ] ||
    fail "this kit is for $suite, this system is ${VERSION_CODENAME:-unknown}; make one with: make offline-kit SUITE=${VERSION_CODENAME:-…}"

# 2. What the service finds when it starts: models, keys, settings.
umask 022
mkdir -p /usr/share/m3er-edge /etc/m3er-edge/keys
for model in models/*; do
    if [ -e "$model" ]; then cp -R "$model" /usr/share/m3er-edge/; fi
done
for key in keys/*.pub; do
    if [ -e "$key" ]; then cp "$key" /etc/m3er-edge/keys/; fi
done

# 3. The packages: what is here already in this version or a newer one stays. Settings of the site win over the package's.
dpkg --refuse-downgrade --skip-same-version --force-confdef --force-confold --install debs/*.deb
if [ -e m3er-edge.toml ] && ! cmp -s m3er-edge.toml /etc/m3er-edge.toml; then
    cp m3er-edge.toml /etc/m3er-edge.toml
    if [ -d /run/systemd/system ]; then systemctl restart m3er-edge; fi
fi
echo "installed: $(dpkg-query -W -f '${Package} ${Version}' m3er-edge). Next: m3er-edge doctor; journalctl -u m3er-edge"
