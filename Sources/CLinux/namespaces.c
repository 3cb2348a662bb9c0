// Namespaces for the local mesh. See include/namespaces.h for the contract.

#define _GNU_SOURCE
#include "include/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "links.h"

// Descriptors are moved above this number first, so that no move overwrites one that is still needed.
#define DESCRIPTOR_SHELF 512
#define DESCRIPTORS_MAX 64

const char *martlet_step_name(int step) {
    switch (step) {
    case MARTLET_STEP_CLONE: return "creating the namespaces";
    case MARTLET_STEP_ID_MAP: return "mapping the user id";
    case MARTLET_STEP_PRIVATE_MOUNTS: return "making the mounts private";
    case MARTLET_STEP_PROC: return "mounting /proc";
    case MARTLET_STEP_DESCRIPTORS: return "passing descriptors";
    case MARTLET_STEP_JOIN: return "joining the pod's namespaces";
    case MARTLET_STEP_DIRECTORY: return "entering the working directory";
    case MARTLET_STEP_EXEC: return "starting the program";
    case MARTLET_STEP_UNSHARE: return "creating the pod's namespaces";
    case MARTLET_STEP_HANDOVER: return "handing over the namespaces";
    case MARTLET_STEP_LINK: return "creating a network link";
    case MARTLET_STEP_ADDRESS: return "setting an address";
    case MARTLET_STEP_ROUTE: return "setting the default route";
    case MARTLET_STEP_MOUNT: return "mounting a file of the pod";
    default: return "an unknown step";
    }
}

static int fail(struct martlet_failure *failure, int step) {
    failure->step = step;
    failure->error = errno;
    return -1;
}

