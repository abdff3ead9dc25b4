/* Many readers of one stream, in one thread, as cheap as they get.
 *
 *   load PORT PATH API_KEY CONNECTIONS TIMEOUT_SECONDS
 *
 * Opens the connections to 127.0.0.1 at once, reads each to its "end" event, and
 * prints one JSON object: what it counted, when (CLOCK_MONOTONIC, seconds), and the
 * latency of the lines that say when they were printed (see emit.c). Each connection's
 * ids have to run 1, 2, 3 ... up to the "logCount" of its "end"; anything else, also a
 * connection that closes early, is an error, and the exit code is 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, BUFFER_BYTES = 1024 * 1024 };
enum state { HEAD, PLAIN, SIZE, DATA, AFTER_DATA };

struct client {
    int fd;
    enum state state;
    size_t chunk_left;  /* of the chunk under way; in SIZE: its size so far */
    char *buffer;       /* body bytes (in HEAD: the head) not yet looked at */
    size_t filled;
    long lines;
    int is_done;
};

static long errors, ended, total_lines;
static char first_error[200];
static unsigned *latencies;  /* microseconds */
static size_t latency_count, latency_room;
static long long read_at_us;  /* CLOCK_REALTIME of the read under way */
static double last_end;

static double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void leave(struct client *client, const char *error, size_t length)
{
    if (client->is_done)
        return;
    client->is_done = 1;
    close(client->fd);
    ended++;
    if (error) {
        if (!errors++)
            snprintf(first_error, sizeof first_error, "%.*s", (int)length, error);
        return;
    }
    last_end = monotonic();
}

static void note_latency(const char *text, size_t length)
{
    static const char mark[] = "\"message\":\"t=";
    const char *found = memmem(text, length, mark, sizeof mark - 1);
    if (!found)
        return;
    if (latency_count == latency_room) {
        latency_room = latency_room ? 2 * latency_room : 65536;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
    }
    long long late = read_at_us - atoll(found + sizeof mark - 1);
    latencies[latency_count++] = late < 0 ? 0 : (unsigned)late;
}

static int starts(const char *text, size_t length, const char *with)
{
    size_t wanted = strlen(with);
    return length >= wanted && memcmp(text, with, wanted) == 0;
}

/* One event: its lines without the empty one behind them. */
static void take_event(struct client *client, const char *text, size_t length)
{
    long id = 0;
    if (starts(text, length, "id: ")) {
        id = atol(text + 4);
        const char *next = memchr(text, '\n', length);
        if (!next) {
            leave(client, "an event with an id and no data", 31);
            return;
        }
        length -= (size_t)(next + 1 - text);
        text = next + 1;
    }
    if (starts(text, length, "data: {\"type\":\"log\"")) {
        if (id != client->lines + 1) {
            leave(client, text, length);
            return;
        }
        client->lines++;
        total_lines++;
        note_latency(text, length);
    } else if (starts(text, length, "data: {\"type\":\"end\"")) {
        const char *count = memmem(text, length, "\"logCount\":", 11);
        if (count && atol(count + 11) == client->lines)
            leave(client, NULL, 0);
        else
            leave(client, text, length);
    }
}

