/* Many readers of one stream, in one thread, as cheap as they get.
 *
 *   load PORT PATH API_KEY READERS STALLED TIMEOUT_SECONDS
 *
 * Opens READERS + STALLED connections to 127.0.0.1. A reader reads to its "end" event;
 * a stalled client reads no further than its first event, and keeps its connection.
 * Two lines of JSON are printed: the first when every client has had its first event
 * ("open_s": seconds since the start), the second when every reader has ended: what was
 * counted, when (CLOCK_MONOTONIC, seconds), and the latency of the lines that say when
 * they were printed (see emit.c). Each reader's ids have to run 1, 2, 3 ... up to the
 * "logCount" of its "end"; anything else, also a connection that closes early, is an
 * error, and the exit code is 1. Before all are open the first error ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "measured.h"

enum {
    READ_BYTES = 256 * 1024,
    EVENT_BYTES = 1024 * 1024,  /* a longer one is an error */
    KEPT_BYTES = 4096,          /* a larger buffer is given back when it is empty */
    OPENING = 400,              /* at a time: more could overflow a listen queue, and a
                                   connection that it drops is tried again after 1 s */
    PER_ADDRESS = 5000,         /* connections from one loopback address */
};
enum state { HEAD, PLAIN, SIZE, DATA, AFTER_DATA };

struct client {
    int fd;
    enum state state;
    int is_stalled, is_asked, is_open, is_done;
    size_t chunk_left;  /* of the chunk under way; in SIZE: its size so far */
    char *rest;         /* body bytes (in HEAD: the head) not yet looked at */
    size_t filled, room;
    long lines;
};

static int port, reader_count, client_count;
static struct client *clients;
static int epoll;
static char request[1024];
static int started_count, open_count, ended_count;
static long total_lines;
static double started, last_end;
/* What is looked at: a client's rest and what was read behind it, unchunked. */
static char window[EVENT_BYTES + READ_BYTES + 1];
static size_t filled;

static void leave(struct client *client, const char *error, size_t length)
{
    if (client->is_done)
        return;
    client->is_done = 1;
    if (client->fd >= 0)
        close(client->fd);
    free(client->rest);
    client->rest = NULL;
    if (!client->is_stalled)
        ended_count++;
    if (error) {
        note_error(error, length);
        return;
    }
    last_end = monotonic();
}

static void fail(struct client *client, const char *error)
{
    leave(client, error, strlen(error));
}

/* --- Events ------------------------------------------------------------------------ */

static int starts(const char *text, size_t length, const char *with)
{
    size_t wanted = strlen(with);
    return length >= wanted && memcmp(text, with, wanted) == 0;
}

static void note_open(struct client *client)
{
    if (client->is_open)
        return;
    client->is_open = 1;
    if (client->is_stalled)
        epoll_ctl(epoll, EPOLL_CTL_DEL, client->fd, NULL);
    if (++open_count == client_count) {
        printf("{\"clients\": %d, \"open_s\": %.6f}\n", client_count,
               monotonic() - started);
        fflush(stdout);
    }
}

