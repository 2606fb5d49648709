/*
 * watchdog.c - a thread that sleeps until the next moment, or two alarms.
 */
#include "serve/watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

/*
 * Who waits in poll(2) until the same moment should see it first: then
 * JavaScript is not running, and need not be interrupted.
 */
#define SLACK_NS (5 * NS_PER_MS)
/* Between two looks at processor time, at least. */
#define LOOK_NS NS_PER_MS
/* Between two tries at the last words, and two alarms. */
#define AGAIN_NS (20 * NS_PER_MS)

enum kind { KIND_NONE, KIND_THREAD, KIND_ALARM };
enum stage { STAGE_OFF, STAGE_ARMED, STAGE_TERMINATED };

static enum kind kind;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t earlier;

/* All under lock, but with alarms, which have no thread. */
static struct {
    enum stage stage;
    struct watch watch;
    clockid_t cpu;     /* of the thread that armed */
    uint64_t cpu_look; /* when to look at it, 0 never */
    uint64_t last;     /* when the last words are due, once terminated */
    uint64_t asleep;   /* until when the thread sleeps */
} self;

static void terminate(enum engine_stop why, uint64_t now)
{
    const struct watch *w = &self.watch;
    engine_terminate(w->engine, why);
    self.stage = STAGE_TERMINATED;
    self.last = now + WATCHDOG_GRACE_NS;
    if (w->kill_at != NULL && atomic_load(w->kill_at) > now + w->kill_grace)
        atomic_store(w->kill_at, now + w->kill_grace);
}

static uint64_t cpu_used(void)
{
    struct timespec ts;
    must(clock_gettime(self.cpu, &ts) == 0);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec -
           self.watch.cpu_start;
}

/* Processor time is used no faster than time passes: it is looked at again
 * when it can be all used, and not before. */
static void look_at_cpu(uint64_t now)
{
    uint64_t used = cpu_used(), limit = self.watch.cpu_limit;
    if (used >= limit)
        terminate(STOP_CPU, now);
    else
        self.cpu_look = now + (limit - used > LOOK_NS ? limit - used : LOOK_NS);
}

static void sooner(uint64_t *moment, uint64_t other)
{
    if (other != 0 && other < *moment)
        *moment = other;
}

/* The next one, UINT64_MAX for none. */
static uint64_t moment(void)
{
    const struct watch *w = &self.watch;
    uint64_t next = UINT64_MAX;
    if (self.stage == STAGE_TERMINATED)
        return self.last;
    if (self.stage == STAGE_ARMED) {
        next = w->deadline + SLACK_NS;
        sooner(&next, self.cpu_look);
        sooner(&next, w->slow == 0 ? 0 : w->slow + SLACK_NS);
    }
    return next;
}

/* Something is due. */
static void act(uint64_t now)
{
    struct watch *w = &self.watch;
    if (self.stage == STAGE_TERMINATED) {
        if (w->last == NULL || w->last(w->arg, w->engine))
            self.stage = STAGE_OFF;
        else
            self.last = now + AGAIN_NS;
        return;
    }
    if (w->slow != 0 && now >= w->slow + SLACK_NS) {
        w->slow = 0;
        if (w->is_slow != NULL)
            w->is_slow(w->arg, w->engine);
    }
    if (now >= w->deadline + SLACK_NS)
        terminate(STOP_TIME, now);
    else if (self.cpu_look != 0 && now >= self.cpu_look)
        look_at_cpu(now);
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
 * A disarmed moment is slept through: waking up once for nothing is cheaper
 * than being woken at every request.
 */
static void *run(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        uint64_t now = clock_mono(), next = moment();
        if (now < next)
            sleep_until(next);
        else
            act(now);
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

static void let_in(int sig, void (*last_words)(int signal))
{
    struct sigaction action = {.sa_handler = last_words};
    sigset_t set;
    /* One of them at a time. */
    sigfillset(&action.sa_mask);
    sigaction(sig, &action, NULL);
    /* The web server may have had it blocked. */
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void watchdog_start_alarm(void (*last_words)(int signal))
{
    must(kind == KIND_NONE);
    let_in(SIGALRM, last_words);
    let_in(SIGPROF, last_words);
    kind = KIND_ALARM;
}

static void set_alarm(int which, uint64_t after)
{
    uint64_t us = after == 0 ? 0 : after / 1000 + 1;
    struct itimerval t = {.it_value = {.tv_sec = (time_t)(us / 1000000),
                                       .tv_usec = (suseconds_t)(us % 1000000)},
                          .it_interval = {.tv_usec = AGAIN_NS / 1000}};
    setitimer(which, &t, NULL);
}

static uint64_t until(uint64_t limit, uint64_t now)
{
    return limit > now ? limit - now : 1;
}

/* The process serves one request, whose processor time is all of its own. */
static void arm_alarms(const struct watch *w)
{
    self.watch = *w;
    set_alarm(ITIMER_REAL, until(w->deadline + SLACK_NS, clock_mono()));
    if (w->cpu_limit != 0)
        set_alarm(ITIMER_PROF, until(w->cpu_limit, clock_cpu()));
}

static void disarm_alarms(void)
{
    set_alarm(ITIMER_REAL, 0);
    if (self.watch.cpu_limit != 0)
        set_alarm(ITIMER_PROF, 0);
}

void watchdog_arm(const struct watch *w)
{
    if (kind == KIND_ALARM)
        arm_alarms(w);
    if (kind != KIND_THREAD)
        return;
    pthread_mutex_lock(&lock);
    self.stage = STAGE_ARMED;
    self.watch = *w;
    self.cpu_look = 0;
    if (w->cpu_limit != 0) {
        pthread_getcpuclockid(pthread_self(), &self.cpu);
        self.cpu_look = w->started + w->cpu_limit;
    }
    if (w->kill_at != NULL)
        atomic_store(w->kill_at, w->deadline + w->kill_grace);
    bool wake = moment() < self.asleep;
    pthread_mutex_unlock(&lock);
    if (wake)
        pthread_cond_signal(&earlier);
}

void watchdog_disarm(void)
{
    if (kind == KIND_ALARM)
        disarm_alarms();
    if (kind != KIND_THREAD)
        return;
    pthread_mutex_lock(&lock);
    self.stage = STAGE_OFF;
    if (self.watch.kill_at != NULL)
        atomic_store(self.watch.kill_at, 0);
    self.watch = (struct watch){0};
    pthread_mutex_unlock(&lock);
}
