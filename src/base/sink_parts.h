/*
 * sink_parts.h - what sink.c and its test share, and nobody else includes.
 */
#ifndef BASE_SINK_PARTS_H
#define BASE_SINK_PARTS_H

/* Where the daemons listen; a test puts its own sockets there. */
struct sink_paths {
    const char *syslog;
    const char *journal;
};
extern struct sink_paths sink_paths;

#endif
