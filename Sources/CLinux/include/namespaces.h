#pragma once

#include <stdint.h>
#include <sys/types.h>

/// Processes in namespaces: what Swift cannot do itself, because between fork and exec only async-signal-safe calls are
/// allowed. Nothing here allocates; every descriptor that is opened is close-on-exec.

/// The step at which a call of this file failed. `martlet_step_name` gives its words.
enum martlet_step {
    MARTLET_STEP_NONE = 0,
    MARTLET_STEP_CLONE,
    MARTLET_STEP_ID_MAP,
    MARTLET_STEP_PRIVATE_MOUNTS,
    MARTLET_STEP_PROC,
    MARTLET_STEP_DESCRIPTORS,
    MARTLET_STEP_JOIN,
    MARTLET_STEP_DIRECTORY,
    MARTLET_STEP_EXEC,
    MARTLET_STEP_UNSHARE,
    MARTLET_STEP_HANDOVER,
    MARTLET_STEP_LINK,
    MARTLET_STEP_ADDRESS,
    MARTLET_STEP_ROUTE,
    MARTLET_STEP_MOUNT,
};

struct martlet_failure {
    int step;
    int error;
};

const char *martlet_step_name(int step);

/// One process to start. Strings and arrays belong to the caller and are read before the call returns.
struct martlet_spawn {
    const char *path;
    char *const *argv;
    char *const *envp;
    /// NULL: where the caller is.
    const char *directory;
    /// `fds[i]` becomes descriptor `i` of the process, -1 means /dev/null; every other descriptor is closed.
    const int *fds;
    int fd_count;
    /// Namespaces to join, or -1.
    int net_namespace;
    int mount_namespace;
    int uts_namespace;
    /// Drops the capabilities that a container has no use for.
    int drop_capabilities;
    /// A folder that is empty for the process and all that it starts, or NULL.
    const char *hidden;
};

/// Starts a process in a session of its own, with default signal dispositions and an empty signal mask. It dies with the caller.
/// Returns its process id, or -1 and says why. A child that failed before exec is left to the caller's reaper.
pid_t martlet_spawn(const struct martlet_spawn *spawn, struct martlet_failure *failure);

/// Starts a process as process 1 of new pid, network and mount namespaces, and of a new user namespace if asked.
/// /proc is mounted anew; where the kernel forbids that, the old one stays. The process is killed when the calling THREAD
/// ends, so call it on a thread that stays. Returns its process id, or -1 and says why (then nothing is left to reap).
pid_t martlet_spawn_init(const struct martlet_spawn *spawn, int user_namespace, struct martlet_failure *failure);

enum martlet_mount_kind {
    /// Binds `source` over `target`.
    MARTLET_MOUNT_BIND = 0,
    /// An empty file system in memory at `target`.
    MARTLET_MOUNT_MEMORY = 1,
    /// Makes `target` a writable layer over itself, kept in the folder `source` (with the folders up and work in it).
    MARTLET_MOUNT_OVERLAY = 2,
    /// Makes the folder `target`.
    MARTLET_MOUNT_FOLDER = 3,
    /// Makes the empty file `target`.
    MARTLET_MOUNT_FILE = 4,
};

struct martlet_mount {
    int kind;
    const char *source;
    const char *target;
};

/// A pod: network, mount and host name namespaces, and a link to the bridge.
struct martlet_pod {
    /// The bridge's end of the link, at most 15 characters.
    const char *link;
    int bridge;
    /// IPv4 addresses in network order.
    uint32_t address;
    uint32_t gateway;
    int prefix;
    const char *host_name;
    const struct martlet_mount *mounts;
    int mount_count;
    /// A command that is run inside at the end (it loads the firewall rules), or NULL.
    char *const *rules_argv;
    /// Where it writes.
    int log;
};

struct martlet_namespaces {
    int net;
    int mount;
    int uts;
};

/// Makes a pod's namespaces; they live as long as the descriptors or a process in them. Returns the process id of the helper
/// whose exit status 0 says that the rules are loaded, or -1 and says why. A helper that failed is left to the caller's reaper.
pid_t martlet_make_pod(const struct martlet_pod *pod, struct martlet_namespaces *namespaces, struct martlet_failure *failure);

/// Makes a bridge with an address in the caller's network namespace, and brings it and the loopback up. Returns its index or -1.
int martlet_make_bridge(const char *name, uint32_t address, int prefix, struct martlet_failure *failure);

/// Removes a link of the caller's network namespace. 0, or -1 with errno.
int martlet_remove_link(const char *name);

/// A socket that belongs to another network namespace. -1 with errno.
int martlet_socket_in(int net_namespace, int domain, int type);

/// Sends bytes with descriptors over a Unix socket; 0, or -1 with errno.
int martlet_send_descriptors(int socket, const void *bytes, size_t count, const int *fds, int fd_count);

/// Receives bytes and up to `fd_capacity` descriptors; the number of bytes (0 at the end), or -1 with errno.
ssize_t martlet_receive_descriptors(int socket, void *bytes, size_t capacity, int *fds, int fd_capacity, int *fd_count);

/// Blocks until a child has ended. Its process id, or -1 with errno (ECHILD: there is none).
pid_t martlet_wait_any(int *exit_code, int *signal);

/// As above for one child.
pid_t martlet_wait(pid_t child, int *exit_code, int *signal);

/// Asks the kernel to kill this process when the thread that started it ends.
void martlet_die_with_parent(void);

/// Marks a socket's packets, so that capture rules can leave them alone. 0, or -1 with errno.
int martlet_mark_socket(int socket, uint32_t mark);
