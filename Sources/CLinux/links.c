// rtnetlink requests, built on the stack. See links.h for the contract.

#define _GNU_SOURCE
#include "links.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/namespaces.h"

#define REQUEST_SPACE 1024

struct request {
    union {
        struct nlmsghdr header;
        char space[REQUEST_SPACE];
    };
};

int martlet_netlink(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }

static void *begin(struct request *request, int type, int flags, size_t body) {
    memset(request, 0, sizeof *request);
    request->header.nlmsg_type = (uint16_t)type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->header.nlmsg_len = NLMSG_LENGTH(body);
    return NLMSG_DATA(&request->header);
}

// Names are at most 15 characters and nothing else is long, so the space always suffices.
static struct rtattr *put(struct request *request, int type, const void *value, size_t count) {
    struct rtattr *attribute = (struct rtattr *)(request->space + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = (uint16_t)type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(count);
    if (count > 0) memcpy(RTA_DATA(attribute), value, count);
    request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
}

static void end(struct request *request, struct rtattr *attribute) {
    attribute->rta_len = (uint16_t)(request->space + request->header.nlmsg_len - (char *)attribute);
}

static int put_name(struct request *request, const char *name) {
    size_t count = strlen(name);
    if (count == 0 || count >= IFNAMSIZ) {
        errno = EINVAL;
        return -1;
    }
    put(request, IFLA_IFNAME, name, count + 1);
    return 0;
}

// Sends a request and waits for its acknowledgement; a link's index is the result when the answer carries one.
static int call(int netlink, struct request *request) {
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0) return -1;
    int result = 0;
    for (;;) {
        union {
            struct nlmsghdr header;
            char space[8192];
        } answer;
        ssize_t count = recv(netlink, &answer, sizeof answer, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        int left = (int)count;
        for (struct nlmsghdr *header = &answer.header; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *error = NLMSG_DATA(header);
                if (error->error == 0) return result;
                errno = -error->error;
                return -1;
            }
            if (header->nlmsg_type == RTM_NEWLINK) result = ((const struct ifinfomsg *)NLMSG_DATA(header))->ifi_index;
        }
    }
}

int martlet_link_index(int netlink, const char *name) {
    struct request request;
    begin(&request, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    if (put_name(&request, name) != 0) return -1;
    return call(netlink, &request);
}

int martlet_link_up(int netlink, int index) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index;
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    return call(netlink, &request);
}

int martlet_link_without_ipv6(int netlink, int index) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index;
    struct rtattr *families = put(&request, IFLA_AF_SPEC | NLA_F_NESTED, NULL, 0);
    struct rtattr *family = put(&request, AF_INET6 | NLA_F_NESTED, NULL, 0);
    uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    put(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
    end(&request, family);
    end(&request, families);
    // A kernel without IPv6 knows no such family.
    return call(netlink, &request) >= 0 || errno == EAFNOSUPPORT || errno == EOPNOTSUPP || errno == EINVAL ? 0 : -1;
}

int martlet_link_remove(int netlink, int index) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_DELLINK, 0, sizeof *link);
    link->ifi_index = index;
    return call(netlink, &request);
}

int martlet_link_bridge(int netlink, const char *name) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    if (put_name(&request, name) != 0) return -1;
    struct rtattr *information = put(&request, IFLA_LINKINFO, NULL, 0);
    put(&request, IFLA_INFO_KIND, "bridge", 7);
    end(&request, information);
    return call(netlink, &request);
}

int martlet_link_pair(int netlink, const char *name, int bridge, const char *peer, int net_namespace) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    if (put_name(&request, name) != 0) return -1;
    put(&request, IFLA_MASTER, &bridge, sizeof bridge);
    struct rtattr *information = put(&request, IFLA_LINKINFO, NULL, 0);
    put(&request, IFLA_INFO_KIND, "veth", 5);
    struct rtattr *data = put(&request, IFLA_INFO_DATA, NULL, 0);
    struct ifinfomsg other;
    memset(&other, 0, sizeof other);
    struct rtattr *end_of_peer = put(&request, VETH_INFO_PEER, &other, sizeof other);
    if (put_name(&request, peer) != 0) return -1;
    put(&request, IFLA_NET_NS_FD, &net_namespace, sizeof net_namespace);
    end(&request, end_of_peer);
    end(&request, data);
    end(&request, information);
    return call(netlink, &request);
}

int martlet_add_address(int netlink, int index, uint32_t address, int prefix) {
    struct request request;
    struct ifaddrmsg *body = begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *body);
    body->ifa_family = AF_INET;
    body->ifa_prefixlen = (uint8_t)prefix;
    body->ifa_index = (uint32_t)index;
    put(&request, IFA_LOCAL, &address, sizeof address);
    put(&request, IFA_ADDRESS, &address, sizeof address);
    return call(netlink, &request);
}

int martlet_add_default_route(int netlink, uint32_t gateway) {
    struct request request;
    struct rtmsg *body = begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *body);
    body->rtm_family = AF_INET;
    body->rtm_table = RT_TABLE_MAIN;
    body->rtm_protocol = RTPROT_STATIC;
    body->rtm_scope = RT_SCOPE_UNIVERSE;
    body->rtm_type = RTN_UNICAST;
    put(&request, RTA_GATEWAY, &gateway, sizeof gateway);
    return call(netlink, &request);
}

static int fail(struct martlet_failure *failure, int step, int netlink) {
    failure->step = step;
    failure->error = errno;
    if (netlink >= 0) close(netlink);
    return -1;
}

int martlet_make_bridge(const char *name, uint32_t address, int prefix, struct martlet_failure *failure) {
    int netlink = martlet_netlink();
    if (netlink < 0) return fail(failure, MARTLET_STEP_LINK, netlink);
    if (martlet_link_up(netlink, 1) != 0) return fail(failure, MARTLET_STEP_LINK, netlink);
    if (martlet_link_bridge(netlink, name) != 0) return fail(failure, MARTLET_STEP_LINK, netlink);
    int index = martlet_link_index(netlink, name);
    if (index < 0) return fail(failure, MARTLET_STEP_LINK, netlink);
    if (martlet_add_address(netlink, index, address, prefix) != 0) return fail(failure, MARTLET_STEP_ADDRESS, netlink);
    close(netlink);
    return index;
}

int martlet_remove_link(const char *name) {
    int netlink = martlet_netlink();
    if (netlink < 0) return -1;
    int index = martlet_link_index(netlink, name);
    int result = index < 0 ? -1 : martlet_link_remove(netlink, index);
    int error = errno;
    close(netlink);
    errno = error;
    return result;
}
