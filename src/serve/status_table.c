/*
 * status_table.c - every figure of the status page: name, kind and meaning.
 */
#include "serve/status_parts.h"

#define POOL(member) offsetof(struct status_pool, member)
#define TALLY(t) (offsetof(struct status_pool, tally) + (t) * sizeof(uint64_t))

/* clang-format off */
const struct status_field status_pool_table[] = {
    {"pool", STATUS_WORD, STATUS_POOL, POOL(pool), NULL, false, false,
     "The pool's name."},
    {"process manager", STATUS_WORD, STATUS_POOL, POOL(pm), NULL, false, false,
     "How the number of workers is decided."},
    {"listen", STATUS_WORD, STATUS_POOL, POOL(listen), NULL, false, false,
     "Where the pool accepts connections."},
    {"image", STATUS_WORD, STATUS_POOL, POOL(image), NULL, false, false,
     "The image that the workers started from."},
    {"start time", STATUS_STAMP, STATUS_POOL, POOL(started),
     "start_time_seconds", false, false, "When the pool was started."},
    {"start since", STATUS_AGE, STATUS_POOL, POOL(since), NULL, false, false,
     "How long ago that was."},

    {"accepted conn", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_REQUESTS),
     "requests", true, false, "Requests served."},

    {"listen queue", STATUS_COUNT, STATUS_QUEUE, POOL(queue), "listen_queue",
     false, false, "Connections that wait to be accepted."},
    {"max listen queue", STATUS_COUNT, STATUS_QUEUE, POOL(max_queue),
     "listen_queue_most", false, false,
     "The most connections that waited at once."},
    {"listen queue len", STATUS_COUNT, STATUS_QUEUE, POOL(queue_size),
     "listen_queue_limit", false, false,
     "How many the system lets wait."},

    {"idle processes", STATUS_COUNT, STATUS_WORKERS, POOL(idle),
     "workers_idle", false, false, "Workers that wait for a request."},
    {"active processes", STATUS_COUNT, STATUS_WORKERS, POOL(active),
     "workers_active", false, false, "Workers that have a request."},
    {"starting processes", STATUS_COUNT, STATUS_WORKERS, POOL(starting),
     "workers_starting", false, false, "Workers not ready yet."},
    {"stopping processes", STATUS_COUNT, STATUS_WORKERS, POOL(stopping),
     "workers_stopping", false, false, "Workers that accept no more."},
    {"draining processes", STATUS_COUNT, STATUS_WORKERS, POOL(draining),
     "workers_draining", false, false,
     "Workers of before a reload that finish what they have."},
    {"total processes", STATUS_COUNT, STATUS_WORKERS, POOL(total), "workers",
     false, false, "All workers of the pool."},
    {"max children", STATUS_COUNT, STATUS_WORKERS, POOL(max_children),
     "workers_limit", false, false, "The most workers there may be."},
    {"max active processes", STATUS_COUNT, STATUS_WORKERS, POOL(max_active),
     "workers_active_most", false, false,
     "The most workers that had a request at once."},
    {"max children reached", STATUS_COUNT, STATUS_WORKERS, POOL(reached),
     "max_children_reached", true, true,
     "Times that all workers allowed were busy."},

    {"slow requests", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_SLOW),
     "slow_requests", true, true, "Requests written to the slow log."},
    {"errors", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_ERRORS), "errors",
     true, true, "Replies with a status of 500 to 599."},
    {"terminated", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_TERMINATED),
     "terminated", true, true, "Requests ended at a limit."},
    {"aborted", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_ABORTED),
     "aborted", true, false, "Requests whose client had gone."},
    {"shed", STATUS_COUNT, STATUS_REQUESTS, POOL(shed), "shed", true, true,
     "Requests turned away with 503 because all workers were busy."},
    {"cold starts", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_COLD),
     "cold_starts", true, false,
     "Requests that waited for the application to load."},
    {"warm starts", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_WARM),
     "warm_starts", true, false, "Requests that found it ready."},
    {"resets", STATUS_COUNT, STATUS_REQUESTS, TALLY(TALLY_RESETS), "resets",
     true, false, "Contexts and isolates made."},
    {"lost log lines", STATUS_COUNT, STATUS_LIFE, TALLY(TALLY_LOG_LOST),
     "lost_log_lines", true, true, "Lines that no log could take."},

    {"latency p50", STATUS_TIME, STATUS_LATENCY, POOL(p50), NULL, false,
     false, "Half of all requests took less."},
    {"latency p90", STATUS_TIME, STATUS_LATENCY, POOL(p90), NULL, false,
     false, "90 % of all requests took less."},
    {"latency p99", STATUS_TIME, STATUS_LATENCY, POOL(p99), NULL, false,
     false, "99 % of all requests took less."},

    {"spawned", STATUS_COUNT, STATUS_LIFE, POOL(spawned), "workers_spawned",
     true, false, "Workers started."},
    {"crashed", STATUS_COUNT, STATUS_LIFE, POOL(crashed), "workers_crashed",
     true, true, "Workers ended by a defect."},
    {"killed", STATUS_COUNT, STATUS_LIFE, POOL(killed), "workers_killed", true,
     true, "Workers killed because a request did not end."},
    {"reloads", STATUS_COUNT, STATUS_LIFE, POOL(reloads), "reloads", true,
     false, "Reloads of configuration and code."},

    {"state", STATUS_WORD, STATUS_STATE, POOL(phase), NULL, false, false,
     "What becomes of the application's state that the pool keeps."},
    {"last save", STATUS_STAMP, STATUS_STATE, POOL(saved_at),
     "state_saved_time_seconds", false, false,
     "When the state was saved last."},
    {"last save size", STATUS_BYTES, STATUS_STATE, POOL(saved_bytes),
     "state_saved_bytes", false, false, "The size of its file."},
    {"last save duration", STATUS_TIME, STATUS_STATE, POOL(saved_in),
     "state_save_duration_seconds", false, false, "How long saving took."},
    {"saves", STATUS_COUNT, STATUS_STATE, POOL(saves), "state_saves", true,
     false, "Times the state was saved."},
    {"failed saves", STATUS_COUNT, STATUS_STATE, POOL(save_failures),
     "state_failed_saves", true, true,
     "Times the state could not be saved, or was lost."},
    {0}};

