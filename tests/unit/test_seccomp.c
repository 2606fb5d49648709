/*
 * test_seccomp.c - what a process held to the list can do, and cannot.
 *
 * Each test is a child of its own, for there is no way back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "serve/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #cond,       \
                    errno);                                                    \
            _exit(1);                                                          \
        }                                                                      \
    } while (0)

static int confined(void (*what)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct why why = {.text = ""};
        if (seccomp_confine(&why) != OK) {
            fprintf(stderr, "%s\n", why.text);
            _exit(2);
        }
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_well(void (*what)(void))
{
    assert_int_equal(confined(what), 0);
}

static int set_up(void **state)
{
    struct why why = {.text = ""};
    (void)state;
    if (seccomp_prepare(&why) != ERR_NOTFOUND)
        return 0;
    print_message("# %s\n", why.text);
    return 0;
}

static void skip_without(void)
{
    struct why why;
    if (seccomp_prepare(&why) == ERR_NOTFOUND)
        skip();
}

/* ---- cannot ------------------------------------------------------------- */

static void try_program(void)
{
    char *const argv[] = {"true", NULL};
    CHECK(execve("/bin/true", argv, NULL) == -1 && errno == EPERM);
    CHECK(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0) == -1 &&
          errno == EPERM);
}

static void no_program_can_be_started(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_program);
}

static void try_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK(pid == -1 && errno == EPERM);
#ifdef SYS_vfork
    CHECK(syscall(SYS_vfork) == -1 && errno == EPERM);
#endif
}

static void no_process_can_be_made(void **state)
{
    (void)state;
    skip_without();
#ifdef __SANITIZE_ADDRESS__
    skip(); /* LeakSanitizer makes one */
#endif
    assert_well(try_process);
}

static void try_clone3(void)
{
    CHECK(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
}

static void clone3_is_as_if_it_were_not_there(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_clone3);
}

/* With arguments that root, unfiltered, would be told other errors for. */
static void try_forbidden(void)
{
    static const struct {
        const char *name;
        long call;
    } calls[] = {
        {"mount", SYS_mount},
        {"umount2", SYS_umount2},
        {"unshare", SYS_unshare},
        {"setns", SYS_setns},
        {"chroot", SYS_chroot},
        {"pivot_root", SYS_pivot_root},
        {"bpf", SYS_bpf},
        {"perf_event_open", SYS_perf_event_open},
        {"userfaultfd", SYS_userfaultfd},
        {"io_uring_setup", SYS_io_uring_setup},
        {"keyctl", SYS_keyctl},
        {"add_key", SYS_add_key},
        {"init_module", SYS_init_module},
        {"process_vm_readv", SYS_process_vm_readv},
        {"pidfd_open", SYS_pidfd_open},
        {"setuid", SYS_setuid},
        {"setresuid", SYS_setresuid},
        {"setresgid", SYS_setresgid},
        {"setgroups", SYS_setgroups},
        {"capset", SYS_capset},
        {"personality", SYS_personality},
        {"kill", SYS_kill},
        {"listen", SYS_listen},
        {"unlinkat", SYS_unlinkat},
        {"renameat2", SYS_renameat2},
        {"mkdirat", SYS_mkdirat},
        {"fchmodat", SYS_fchmodat},
        {"fchownat", SYS_fchownat},
        {"linkat", SYS_linkat},
        {"symlinkat", SYS_symlinkat},
        {"seccomp", SYS_seccomp},
        {"shmget", SYS_shmget},
        {"sched_setscheduler", SYS_sched_setscheduler},
        {"setpriority", SYS_setpriority},
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        errno = 0;
        if (syscall(calls[i].call, 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM) {
            fprintf(stderr, "%s: errno %d\n", calls[i].name, errno);
            _exit(1);
        }
    }
}

static void what_no_worker_needs_fails_with_eperm(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_forbidden);
}

static void try_other_process(void)
{
    CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
    CHECK(syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 && errno == EPERM);
    CHECK(syscall(SYS_tkill, getppid(), 0) == -1 && errno == EPERM);
#ifndef __SANITIZE_ADDRESS__
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 && errno == EPERM);
#endif
}

static void other_processes_cannot_be_signalled_or_traced(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_other_process);
}

/* A signal for news on a descriptor can be any, and go to anybody. */
static void try_signals_by_descriptors(void)
{
    struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = getppid()};
    CHECK(fcntl(0, F_SETOWN, getppid()) == -1 && errno == EPERM);
    CHECK(fcntl(0, F_SETOWN_EX, &owner) == -1 && errno == EPERM);
    CHECK(fcntl(0, F_SETSIG, SIGKILL) == -1 && errno == EPERM);
    CHECK(ioctl(0, FIOASYNC, &(int){1}) == -1 && errno == EPERM);
    CHECK(ioctl(0, SIOCSPGRP, &(int){getppid()}) == -1 && errno == EPERM);
    CHECK(fcntl(0, F_NOTIFY, DN_CREATE) == -1 && errno == EPERM);
}

static void a_descriptor_sends_no_signals_to_others(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_signals_by_descriptors);
}

/* Others have the same pipe, and count on writes that do not wait. */
static void try_waiting_writes(void)
{
    int both[2], no = 0;
    CHECK(pipe2(both, O_NONBLOCK) == 0);
    CHECK(fcntl(both[1], F_SETFL, O_WRONLY) == -1 && errno == EPERM);
    CHECK(ioctl(both[1], FIONBIO, &no) == -1 && errno == EPERM);
    CHECK(fcntl(both[1], F_GETFL) == (O_WRONLY | O_NONBLOCK));
    CHECK(fcntl(both[1], F_SETFL, O_WRONLY | O_NONBLOCK) == 0);
}

