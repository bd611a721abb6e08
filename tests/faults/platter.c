/* Keeps what a power cut would leave: whenever a file in a directory named "disk" is synced, its
 * content is copied to the directory "platter" beside it; when it is deleted there, the copy is.
 * Preloaded before the C library; what was written and not synced is never copied. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char DISK[] = "/disk/";

/* Where the file's copy is: 0 for a file that is in no such directory. */
static int copy_of(const char *path, char *copy, size_t size) {
    const char *at = strstr(path, DISK), *next;
    if (!at)
        return 0;
    while ((next = strstr(at + 1, DISK)))
        at = next;
    return snprintf(copy, size, "%.*s/platter/%s", (int)(at - path), path,
                    at + strlen(DISK)) < (int)size;
}

/* A power cut in the middle would leave the former copy: the new one appears at once. */
static void keep(int fd) {
    char link[64], path[PATH_MAX], copy[PATH_MAX], fresh[PATH_MAX + 8], block[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return;
    path[length] = 0;
    if (!copy_of(path, copy, sizeof copy))
        return;
    snprintf(fresh, sizeof fresh, "%s.fresh", copy);
    int out = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0)
        abort();
    off_t offset = 0;
    ssize_t count;
    while ((count = pread(fd, block, sizeof block, offset)) > 0) {
        if (write(out, block, count) != count)
            abort();
        offset += count;
    }
    if (count < 0 || close(out) || rename(fresh, copy))
        abort();
}

typedef int (*sync_function)(int);

int fsync(int fd) {
    int result = ((sync_function)dlsym(RTLD_NEXT, "fsync"))(fd);
    if (result == 0)
        keep(fd);
    return result;
}

int fdatasync(int fd) {
    int result = ((sync_function)dlsym(RTLD_NEXT, "fdatasync"))(fd);
    if (result == 0)
        keep(fd);
    return result;
}

int unlink(const char *path) {
    char copy[PATH_MAX];
    int result = ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
    if (result == 0 && copy_of(path, copy, sizeof copy))
        ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(copy);
    return result;
}