static void take_events(struct client *client)
{
    char *start = client->buffer, *at = start;
    char *stop = start + client->filled;
    while (at < stop && (at = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        at++;
        if (at == stop || *at != '\n')
            continue;
        take_event(client, start, (size_t)(at - 1 - start));
        start = ++at;
        if (client->is_done)
            return;
    }
    client->filled = (size_t)(stop - start);
    memmove(client->buffer, start, client->filled);
}

static int keep(struct client *client, const char *data, size_t length)
{
    if (client->filled + length >= BUFFER_BYTES) {
        leave(client, "an event over 1 MiB", 19);
        return 0;
    }
    memcpy(client->buffer + client->filled, data, length);
    client->filled += length;
    client->buffer[client->filled] = 0;
    return 1;
}

/* Body bytes as they came; takes the chunked coding off (RFC 9112, section 7.1). */
static void take_body(struct client *client, const char *data, size_t length)
{
    while (length && !client->is_done) {
        size_t used = 1;
        if (client->state == PLAIN || client->state == DATA) {
            used = length;
            if (client->state == DATA && used > client->chunk_left)
                used = client->chunk_left;
            if (!keep(client, data, used))
                return;
            if (client->state == DATA && !(client->chunk_left -= used)) {
                client->state = AFTER_DATA;
                client->chunk_left = 2;
            }
        } else if (client->state == AFTER_DATA) {
            if (!--client->chunk_left)
                client->state = SIZE;
        } else if (*data == '\n') {
            client->state = DATA;
            if (!client->chunk_left) {
                take_events(client);
                leave(client, "the stream closed before its end", 32);
                return;
            }
        } else if (*data != '\r') {
            int digit = *data <= '9' ? *data - '0' : (*data | 32) - 'a' + 10;
            client->chunk_left = 16 * client->chunk_left + (size_t)digit;
        }
        data += used;
        length -= used;
    }
    if (!client->is_done)
        take_events(client);
}

static void take(struct client *client, const char *data, size_t length)
{
    if (client->state != HEAD) {
        take_body(client, data, length);
        return;
    }
    if (!keep(client, data, length))
        return;
    char *end = strstr(client->buffer, "\r\n\r\n");
    if (!end)
        return;
    *end = 0;
    if (strncmp(client->buffer, "HTTP/1.1 200", 12) != 0) {
        leave(client, client->buffer, strcspn(client->buffer, "\r"));
        return;
    }
    int is_chunked = strcasestr(client->buffer, "\r\nTransfer-Encoding: chunked") != 0;
    client->state = is_chunked ? SIZE : PLAIN;
    size_t left = client->filled - (size_t)(end + 4 - client->buffer);
    char *body = malloc(left + 1);
    memcpy(body, end + 4, left);
    client->filled = 0;
    take_body(client, body, left);
    free(body);
}

static void on_readable(struct client *client, char *data)
{
    struct timespec now;
    ssize_t got = read(client->fd, data, READ_BYTES);
    clock_gettime(CLOCK_REALTIME, &now);
    read_at_us = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
    if (got > 0)
        take(client, data, (size_t)got);
    else if (got == 0)
        leave(client, "the connection closed before its end", 36);
    else if (errno != EAGAIN && errno != EINTR)
        leave(client, strerror(errno), strlen(strerror(errno)));
}

static int open_client(int port, const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t length = strlen(request);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        write(fd, request, length) != (ssize_t)length) {
        perror("load: connect");
        exit(1);
    }
    return fd;
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

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: load PORT PATH API_KEY CONNECTIONS TIMEOUT_SECONDS\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[4]), epoll = epoll_create1(0);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    char request[1024];
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-API-Key: %s\r\n"
             "Accept: text/event-stream\r\n\r\n", argv[2], port, argv[3]);
    char *data = malloc(READ_BYTES);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    double started = monotonic(), until = started + atof(argv[5]);
    for (int i = 0; i < count; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &clients[i]};
        clients[i].buffer = malloc(BUFFER_BYTES + 1);
        clients[i].fd = open_client(port, request);
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &wanted);
    }
    while (ended < count && monotonic() < until) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 200);
        for (int i = 0; i < ready; i++)
            on_readable(events[i].data.ptr, data);
    }
    for (int i = 0; i < count; i++)
        leave(&clients[i], "the time was over before the end", 32);
    if (latency_count)
        qsort(latencies, latency_count, sizeof *latencies, by_size);
    for (char *at = first_error; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    printf("{\"connections\": %d, \"lines\": %ld, \"errors\": %ld, "
           "\"first_error\": \"%s\", \"started\": %.6f, \"ended\": %.6f, "
           "\"timed_lines\": %zu, \"p50_ms\": %.3f, \"p90_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           count, total_lines, errors, first_error, started, last_end, latency_count,
           percentile_ms(0.5), percentile_ms(0.9), percentile_ms(0.99),
           percentile_ms(1));
    return errors != 0;
}
