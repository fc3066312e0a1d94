#!/bin/sh
# enter.sh WORK LAYERS CPUINFO OUT PROGRAM ARGUMENT ... : run a program in an arm64 Debian, and leave nothing behind.
#
#   WORK     an empty folder
#   LAYERS   folders that make up its root, the uppermost first, with colons between; none of them is written to
#   CPUINFO  what stands in its /proc/cpuinfo: with x86's, importing onnxruntime crashes under qemu
#   OUT      a folder that it sees as /out and may write
#
# To be started in namespaces of its own for mounts, processes and the network:
#   unshare --mount --pid --net --fork --kill-child enter.sh ...
set -eu
work=$1 layers=$2 cpuinfo=$3 out=$4
shift 4
mount --make-rprivate /
mount -t tmpfs m3er-edge-arm64 "$work"
root=$work/root
mkdir "$work/upper" "$work/scratch" "$root"
mount -t overlay -o "lowerdir=$layers,upperdir=$work/upper,workdir=$work/scratch" m3er-edge-arm64 "$root"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/out"
mount -t proc proc "$root/proc"
mount --bind "$cpuinfo" "$root/proc/cpuinfo"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$out" "$root/out"
exec chroot "$root" "$@"
