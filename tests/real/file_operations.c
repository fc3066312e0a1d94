/* Tells a function of ours about every change to the file system, before it is made. For LD_PRELOAD.

   before(operation, path, other path, bytes) may end the process; what it returns is how many bytes a write may write
   before the process is killed, or -1: all, and go on. What it does itself is not told. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

typedef long (*before_t)(const char *, const char *, const char *, long);
static before_t before;
static __thread int inside;

void tell_file_operations(before_t function) { before = function; }

static long tell(const char *operation, const char *path, const char *other, long bytes) {
    if (!before || inside) return -1;
    inside = 1;
    long allowed = before(operation, path, other, bytes);
    inside = 0;
    return allowed;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static const char *path_of(int file, char *to, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, to, size - 1);
    to[length < 0 ? 0 : length] = 0;
    return to;
}

/* A path below an open folder, as rmtree uses it. */
static const char *below(int folder, const char *path, char *to, size_t size) {
    if (folder == AT_FDCWD || path[0] == '/') return path;
    path_of(folder, to, size);
    size_t length = strlen(to);
    snprintf(to + length, size - length, "/%s", path);
    return to;
}

#define CHANGES (O_CREAT | O_TRUNC)

int open64(const char *path, int flags, ...) {
    REAL(int, "open64", const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (flags & CHANGES) tell("open", path, "", 0);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    REAL(int, "open", const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (flags & CHANGES) tell("open", path, "", 0);
    return real(path, flags, mode);
}

ssize_t write(int file, const void *data, size_t bytes) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char path[4096];
    long allowed = -1;
    if (before && !inside) allowed = tell("write", path_of(file, path, sizeof path), "", (long)bytes);
    if (allowed < 0) return real(file, data, bytes);
    if (real(file, data, (size_t)allowed) < 0) _exit(3);
    kill(getpid(), SIGKILL);
    return -1;
}

int fsync(int file) {
    REAL(int, "fsync", int);
    char path[4096];
    if (before && !inside) tell("fsync", path_of(file, path, sizeof path), "", 0);
    return real(file);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    tell("rename", from, to, 0);
    return real(from, to);
}

int symlink(const char *target, const char *path) {
    REAL(int, "symlink", const char *, const char *);
    tell("symlink", path, target, 0);
    return real(target, path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    tell("mkdir", path, "", 0);
    return real(path, mode);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    tell("unlink", path, "", 0);
    return real(path);
}

int unlinkat(int folder, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char whole[8192];
    if (before && !inside) tell(flags & AT_REMOVEDIR ? "rmdir" : "unlink", below(folder, path, whole, sizeof whole), "", 0);
    return real(folder, path, flags);
}

int rmdir(const char *path) {
    REAL(int, "rmdir", const char *);
    tell("rmdir", path, "", 0);
    return real(path);
}

int chmod(const char *path, mode_t mode) {
    REAL(int, "chmod", const char *, mode_t);
    tell("chmod", path, "", 0);
    return real(path, mode);
}

int fchmod(int file, mode_t mode) {
    REAL(int, "fchmod", int, mode_t);
    char path[4096];
    if (before && !inside) tell("chmod", path_of(file, path, sizeof path), "", 0);
    return real(file, mode);
}

int fchown(int file, uid_t user, gid_t group) {
    REAL(int, "fchown", int, uid_t, gid_t);
    char path[4096];
    if (before && !inside) tell("chown", path_of(file, path, sizeof path), "", 0);
    return real(file, user, group);
}