static void put_down(int report, int step) {
    struct martlet_failure failure = {step, errno};
    ssize_t ignored = write(report, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

// Signals are blocked around fork, so that no handler of the parent runs in the child.
static void block_signals(sigset_t *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void default_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < 65; signal++) sigaction(signal, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void place_descriptors(const struct martlet_spawn *spawn, int *report) {
    int shelf[DESCRIPTORS_MAX];
    if (spawn->fd_count > DESCRIPTORS_MAX) {
        errno = E2BIG;
        put_down(*report, MARTLET_STEP_DESCRIPTORS);
    }
    int moved = fcntl(*report, F_DUPFD_CLOEXEC, DESCRIPTOR_SHELF);
    if (moved < 0) put_down(*report, MARTLET_STEP_DESCRIPTORS);
    *report = moved;
    for (int i = 0; i < spawn->fd_count; i++) {
        int source = spawn->fds[i];
        if (source < 0) source = open("/dev/null", O_RDWR | O_CLOEXEC);
        shelf[i] = source < 0 ? -1 : fcntl(source, F_DUPFD_CLOEXEC, DESCRIPTOR_SHELF);
        if (shelf[i] < 0) put_down(*report, MARTLET_STEP_DESCRIPTORS);
    }
    for (int i = 0; i < spawn->fd_count; i++)
        if (dup2(shelf[i], i) < 0) put_down(*report, MARTLET_STEP_DESCRIPTORS);
    // Everything else closes at exec; until then the report must stay open.
    if (syscall(SYS_close_range, spawn->fd_count, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        for (int fd = spawn->fd_count; fd < 4096; fd++)
            if (fd != *report) close(fd);
    }
}

// What a container keeps: everything that concerns files, its own users, low ports, raw sockets (ping, tcpdump) and chroot.
// Not CAP_SYS_PTRACE: proxies and the control plane, which hold keys, have more capabilities, so that no container may look
// into them.
static int is_kept(int capability) {
    switch (capability) {
    case CAP_CHOWN: case CAP_DAC_OVERRIDE: case CAP_FOWNER: case CAP_FSETID: case CAP_KILL: case CAP_SETGID: case CAP_SETUID:
    case CAP_SETPCAP: case CAP_NET_BIND_SERVICE: case CAP_NET_RAW: case CAP_SYS_CHROOT: case CAP_MKNOD: case CAP_AUDIT_WRITE:
    case CAP_SETFCAP:
        return 1;
    default:
        return 0;
    }
}

static void drop_capabilities(void) {
    for (int capability = 0; capability < 64; capability++)
        if (!is_kept(capability)) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static void become(const struct martlet_spawn *spawn, int report) {
    place_descriptors(spawn, &report);
    if (spawn->directory && chdir(spawn->directory) != 0) put_down(report, MARTLET_STEP_DIRECTORY);
    if (spawn->drop_capabilities) drop_capabilities();
    default_signals();
    execve(spawn->path, spawn->argv, spawn->envp);
    put_down(report, MARTLET_STEP_EXEC);
}

// The report pipe closes without a word when exec has succeeded.
static int read_report(int report, struct martlet_failure *failure) {
    struct martlet_failure received = {0, 0};
    ssize_t count;
    do count = read(report, &received, sizeof received);
    while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof received) return 0;
    *failure = received;
    return -1;
}

// In a mount namespace of its own: what stands beside the process goes on seeing the folder.
static int hide(const char *folder) {
    if (unshare(CLONE_NEWNS) != 0) return -1;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
    return mount("none", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "size=4k,mode=0555");
}

pid_t martlet_spawn(const struct martlet_spawn *spawn, struct martlet_failure *failure) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return fail(failure, MARTLET_STEP_DESCRIPTORS);
    sigset_t before;
    block_signals(&before);
    // Not fork(): its handlers (of malloc, of libraries) have no business here and cost time.
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        setsid();
        if (spawn->net_namespace >= 0 && setns(spawn->net_namespace, CLONE_NEWNET) != 0)
            put_down(report[1], MARTLET_STEP_JOIN);
        if (spawn->uts_namespace >= 0 && setns(spawn->uts_namespace, CLONE_NEWUTS) != 0)
            put_down(report[1], MARTLET_STEP_JOIN);
        if (spawn->mount_namespace >= 0 && setns(spawn->mount_namespace, CLONE_NEWNS) != 0)
            put_down(report[1], MARTLET_STEP_JOIN);
        if (spawn->hidden && hide(spawn->hidden) != 0) put_down(report[1], MARTLET_STEP_MOUNT);
        become(spawn, report[1]);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (child < 0) {
        errno = error;
        fail(failure, MARTLET_STEP_CLONE);
    } else if (read_report(report[0], failure) != 0) {
        child = -1;
    }
    close(report[0]);
    return child;
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t count = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return count < 0 ? -1 : 0;
}

// "0 ID 1": root inside is the caller outside.
static int write_map(const char *path, unsigned id) {
    char digits[12], text[20] = "0 ";
    int count = 0, at = 2;
    do digits[count++] = (char)('0' + id % 10);
    while ((id /= 10) != 0);
    while (count > 0) text[at++] = digits[--count];
    memcpy(text + at, " 1", 3);
    return write_text(path, text);
}

pid_t martlet_spawn_init(const struct martlet_spawn *spawn, int user_namespace, struct martlet_failure *failure) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return fail(failure, MARTLET_STEP_DESCRIPTORS);
    unsigned user = geteuid(), group = getegid();
    unsigned long flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | SIGCHLD;
    if (user_namespace) flags |= CLONE_NEWUSER;
    sigset_t before;
    block_signals(&before);
    pid_t child = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (child == 0) {
        if (user_namespace) {
            write_text("/proc/self/setgroups", "deny");
            if (write_map("/proc/self/uid_map", user) != 0 || write_map("/proc/self/gid_map", group) != 0)
                put_down(report[1], MARTLET_STEP_ID_MAP);
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        setsid();
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) put_down(report[1], MARTLET_STEP_PRIVATE_MOUNTS);
        // A container's /proc is partly covered, and then the kernel refuses a fresh one: the old one will do.
        int ignored = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        (void)ignored;
        become(spawn, report[1]);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (child < 0) {
        errno = error;
        fail(failure, MARTLET_STEP_CLONE);
    } else if (read_report(report[0], failure) != 0) {
        waitpid(child, NULL, 0);
        child = -1;
    }
    close(report[0]);
    return child;
}

// Nothing is said about a folder or a file that is there already.
static int make_missing(const struct martlet_mount *mount) {
    if (mount->kind == MARTLET_MOUNT_FOLDER) return mkdir(mount->target, 0755) != 0 && errno != EEXIST ? -1 : 0;
    int fd = open(mount->target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return -1;
    close(fd);
    return 0;
}

static int append(char *text, size_t capacity, size_t *at, const char *more) {
    size_t count = strlen(more);
    if (*at + count + 1 > capacity) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(text + *at, more, count + 1);
    *at += count;
    return 0;
}

static int mount_overlay(const struct martlet_mount *wanted) {
    char options[3 * 1024];
    size_t at = 0;
    const char *parts[] = {"lowerdir=", wanted->target, ",upperdir=", wanted->source, "/up,workdir=", wanted->source, "/work"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (append(options, sizeof options, &at, parts[i]) != 0) return -1;
    if (mount("overlay", wanted->target, "overlay", 0, options) == 0) return 0;
    // Inside a user namespace the layer's marks must be ordinary attributes.
    if (append(options, sizeof options, &at, ",userxattr") != 0) return -1;
    return mount("overlay", wanted->target, "overlay", 0, options);
}

static int make_mount(const struct martlet_mount *wanted) {
    switch (wanted->kind) {
    case MARTLET_MOUNT_BIND: return mount(wanted->source, wanted->target, NULL, MS_BIND | MS_REC, NULL);
    case MARTLET_MOUNT_MEMORY: return mount("tmpfs", wanted->target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    case MARTLET_MOUNT_OVERLAY: return mount_overlay(wanted);
    default: return make_missing(wanted);
    }
}

static void furnish(const struct martlet_pod *pod, int handover, int report) {
    int outside = martlet_netlink();
    if (outside < 0) put_down(report, MARTLET_STEP_LINK);
    if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) != 0) put_down(report, MARTLET_STEP_UNSHARE);
    int namespaces[3] = {
        open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
        open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC),
        open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC),
    };
    if (namespaces[0] < 0 || namespaces[1] < 0 || namespaces[2] < 0) put_down(report, MARTLET_STEP_HANDOVER);
    if (martlet_send_descriptors(handover, "n", 1, namespaces, 3) != 0) put_down(report, MARTLET_STEP_HANDOVER);
    sethostname(pod->host_name, strlen(pod->host_name));

    int inside = martlet_netlink();
    if (inside < 0) put_down(report, MARTLET_STEP_LINK);
    if (martlet_link_pair(outside, pod->link, pod->bridge, "eth0", namespaces[0]) != 0) put_down(report, MARTLET_STEP_LINK);
    if (martlet_link_up(inside, 1) != 0) put_down(report, MARTLET_STEP_LINK);
    int index = martlet_link_index(inside, "eth0");
    // Capture is IPv4's: an address of IPv6 would be a way past the sidecar.
    if (index < 0 || martlet_link_without_ipv6(inside, index) != 0) put_down(report, MARTLET_STEP_LINK);
    if (martlet_link_up(inside, index) != 0) put_down(report, MARTLET_STEP_LINK);
    if (martlet_add_address(inside, index, pod->address, pod->prefix) != 0) put_down(report, MARTLET_STEP_ADDRESS);
    if (martlet_add_default_route(inside, pod->gateway) != 0) put_down(report, MARTLET_STEP_ROUTE);

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) put_down(report, MARTLET_STEP_PRIVATE_MOUNTS);
    for (int i = 0; i < pod->mount_count; i++)
        if (make_mount(&pod->mounts[i]) != 0) put_down(report, MARTLET_STEP_MOUNT);
}

pid_t martlet_make_pod(const struct martlet_pod *pod, struct martlet_namespaces *namespaces, struct martlet_failure *failure) {
    int report[2], handover[2];
    namespaces->net = namespaces->mount = namespaces->uts = -1;
    if (pipe2(report, O_CLOEXEC) != 0) return fail(failure, MARTLET_STEP_DESCRIPTORS);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, handover) != 0) {
        fail(failure, MARTLET_STEP_DESCRIPTORS);
        close(report[0]);
        close(report[1]);
        return -1;
    }
    sigset_t before;
    block_signals(&before);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        furnish(pod, handover[1], report[1]);
        if (pod->rules_argv == NULL) _exit(0);
        int fds[3] = {-1, pod->log, pod->log};
        char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
        struct martlet_spawn rules = {
            .path = pod->rules_argv[0], .argv = pod->rules_argv, .envp = environment, .fds = fds, .fd_count = 3,
            .net_namespace = -1, .mount_namespace = -1, .uts_namespace = -1,
        };
        become(&rules, report[1]);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    close(handover[1]);
    if (child < 0) {
        errno = error;
        fail(failure, MARTLET_STEP_CLONE);
    } else {
        char byte;
        int fds[3], count = 0;
        ssize_t received = martlet_receive_descriptors(handover[0], &byte, 1, fds, 3, &count);
        if (received == 1 && count == 3) {
            namespaces->net = fds[0];
            namespaces->mount = fds[1];
            namespaces->uts = fds[2];
        }
        if (read_report(report[0], failure) != 0) {
            child = -1;
            if (namespaces->net >= 0) {
                close(namespaces->net);
                close(namespaces->mount);
                close(namespaces->uts);
                namespaces->net = namespaces->mount = namespaces->uts = -1;
            }
        }
    }
    close(report[0]);
    close(handover[0]);
    return child;
}

