/*
 * watchdog.c - a thread that sleeps until the one deadline, or an alarm.
 */
#include "serve/watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/*
 * Who waits in poll(2) until the same deadline should see it first: then
 * JavaScript is not running, and need not be ended.
 */
#define SLACK_NS (5 * NS_PER_MS)
/* Between two alarms after the deadline. */
#define AGAIN_US 20000

enum kind { KIND_NONE, KIND_THREAD, KIND_ALARM };
enum stage { STAGE_OFF, STAGE_ARMED, STAGE_TERMINATED };

static enum kind kind;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t earlier;

/* All under lock. */
static struct {
    enum stage stage;
    uint64_t deadline; /* of the stage */
    uint64_t asleep;   /* until when the thread sleeps */
    struct engine *engine;
    int fd;
} self = {.fd = -1};

static void expire(void)
{
    if (self.stage == STAGE_ARMED) {
        engine_terminate(self.engine);
        self.stage = STAGE_TERMINATED;
        self.deadline = clock_mono() + WATCHDOG_GRACE_NS;
    } else {
        if (self.fd >= 0)
            shutdown(self.fd, SHUT_RDWR);
        self.stage = STAGE_OFF;
    }
}

static void sleep_until(uint64_t when)
{
    self.asleep = when;
    if (when == UINT64_MAX) {
        pthread_cond_wait(&earlier, &lock);
    } else {
        struct timespec ts = {.tv_sec = (time_t)(when / NS_PER_S),
                              .tv_nsec = (long)(when % NS_PER_S)};
        pthread_cond_timedwait(&earlier, &lock, &ts);
    }
    self.asleep = 0;
}

/*
 * A disarmed deadline is slept through: waking up once for nothing is
 * cheaper than being woken at every request.
 */
static void *run(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        if (self.stage == STAGE_OFF)
            sleep_until(UINT64_MAX);
        else if (clock_mono() < self.deadline)
            sleep_until(self.deadline);
        else
            expire();
    }
    return NULL;
}

void watchdog_start(void)
{
    pthread_t thread;
    pthread_condattr_t attr;
    pthread_attr_t small;
    must(kind == KIND_NONE);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&earlier, &attr);
    pthread_condattr_destroy(&attr);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &small, run, NULL);
    if (failed != 0)
        die("cannot start the watchdog: %s", strerror(failed));
    pthread_attr_destroy(&small);
    kind = KIND_THREAD;
}

void watchdog_start_alarm(void (*last_words)(int signal))
{
    struct sigaction action = {.sa_handler = last_words};
    sigset_t set;
    must(kind == KIND_NONE);
    sigaction(SIGALRM, &action, NULL);
    /* The web server may have had it blocked. */
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kind = KIND_ALARM;
}

static void set_alarm(uint64_t after)
{
    uint64_t us = after == 0 ? 0 : after / 1000 + 1;
    struct itimerval t = {.it_value = {.tv_sec = (time_t)(us / 1000000),
                                       .tv_usec = (suseconds_t)(us % 1000000)},
                          .it_interval = {.tv_usec = AGAIN_US}};
    setitimer(ITIMER_REAL, &t, NULL);
}

void watchdog_arm(struct engine *engine, int fd, uint64_t deadline)
{
    deadline += SLACK_NS;
    if (kind == KIND_ALARM) {
        uint64_t now = clock_mono();
        set_alarm(deadline > now ? deadline - now : 1);
    }
    if (kind != KIND_THREAD)
        return;
    pthread_mutex_lock(&lock);
    self.stage = STAGE_ARMED;
    self.deadline = deadline;
    self.engine = engine;
    self.fd = fd;
    bool wake = deadline < self.asleep;
    pthread_mutex_unlock(&lock);
    if (wake)
        pthread_cond_signal(&earlier);
}

void watchdog_disarm(void)
{
    if (kind == KIND_ALARM)
        set_alarm(0);
    if (kind != KIND_THREAD)
        return;
    pthread_mutex_lock(&lock);
    self.stage = STAGE_OFF;
    self.engine = NULL;
    self.fd = -1;
    pthread_mutex_unlock(&lock);
}
