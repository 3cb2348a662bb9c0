#pragma once

#include <stdint.h>

// Network links over rtnetlink, without a tool: what `ip link`, `ip address` and `ip route` do. Async-signal-safe.
// A descriptor of `martlet_netlink` acts on the network namespace in which it was opened. All return -1 with errno.

int martlet_netlink(void);
int martlet_link_index(int netlink, const char *name);
int martlet_link_up(int netlink, int index);
/// Before the link goes up: it gets no address of IPv6, not even a link-local one.
int martlet_link_without_ipv6(int netlink, int index);
int martlet_link_remove(int netlink, int index);
/// A veth pair: `name` in the netlink's namespace as a port of `bridge`, already up; `peer` in the namespace `net_namespace`.
int martlet_link_pair(int netlink, const char *name, int bridge, const char *peer, int net_namespace);
int martlet_link_bridge(int netlink, const char *name);
int martlet_add_address(int netlink, int index, uint32_t address, int prefix);
int martlet_add_default_route(int netlink, uint32_t gateway);
