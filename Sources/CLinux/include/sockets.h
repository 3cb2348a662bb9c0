// Socket and epoll calls of the data path. Results are >= 0, or -errno.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// An address in the form that Swift keeps: IPv4 in the low 32 bits of `low`, host order.
typedef struct {
    uint64_t high;
    uint64_t low;
    uint16_t port;
    uint8_t family; // 0 none, 4, 6, 1 Unix
} martlet_address;

// One setsockopt with a number.
typedef struct {
    int level;
    int name;
    int value;
} martlet_option;

int martlet_epoll_create(void);
int martlet_eventfd_create(void);
int martlet_listen(const martlet_address *address, int backlog, int reuse_port, int transparent);
int martlet_listen_path(const char *path, int backlog);
// Connects without waiting; 0 or EINPROGRESS is success.
int martlet_connect(const martlet_address *address, int mark, const martlet_option *options, int count);
int martlet_connect_path(const char *path);
int martlet_accept(int listener, martlet_address *peer);
int martlet_original_destination(int fd, int family, martlet_address *address);
int martlet_local_address(int fd, martlet_address *address);
int martlet_peer_address(int fd, martlet_address *address);
int martlet_reset(int fd);
// A pipe of about `size` bytes: its two ends, the reading one first. Returns how much it holds, or -errno.
long martlet_pipe(int ends[2], int size);
void martlet_thread_name(const char *name);

static inline void martlet_eventfd_signal(int fd) {
    uint64_t one = 1;
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

static inline void martlet_eventfd_clear(int fd) {
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

static inline int martlet_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static inline void martlet_epoll_remove(int epoll, int fd) { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

static inline int martlet_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms) {
    int n = epoll_wait(epoll, events, count, timeout_ms);
    return n < 0 ? -errno : n;
}

static inline uint32_t martlet_event_flags(const struct epoll_event *events, int index) { return events[index].events; }
static inline uint64_t martlet_event_token(const struct epoll_event *events, int index) { return events[index].data.u64; }

static inline long martlet_receive(int fd, void *bytes, size_t count) {
    ssize_t n = recv(fd, bytes, count, 0);
    return n < 0 ? -(long)errno : (long)n;
}

static inline long martlet_send(int fd, const void *bytes, size_t count) {
    ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);
    return n < 0 ? -(long)errno : (long)n;
}

static inline long martlet_send2(int fd, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec parts[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
    return n < 0 ? -(long)errno : (long)n;
}

// Moves bytes between a socket and a pipe without copying them; neither end waits. No SIGPIPE can be asked for: it must be
// ignored or blocked.
long martlet_splice(int from, int to, size_t count);

static inline int martlet_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

static inline void martlet_shutdown_write(int fd) { shutdown(fd, SHUT_WR); }

static inline uint64_t martlet_now_coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t martlet_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t martlet_realtime_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// Gives back what starting needed: pages of program text (they come again from the page cache when they are run) and the
// free memory of the allocator.
void martlet_release_startup_memory(void);

// Descriptors over a Unix socket that keeps message boundaries: hot restart hands listening sockets over.
// At most 64 of them with one message.
int martlet_handover_listen(const char *path);
int martlet_handover_connect(const char *path);
int martlet_handover_send(int fd, const void *text, size_t length, const int *descriptors, int count);
// Bytes of the message, or -errno; `count` says how many descriptors came.
long martlet_handover_receive(int fd, void *text, size_t room, int *descriptors, int *count);

// What the allocator holds: in use, taken from the system, free.
typedef struct {
    uint64_t used;
    uint64_t taken;
    uint64_t free;
} martlet_heap;
martlet_heap martlet_heap_state(void);
