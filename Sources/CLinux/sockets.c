#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sockets.h"

#include <fcntl.h>
#include <pthread.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#ifndef IP6T_SO_ORIGINAL_DST
#define IP6T_SO_ORIGINAL_DST 80
#endif

static uint64_t load_be64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | bytes[i];
    return value;
}

static void store_be64(uint8_t *bytes, uint64_t value) {
    for (int i = 7; i >= 0; i--) {
        bytes[i] = (uint8_t)value;
        value >>= 8;
    }
}

static void from_storage(const struct sockaddr_storage *storage, martlet_address *address) {
    memset(address, 0, sizeof *address);
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
        address->family = 4;
        address->low = ntohl(v4->sin_addr.s_addr);
        address->port = ntohs(v4->sin_port);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;
        address->port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            address->family = 4;
            address->low = load_be64(v6->sin6_addr.s6_addr + 8) & 0xffffffff;
        } else {
            address->family = 6;
            address->high = load_be64(v6->sin6_addr.s6_addr);
            address->low = load_be64(v6->sin6_addr.s6_addr + 8);
        }
    } else if (storage->ss_family == AF_UNIX) {
        address->family = 1;
    }
}

static socklen_t to_storage(const martlet_address *address, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (address->family == 6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(address->port);
        store_be64(v6->sin6_addr.s6_addr, address->high);
        store_be64(v6->sin6_addr.s6_addr + 8, address->low);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address->port);
    v4->sin_addr.s_addr = htonl((uint32_t)address->low);
    return sizeof *v4;
}

static int fail(int fd) {
    int error = errno;
    if (fd >= 0) close(fd);
    return -error;
}

int martlet_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int martlet_eventfd_create(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int martlet_listen(const martlet_address *address, int backlog, int reuse_port, int transparent) {
    struct sockaddr_storage storage;
    socklen_t length = to_storage(address, &storage);
    int one = 1;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) return fail(fd);
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) return fail(fd);
    if (transparent && setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one) < 0) return fail(fd);
    if (bind(fd, (struct sockaddr *)&storage, length) < 0 || listen(fd, backlog) < 0) return fail(fd);
    return fd;
}

int martlet_listen_path(const char *path, int backlog) {
    struct sockaddr_un local;
    memset(&local, 0, sizeof local);
    local.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof local.sun_path) return -ENAMETOOLONG;
    strcpy(local.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    unlink(path);
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0 || listen(fd, backlog) < 0) return fail(fd);
    return fd;
}

static void set_nodelay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int martlet_connect(const martlet_address *address, int mark, const martlet_option *options, int count) {
    struct sockaddr_storage storage;
    socklen_t length = to_storage(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    set_nodelay(fd);
    if (mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0) return fail(fd);
    for (int i = 0; i < count; i++) {
        int value = options[i].value;
        if (setsockopt(fd, options[i].level, options[i].name, &value, sizeof value) < 0) return fail(fd);
    }
    if (connect(fd, (struct sockaddr *)&storage, length) < 0 && errno != EINPROGRESS) return fail(fd);
    return fd;
}

int martlet_connect_path(const char *path) {
    struct sockaddr_un remote;
    memset(&remote, 0, sizeof remote);
    remote.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof remote.sun_path) return -ENAMETOOLONG;
    strcpy(remote.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&remote, sizeof remote) < 0 && errno != EINPROGRESS) return fail(fd);
    return fd;
}

int martlet_accept(int listener, martlet_address *peer) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    int fd = accept4(listener, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    if (storage.ss_family != AF_UNIX) set_nodelay(fd);
    from_storage(&storage, peer);
    return fd;
}

int martlet_original_destination(int fd, int family, martlet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    int result = family == 6 ? getsockopt(fd, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST, &storage, &length)
                             : getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, &storage, &length);
    if (result < 0) return -errno;
    from_storage(&storage, address);
    return 0;
}

int martlet_local_address(int fd, martlet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    from_storage(&storage, address);
    return 0;
}

int martlet_peer_address(int fd, martlet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    if (getpeername(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    from_storage(&storage, address);
    return 0;
}

long martlet_pipe(int ends[2], int size) {
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
    // The system may refuse a larger one, or have given a tiny one, to a user with many: what there is counts.
    fcntl(ends[1], F_SETPIPE_SZ, size);
    int held = fcntl(ends[1], F_GETPIPE_SZ);
    if (held >= 0) return held;
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return -error;
}

long martlet_splice(int from, int to, size_t count) {
    ssize_t n = splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return n < 0 ? -(long)errno : (long)n;
}

int martlet_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0 ? -errno : 0;
}

void martlet_thread_name(const char *name) { pthread_setname_np(pthread_self(), name); }