/* One event: its lines without the empty one behind them. */
static void take_event(struct client *client, const char *text, size_t length)
{
    long id = 0;
    note_open(client);
    if (client->is_stalled)
        return;
    if (starts(text, length, "id: ")) {
        id = atol(text + 4);
        const char *next = memchr(text, '\n', length);
        if (!next) {
            fail(client, "an event with an id and no data");
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
        note_latencies(text, text + length);
    } else if (starts(text, length, "data: {\"type\":\"end\"")) {
        const char *count = memmem(text, length, "\"logCount\":", 11);
        if (count && atol(count + 11) == client->lines)
            leave(client, NULL, 0);
        else
            leave(client, text, length);
    }
}

/* Takes the whole events out of the window. */
static void take_events(struct client *client)
{
    char *start = window, *at = window, *stop = window + filled;
    while (at < stop && (at = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        at++;
        if (at == stop || *at != '\n')
            continue;
        take_event(client, start, (size_t)(at - 1 - start));
        start = ++at;
        if (client->is_done)
            return;
    }
    filled = (size_t)(stop - start);
    if (start != window)
        memmove(window, start, filled);
}

/* --- Bytes ------------------------------------------------------------------------- */

static void append(const char *data, size_t length)
{
    memcpy(window + filled, data, length);
    filled += length;
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
            append(data, used);
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
                fail(client, "the stream closed before its end");
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

static void take_head(struct client *client)
{
    window[filled] = 0;
    char *end = strstr(window, "\r\n\r\n");
    if (!end)
        return;
    *end = 0;
    if (strncmp(window, "HTTP/1.1 200", 12) != 0) {
        leave(client, window, strcspn(window, "\r"));
        return;
    }
    int is_chunked = strcasestr(window, "\r\nTransfer-Encoding: chunked") != 0;
    client->state = is_chunked ? SIZE : PLAIN;
    size_t left = filled - (size_t)(end + 4 - window);
    char *body = malloc(left + 1);
    memcpy(body, end + 4, left);
    filled = 0;
    take_body(client, body, left);
    free(body);
}

static void keep_rest(struct client *client)
{
    if (filled > client->room || (!filled && client->room > KEPT_BYTES)) {
        free(client->rest);
        client->room = filled ? 2 * filled : 0;
        client->rest = filled ? malloc(client->room) : NULL;
    }
    client->filled = filled;
    if (filled)
        memcpy(client->rest, window, filled);
}

static void take(struct client *client, const char *data, size_t length)
{
    filled = 0;
    if (client->filled)
        append(client->rest, client->filled);
    if (client->state == HEAD) {
        append(data, length);
        take_head(client);
    } else {
        take_body(client, data, length);
    }
    if (client->is_done)
        return;
    if (filled >= EVENT_BYTES)
        fail(client, "an event over 1 MiB");
    else
        keep_rest(client);
}

/* --- Connections ------------------------------------------------------------------- */

static void open_client(struct client *client, int index)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = client};
    int yes = 1;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / PER_ADDRESS);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (client->fd < 0 ||
        bind(client->fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        (connect(client->fd, (struct sockaddr *)&server, sizeof server) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &wanted) != 0)
        fail(client, strerror(errno));
}

static void open_more(void)
{
    while (started_count < client_count && started_count - open_count < OPENING &&
           !errors) {
        open_client(&clients[started_count], started_count);
        started_count++;
    }
}

static void ask(struct client *client)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = client};
    size_t length = strlen(request);
    if (write(client->fd, request, length) != (ssize_t)length ||
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &wanted) != 0)
        fail(client, strerror(errno));
    client->is_asked = 1;
}

static void on_ready(struct client *client, char *data)
{
    if (client->is_done)
        return;
    if (!client->is_asked) {
        ask(client);
        return;
    }
    ssize_t got = read_now(client->fd, data, READ_BYTES);
    if (got > 0)
        take(client, data, (size_t)got);
    else if (got == 0)
        fail(client, "the connection closed before its end");
    else if (errno != EAGAIN && errno != EINTR)
        fail(client, strerror(errno));
}

/* --- The run ----------------------------------------------------------------------- */

static void report(void)
{
    printf("{\"readers\": %d, \"lines\": %ld, \"started\": %.6f, \"ended\": %.6f, ",
           reader_count, total_lines, started, last_end);
    print_measured();
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr,
                "usage: load PORT PATH API_KEY READERS STALLED TIMEOUT_SECONDS\n");
        return 2;
    }
    port = atoi(argv[1]);
    reader_count = atoi(argv[4]);
    client_count = reader_count + atoi(argv[5]);
    epoll = epoll_create1(0);
    allow_many_files();
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-API-Key: %s\r\n"
             "Accept: text/event-stream\r\n\r\n", argv[2], port, argv[3]);
    char *data = malloc(READ_BYTES);
    clients = calloc((size_t)client_count, sizeof *clients);
    for (int i = 0; i < client_count; i++) {
        clients[i].fd = -1;
        clients[i].is_stalled = i >= reader_count;
    }
    started = monotonic();
    double until = started + atof(argv[6]);
    while (ended_count < reader_count && monotonic() < until &&
           !(errors && open_count < client_count)) {
        struct epoll_event events[256];
        open_more();
        int ready = epoll_wait(epoll, events, 256, 200);
        for (int i = 0; i < ready; i++)
            on_ready(events[i].data.ptr, data);
    }
    for (int i = 0; i < reader_count; i++)
        fail(&clients[i], "the time was over before the end");
    report();
    return errors != 0;
}
