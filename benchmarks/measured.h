/* What load.c and poll.c count alike: errors, how late lines come, processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static long errors;
static char first_error[200];
static unsigned *latencies; /* microseconds */
static size_t latency_count, latency_room;
static long long read_at_us; /* CLOCK_REALTIME of the read under way */

static double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void note_error(const char *error, size_t length)
{
    if (!errors++)
        snprintf(first_error, sizeof first_error, "%.*s", (int)length, error);
}

/* As recv(); notes when. */
static ssize_t read_now(int fd, char *data, size_t room)
{
    struct timespec now;
    ssize_t got = recv(fd, data, room, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    read_at_us = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
    return got;
}

/* Of each line in the text that says when it was printed (emit.c). */
static void note_latencies(const char *text, const char *end)
{
    static const char mark[] = "\"message\":\"t=";
    while ((text = memmem(text, (size_t)(end - text), mark, sizeof mark - 1))) {
        text += sizeof mark - 1;
        if (latency_count == latency_room) {
            latency_room = latency_room ? 2 * latency_room : 65536;
            latencies = realloc(latencies, latency_room * sizeof *latencies);
        }
        long long late = read_at_us - atoll(text);
        latencies[latency_count++] = late < 0 ? 0 : (unsigned)late;
    }
}

static int by_size(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(double share)
{
    if (!latency_count)
        return 0;
    return latencies[(size_t)(share * (double)(latency_count - 1))] / 1000.0;
}

/* The rest of a report's JSON. */
static void print_measured(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_utime.tv_usec / 1e6 +
                 used.ru_stime.tv_sec + used.ru_stime.tv_usec / 1e6;
    if (latency_count)
        qsort(latencies, latency_count, sizeof *latencies, by_size);
    for (char *at = first_error; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    printf("\"errors\": %ld, \"first_error\": \"%s\", \"timed_lines\": %zu, "
           "\"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
           "\"load_cpu_s\": %.3f}\n",
           errors, first_error, latency_count, percentile_ms(0.5), percentile_ms(0.9),
           percentile_ms(0.99), percentile_ms(1), cpu);
}
