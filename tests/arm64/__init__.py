"""The program on the boards' processors without a board: Debian for arm64, run by qemu-user."""
