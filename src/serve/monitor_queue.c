/*
 * monitor_queue.c - how many connections wait, as the kernel tells.
 */
#include "serve/monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* For a socket that listens these two are the queue and its limit. */
static enum err queue_tcp(int fd, uint64_t *waiting, uint64_t *most)
{
    struct tcp_info info;
    socklen_t n = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return ERR_IO;
    *waiting = info.tcpi_unacked;
    *most = info.tcpi_sacked;
    return OK;
}

/*
 * The line to the kernel, and the number of the last question: two processes
 * on one line would read each other's answers.
 */
static int line = -1;
static uint32_t asked;

int monitor_queue_open(void)
{
    if (line >= 0)
        close(line);
    line = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  NETLINK_SOCK_DIAG);
    return line;
}

/* Asks for the one unix socket of that inode. */
static bool ask(ino_t inode)
{
    struct {
        struct nlmsghdr head;
        struct unix_diag_req body;
    } q = {.head = {.nlmsg_len = sizeof q,
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = ++asked},
           .body = {.sdiag_family = AF_UNIX,
                    .udiag_states = UINT32_MAX,
                    .udiag_ino = (uint32_t)inode,
                    .udiag_show = UDIAG_SHOW_RQLEN,
                    .udiag_cookie = {UINT32_MAX, UINT32_MAX}}};
    return send(line, &q, sizeof q, 0) == (ssize_t)sizeof q;
}

/* One attribute was asked for; it stands behind the message. ERR_AGAIN: this
 * is the answer to an earlier question. */
static enum err read_answer(const char *in, size_t n, uint64_t *waiting,
                            uint64_t *most)
{
    struct nlmsghdr head;
    struct rtattr attribute;
    struct unix_diag_rqlen r;
    size_t at = NLMSG_LENGTH(sizeof(struct unix_diag_msg));
    if (n < sizeof head)
        return ERR_IO;
    memcpy(&head, in, sizeof head);
    if (head.nlmsg_seq != asked)
        return ERR_AGAIN;
    if (n < at + RTA_LENGTH(sizeof r))
        return ERR_IO;
    memcpy(&attribute, in + at, sizeof attribute);
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        attribute.rta_type != UNIX_DIAG_RQLEN ||
        attribute.rta_len < RTA_LENGTH(sizeof r))
        return ERR_IO;
    memcpy(&r, in + at + RTA_LENGTH(0), sizeof r);
    *waiting = r.udiag_rqueue;
    *most = r.udiag_wqueue;
    return OK;
}

static enum err queue_unix(int fd, uint64_t *waiting, uint64_t *most)
{
    struct stat st;
    char in[1024];
    if (fstat(fd, &st) != 0 || (line < 0 && monitor_queue_open() < 0) ||
        !ask(st.st_ino))
        return ERR_IO;
    /* The kernel answers before send(2) returns: there is no waiting. */
    enum err e = ERR_AGAIN;
    while (e == ERR_AGAIN) {
        ssize_t n = recv(line, in, sizeof in, 0);
        if (n <= 0)
            return ERR_IO;
        e = read_answer(in, (size_t)n, waiting, most);
    }
    return e;
}

enum err monitor_queue(int listen_fd, uint64_t *waiting, uint64_t *most)
{
    int family = 0;
    socklen_t n = sizeof family;
    *waiting = *most = 0;
    if (getsockopt(listen_fd, SOL_SOCKET, SO_DOMAIN, &family, &n) != 0)
        return ERR_IO;
    if (family == AF_UNIX)
        return queue_unix(listen_fd, waiting, most);
    return queue_tcp(listen_fd, waiting, most);
}
