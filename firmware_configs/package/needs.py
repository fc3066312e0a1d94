"""Which Debian packages the compiled parts of an environment need: ``needs.py SITE-PACKAGES MACHINE``.

Read from the ELF headers with readelf, so it works for a foreign architecture, where ldd would not. Ends with status 1
and the names if a library is needed that is neither in the environment nor known here: a package that leaves it to
chance would fail on the device.
"""

import re
import subprocess
import sys
from pathlib import Path

OF_DEBIAN = {
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
    "libatomic.so.1": "libatomic1",
    "libgomp.so.1": "libgomp1",
    "libz.so.1": "zlib1g",
}
OF_LIBC = re.compile(r"ld-linux.*|lib(c|m|mvec|dl|rt|pthread|resolv|util)\.so\.\d")
ELF_MACHINE = {"aarch64": "AArch64", "x86_64": "Advanced Micro Devices X86-64"}


def main(site: Path, machine: str) -> str:
    """The packages, as they stand in Depends."""
    libraries = [path for path in sorted(site.rglob("*")) if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    said = subprocess.run(
        ["readelf", "--wide", "-h", "-d", "-V", *map(str, libraries)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    others = {found.strip() for found in re.findall(r"Machine:(.*)", said)} - {ELF_MACHINE[machine]}
    if not libraries or others:
        sys.exit(f"needs.py: {site} holds parts for {', '.join(others) or 'nothing'}, not for {machine}")
    here = {path.name for path in libraries} | set(re.findall(r"Library soname: \[(.*?)\]", said))
    needed = set(re.findall(r"Shared library: \[(.*?)\]", said)) - here
    unknown = {name for name in needed if name not in OF_DEBIAN and not OF_LIBC.fullmatch(name)}
    if unknown:
        sys.exit(f"needs.py: nothing brings {', '.join(sorted(unknown))}; leave out what needs it, or add its package")
    libc = max(tuple(map(int, found.split("."))) for found in re.findall(r"Name: GLIBC_([\d.]+)", said))
    packages = {OF_DEBIAN[name] for name in needed & OF_DEBIAN.keys()} | {f"libc6 (>= {'.'.join(map(str, libc))})"}
    return ", ".join(sorted(packages))


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), sys.argv[2]))