int martlet_socket_in(int net_namespace, int domain, int type) {
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) return -1;
    if (setns(net_namespace, CLONE_NEWNET) != 0) {
        int error = errno;
        close(home);
        errno = error;
        return -1;
    }
    int result = socket(domain, type | SOCK_CLOEXEC, 0);
    int error = errno;
    // A thread that cannot come home must not go on: its next socket would be in the wrong place.
    if (setns(home, CLONE_NEWNET) != 0) _exit(70);
    close(home);
    errno = error;
    return result;
}

int martlet_send_descriptors(int socket, const void *bytes, size_t count, const int *fds, int fd_count) {
    struct iovec part = {(void *)bytes, count};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > DESCRIPTORS_MAX) {
        errno = E2BIG;
        return -1;
    }
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)fd_count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return -1;
    // The descriptors travel with the first byte; the rest is ordinary data.
    for (size_t at = (size_t)sent; at < count;) {
        ssize_t more = send(socket, (const char *)bytes + at, count - at, MSG_NOSIGNAL);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return -1;
        at += (size_t)more;
    }
    return 0;
}

ssize_t martlet_receive_descriptors(int socket, void *bytes, size_t capacity, int *fds, int fd_capacity, int *fd_count) {
    struct iovec part = {bytes, capacity};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    *fd_count = 0;
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + sizeof(int) * (size_t)i, sizeof fd);
            if (*fd_count < fd_capacity) fds[(*fd_count)++] = fd;
            else close(fd);
        }
    }
    return received;
}

static pid_t wait_for(pid_t which, int *exit_code, int *signal) {
    int status = 0;
    pid_t child;
    do child = waitpid(which, &status, 0);
    while (child < 0 && errno == EINTR);
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return child;
}

pid_t martlet_wait_any(int *exit_code, int *signal) { return wait_for(-1, exit_code, signal); }

pid_t martlet_wait(pid_t child, int *exit_code, int *signal) { return wait_for(child, exit_code, signal); }

void martlet_die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

int martlet_mark_socket(int socket, uint32_t mark) { return setsockopt(socket, SOL_SOCKET, SO_MARK, &mark, sizeof mark); }