static void what_does_not_wait_is_not_made_to(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_waiting_writes);
}

static void try_descriptors(void)
{
    int copy = fcntl(0, F_DUPFD_CLOEXEC, 10);
    CHECK(copy >= 10 && fcntl(0, F_DUPFD, 10) > copy);
    CHECK(fcntl(copy, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(fcntl(copy, F_GETFD) == FD_CLOEXEC);
}

static void descriptors_can_be_copied(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_descriptors);
}

#ifdef __x86_64__
/* kill() as the two other kinds of programs would call it. */
static void try_x32(void)
{
    CHECK(syscall(0x40000000 + SYS_kill, getppid(), 0) == -1);
    CHECK(errno == EPERM || errno == ENOSYS);
}

static void try_i386(void)
{
    long got, call = 37;
    __asm__ volatile("int $0x80"
                     : "=a"(got)
                     : "a"(call), "b"((long)getppid()), "c"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
    CHECK(got < 0);
}
#endif

static void calls_of_another_architecture_are_no_way_around(void **state)
{
    (void)state;
    skip_without();
#ifdef __x86_64__
    void (*const tries[])(void) = {try_x32, try_i386};
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        int status = confined(tries[i]);
        /* Refused, or the end of who tried. */
        assert_true(status == 0 || WIFSIGNALED(status));
    }
#else
    skip();
#endif
}

static void try_limits(void)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
#ifndef __SANITIZE_ADDRESS__
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == -1 && errno == EPERM);
    CHECK(prlimit(getppid(), RLIMIT_NOFILE, NULL, &r) == -1 && errno == EPERM);
#endif
}

static void limits_can_be_read_and_not_set(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_limits);
}

/* ---- sockets ------------------------------------------------------------ */

static void try_sockets(void)
{
    int pair[2];
    CHECK(socket(AF_INET, SOCK_STREAM, 0) >= 0);
    CHECK(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
    CHECK(socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno == EAFNOSUPPORT);
    CHECK(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(write(pair[0], "x", 1) == 1);
    CHECK(socket(AF_NETLINK, SOCK_RAW, 9) == -1 && errno == EPERM);
    CHECK(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM);
    CHECK(socket(AF_VSOCK, SOCK_STREAM, 0) == -1 && errno == EPERM);
    CHECK(socket(AF_ALG, SOCK_SEQPACKET, 0) == -1 && errno == EPERM);
}

static void sockets_are_those_of_a_web_application(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_sockets);
}

static void try_names(void)
{
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_ADDRCONFIG};
    CHECK(getaddrinfo("localhost", "80", &hints, &found) == 0);
    freeaddrinfo(found);
}

static void names_can_be_looked_up(void **state)
{
    (void)state;
    skip_without();
    if (access("/etc/hosts", R_OK) != 0)
        skip();
    assert_well(try_names);
}

/* ---- can ---------------------------------------------------------------- */

static void *lock_it(void *arg)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_setname_np(pthread_self(), "test");
    pthread_mutex_lock(&lock);
    *(int *)arg += 1;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void try_threads(void)
{
    pthread_t threads[4];
    int n = 0;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, lock_it, &n) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(n == 4);
}

static void threads_can_be_made(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_threads);
}

static void try_machine_code(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK(mprotect(p, size, PROT_READ | PROT_EXEC) == 0);
    CHECK(madvise(p, size, MADV_DONTNEED) == 0);
    CHECK(munmap(p, size) == 0);
}

static void memory_can_hold_machine_code(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_machine_code);
}

static void try_files(void)
{
    char text[16];
    FILE *f = fopen("/etc/passwd", "r");
    CHECK(f != NULL && fread(text, 1, sizeof(text), f) == sizeof(text));
    fclose(f);
    CHECK(access("/etc/passwd", R_OK) == 0);
    struct pollfd none = {.fd = -1};
    CHECK(poll(&none, 1, 1) == 0);
}

static void files_can_be_read(void **state)
{
    (void)state;
    skip_without();
    assert_well(try_files);
}

static void try_abort(void)
{
    abort();
}

static void abort_ends_it_by_sigabrt(void **state)
{
    (void)state;
    skip_without();
    int status = confined(try_abort);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void try_again(void)
{
    struct why why;
    /* The filter of before forbids loading another. */
    CHECK(seccomp_confine(&why) == ERR_FAIL);
    CHECK(strstr(why.text, "cannot be loaded") != NULL);
}

static void it_cannot_be_changed_afterwards(void **state)
{
    (void)state;
    skip_without();
#ifdef __SANITIZE_ADDRESS__
    skip(); /* LeakSanitizer needs prctl(2) */
#endif
    assert_well(try_again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_program_can_be_started),
        cmocka_unit_test(no_process_can_be_made),
        cmocka_unit_test(clone3_is_as_if_it_were_not_there),
        cmocka_unit_test(what_no_worker_needs_fails_with_eperm),
        cmocka_unit_test(other_processes_cannot_be_signalled_or_traced),
        cmocka_unit_test(a_descriptor_sends_no_signals_to_others),
        cmocka_unit_test(what_does_not_wait_is_not_made_to),
        cmocka_unit_test(descriptors_can_be_copied),
        cmocka_unit_test(calls_of_another_architecture_are_no_way_around),
        cmocka_unit_test(limits_can_be_read_and_not_set),
        cmocka_unit_test(sockets_are_those_of_a_web_application),
        cmocka_unit_test(names_can_be_looked_up),
        cmocka_unit_test(threads_can_be_made),
        cmocka_unit_test(memory_can_hold_machine_code),
        cmocka_unit_test(files_can_be_read),
        cmocka_unit_test(abort_ends_it_by_sigabrt),
        cmocka_unit_test(it_cannot_be_changed_afterwards),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