#define PROC(member) offsetof(struct status_process, member)

const struct status_field status_process_table[] = {
    {"pid", STATUS_NUMBER, STATUS_POOL, PROC(pid), NULL, false, false,
     "The process."},
    {"state", STATUS_WORD, STATUS_POOL, PROC(state), NULL, false, false,
     "What it does."},
    {"start time", STATUS_STAMP, STATUS_LIFE, PROC(started), NULL, false,
     false, "When it was started."},
    {"start since", STATUS_AGE, STATUS_POOL, PROC(since), NULL, false, false,
     "How long ago that was."},
    {"requests", STATUS_COUNT, STATUS_POOL, PROC(requests), "worker_requests",
     true, false, "Requests it has served."},
    {"request duration", STATUS_TIME, STATUS_POOL, PROC(duration), NULL, false,
     false, "How long the request at hand, or the last one, took so far."},
    {"request method", STATUS_WORD, STATUS_POOL, PROC(request.method), NULL,
     false, false, "Its method."},
    {"request uri", STATUS_WORD, STATUS_POOL, PROC(request.uri), NULL, false,
     false, "Its URI without the query."},
    {"content length", STATUS_BYTES, STATUS_LIFE, PROC(length), NULL, false,
     false, "The length of its body, as announced."},
    {"user", STATUS_WORD, STATUS_POOL, PROC(request.user), NULL, false, false,
     "Its user, as the web server knows it."},
    {"script", STATUS_WORD, STATUS_POOL, PROC(request.script), NULL, false,
     false, "The function's file."},
    {"last request cpu", STATUS_PERCENT, STATUS_POOL, PROC(cpu), NULL, false,
     false, "Processor time of the last request, of its duration."},
    {"last request memory", STATUS_BYTES, STATUS_LIFE, PROC(memory), NULL,
     false, false, "JavaScript heap and buffers after the last request."},
    {"request id", STATUS_WORD, STATUS_POOL, PROC(request.id), NULL, false,
     false, "Under which the logs have it."},
    {"rss", STATUS_BYTES, STATUS_POOL, PROC(rss), "worker_resident_bytes",
     false, false, "Memory of the process in use."},
    {"heap used", STATUS_BYTES, STATUS_POOL, PROC(heap_used),
     "worker_heap_used_bytes", false, false, "JavaScript heap in use."},
    {"heap total", STATUS_BYTES, STATUS_POOL, PROC(heap_total),
     "worker_heap_total_bytes", false, false, "JavaScript heap reserved."},
    {"buffers", STATUS_BYTES, STATUS_POOL, PROC(buffers),
     "worker_buffer_bytes", false, false, "ArrayBuffers outside the heap."},
    {0}};
/* clang-format on */

const char *status_word(const struct status_field *f, const void *figures)
{
    return (const char *)figures + f->offset;
}

uint64_t status_number(const struct status_field *f, const void *figures)
{
    return *(const uint64_t *)(const void *)((const char *)figures + f->offset);
}
