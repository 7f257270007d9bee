/* Preloaded into the daemon: counts what it does to files below one directory, and at the n-th
 * kills it, fails, or writes it all down for a replay. And sets its wall clock wrong. Built by shim.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR };
enum { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL };
#define FDS 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char prefix[PATH_MAX];
static size_t prefix_length;
static char *paths[FDS]; /* of open files below the prefix */
static int armed, mode, error_number, log_fd = -1;
static long at, times;
static volatile long count;

#define REAL(name, type) \
    static __typeof__(type) real; \
    if (!real) real = (__typeof__(type))dlsym(RTLD_NEXT, name)

static ssize_t really_write(int fd, const void *data, size_t size) {
    REAL("write", ssize_t (*)(int, const void *, size_t));
    return real(fd, data, size);
}

/* Begin: operations number number..number+repeats-1 meet their fate. log < 0: nothing is written down. */
void shim_arm(const char *directory, int fate, long number, long repeats, int error, int log) {
    snprintf(prefix, sizeof prefix, "%s/", directory);
    prefix_length = strlen(prefix);
    mode = fate, at = number, times = repeats, error_number = error, log_fd = log;
    count = 0;
    armed = 1;
}

long shim_count(void) { return count; }

/* The directory itself is ours too: it is synced. */
static int ours(const char *path) {
    if (!armed || !path || strncmp(path, prefix, prefix_length - 1) != 0) return 0;
    return path[prefix_length - 1] == '/' || path[prefix_length - 1] == 0;
}

static const char *below(const char *path) {
    return strlen(path) < prefix_length ? "" : path + prefix_length;
}

static void note(int kind, const char *path, int64_t offset, const void *data, uint32_t size) {
    struct timespec now;
    struct __attribute__((packed)) {
        uint8_t kind;
        int64_t at_ns, offset;
        uint32_t path, data;
    } head;
    if (log_fd < 0) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    head.kind = kind, head.offset = offset;
    head.at_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    path = below(path);
    head.path = strlen(path), head.data = size;
    really_write(log_fd, &head, sizeof head);
    really_write(log_fd, path, head.path);
    if (size) really_write(log_fd, data, size);
}

/* Returns 1 when the operation shall fail. */
static int before(void) {
    long number = ++count;
    int due = number >= at && number < at + times;
    if (due && mode == KILL_BEFORE) kill(getpid(), SIGKILL), pause();
    if (due && mode == FAIL) {
        errno = error_number;
        return 1;
    }
    return 0;
}

static void after(void) {
    if (mode == KILL_AFTER && count >= at && count < at + times) kill(getpid(), SIGKILL), pause();
}

#define GUARDED(kind, path, offset, data, size, failed, call) \
    do { \
        pthread_mutex_lock(&mutex); \
        if (before()) { \
            pthread_mutex_unlock(&mutex); \
            return failed; \
        } \
        result = call; \
        if (result != failed) note(kind, path, offset, data, size); \
        int kept = errno; \
        after(); \
        errno = kept; \
        pthread_mutex_unlock(&mutex); \
        return result; \
    } while (0)

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < FDS) {
        free(paths[fd]);
        paths[fd] = strdup(path);
    }
    return fd;
}

static int really_open(const char *path, int flags, mode_t bits) {
    REAL("open", int (*)(const char *, int, ...));
    return real(path, flags, bits);
}

static int open_any(const char *path, int flags, mode_t bits) {
    struct stat was;
    int result;
    if (!ours(path)) return really_open(path, flags, bits);
    int there = stat(path, &was) == 0;
    int makes = (flags & O_CREAT) && !there, empties = (flags & O_TRUNC) && there && was.st_size > 0;
    if (!makes && !empties) return opened(really_open(path, flags, bits), path);
    GUARDED(makes ? CREATE : TRUNCATE, path, 0, NULL, 0, -1, opened(really_open(path, flags, bits), path));
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        mode_t bits = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list more; \
            va_start(more, flags); \
            bits = va_arg(more, mode_t); \
            va_end(more); \
        } \
        return open_any(path, flags, bits); \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL("close", int (*)(int));
    if (armed && fd >= 0 && fd < FDS && paths[fd]) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    return real(fd);
}

static const char *path_of(int fd) { return armed && fd >= 0 && fd < FDS ? paths[fd] : NULL; }

ssize_t write(int fd, const void *data, size_t size) {
    const char *path = path_of(fd);
    struct stat now;
    ssize_t result;
    if (!path) return really_write(fd, data, size);
    int64_t offset = lseek(fd, 0, SEEK_CUR);
    if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &now) == 0) offset = now.st_size;
    GUARDED(WRITE, path, offset, data, size, -1, really_write(fd, data, size));
}

static ssize_t pwrite_any(int fd, const void *data, size_t size, off_t offset) {
    REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off_t));
    const char *path = path_of(fd);
    ssize_t result;
    if (!path) return real(fd, data, size, offset);
    GUARDED(WRITE, path, offset, data, size, -1, real(fd, data, size, offset));
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite_any(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return pwrite_any(fd, data, size, offset); }

static int sync_any(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *path = path_of(fd);
    int result;
    if (!path) return real(fd);
    GUARDED(SYNC, path, 0, NULL, 0, -1, real(fd));
}
int fsync(int fd) { return sync_any(fd, "fsync"); }
int fdatasync(int fd) { return sync_any(fd, "fdatasync"); }

static int truncate_any(int fd, off_t size) {
    REAL("ftruncate64", int (*)(int, off_t));
    const char *path = path_of(fd);
    int result;
    if (!path) return real(fd, size);
    GUARDED(TRUNCATE, path, size, NULL, 0, -1, real(fd, size));
}
int ftruncate(int fd, off_t size) { return truncate_any(fd, size); }
int ftruncate64(int fd, off_t size) { return truncate_any(fd, size); }

int rename(const char *old, const char *fresh) {
    REAL("rename", int (*)(const char *, const char *));
    int result;
    if (!ours(old) || !ours(fresh)) return real(old, fresh);
    GUARDED(RENAME, old, 0, below(fresh), strlen(below(fresh)), -1, real(old, fresh));
}

int unlink(const char *path) {
    REAL("unlink", int (*)(const char *));
    int result;
    if (!ours(path)) return real(path);
    GUARDED(UNLINK, path, 0, NULL, 0, -1, real(path));
}

int mkdir(const char *path, mode_t bits) {
    REAL("mkdir", int (*)(const char *, mode_t));
    int result;
    struct stat was;
    if (!ours(path) || stat(path, &was) == 0) return real(path, bits);
    GUARDED(MKDIR, path, 0, NULL, 0, -1, real(path, bits));
}

/* --- the wall clock: as wrong as a file says, at any moment; what counts seconds since the boot goes on as it does */

static volatile int64_t *wrong_s;

/* *path* is of eight bytes: by how many seconds it is wrong. Returns 0, or -1. */
int shim_clock(const char *path) {
    int fd = really_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    void *shared = mmap(NULL, sizeof *wrong_s, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED) return -1;
    wrong_s = shared;
    return 0;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    REAL("clock_gettime", int (*)(clockid_t, struct timespec *));
    int result = real(id, now);
    if (result == 0 && wrong_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *wrong_s;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL("gettimeofday", int (*)(struct timeval *, void *));
    int result = real(now, zone);
    if (result == 0 && wrong_s) now->tv_sec += *wrong_s;
    return result;
}

time_t time(time_t *there) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (there) *there = now.tv_sec;
    return now.tv_sec;
}
