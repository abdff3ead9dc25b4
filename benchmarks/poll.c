/* Many readers of one log by long polls, in one thread, as cheap as they get.
 *
 *   poll PORT PATH API_KEY READERS ADDRESSES LATE LATE_SECONDS TIMEOUT_SECONDS
 *
 * A reader begins at the log's beginning and asks as a client of Durable Streams does:
 * page after page, then by long polls with the cursor that it was given, over one
 * connection that it keeps. READERS are there before anything else; LATE come evenly
 * over LATE_SECONDS once all of those wait for a line. They come from ADDRESSES
 * addresses of loopback, 127.0.0.2 and on.
 *
 * Two lines of JSON are printed: the first when every reader but those who are late has
 * had an answer that says that it is up to date ("open_s": seconds since the start), the
 * second when every reader was told that the log is closed: what was counted, and the
 * latency of the lines that came by long polls and say when they were printed (emit.c).
 * Each reader's lines have to run 1, 2, 3 ...; anything else is an error, and the exit
 * code is 1. Who is told that the service is busy (503) asks again after a second.
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
    ANSWER_BYTES = 4 * 1024 * 1024, /* a page has 2 MiB of messages at most */
    OPENING = 400, /* at a time: more could overflow a listen queue */
    WORD = 32,
};

struct reader {
    int fd;
    int is_asked, is_started, is_live, is_up_to_date, is_done, is_late;
    char *rest; /* of an answer under way */
    size_t filled, room;
    long lines, answers;
    char offset[WORD], cursor[WORD];
};

static int port, reader_count, late_count, address_count;
static double late_seconds;
static struct reader *readers;
static int epoll;
static const char *path, *key;
static int started_count, open_count, ended_count;
static long requests, polls, empty, reopened, refused, total_lines;
/* Who was refused, first come first served, and until when. */
static struct { struct reader *reader; double until; } *waiting;
static size_t waiting_first, waiting_last, waiting_room;
static double started, opened, first_end, last_end;
static char window[ANSWER_BYTES + READ_BYTES + 1];

static void leave(struct reader *reader, const char *error, size_t length)
{
    if (reader->is_done)
        return;
    reader->is_done = 1;
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->rest);
    reader->rest = NULL;
    ended_count++;
    if (error) {
        note_error(error, length);
        return;
    }
    last_end = monotonic();
    if (!first_end)
        first_end = last_end;
}

static void fail(struct reader *reader, const char *error)
{
    leave(reader, error, strlen(error));
}

/* --- Connections ------------------------------------------------------------------- */

static void open_reader(struct reader *reader)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = reader};
    int yes = 1, index = (int)(reader - readers);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index % address_count);
    reader->is_started = 1;
    reader->is_asked = 0;
    reader->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(reader->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (reader->fd < 0 ||
        bind(reader->fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        (connect(reader->fd, (struct sockaddr *)&server, sizeof server) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, reader->fd, &wanted) != 0)
        fail(reader, strerror(errno));
}

static void open_more(void)
{
    int due = reader_count;
    if (open_count == reader_count && opened) {
        double share = late_seconds ? (monotonic() - opened) / late_seconds : 1;
        due += share < 1 ? (int)(share * late_count) : late_count;
    }
    while (started_count < due && !errors &&
           (started_count >= reader_count || started_count - open_count < OPENING))
        open_reader(&readers[started_count++]);
}

static void reopen(struct reader *reader)
{
    close(reader->fd);
    reader->filled = 0;
    reopened++;
    open_reader(reader);
}

/* --- Questions and answers --------------------------------------------------------- */

static void ask(struct reader *reader)
{
    char text[1024];
    int length = snprintf(
        text, sizeof text,
        "GET %s?%s%s%s%soffset=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-API-Key: %s\r\n\r\n",
        path, reader->cursor[0] ? "cursor=" : "", reader->cursor,
        reader->cursor[0] ? "&" : "", reader->is_live ? "live=long-poll&" : "",
        reader->offset, port, key);
    requests++;
    polls += reader->is_live;
    reader->is_asked = 1;
    if (write(reader->fd, text, (size_t)length) != length)
        reopen(reader);
}

static void ask_again(void)
{
    while (waiting_first < waiting_last &&
           waiting[waiting_first % waiting_room].until <= monotonic())
        reopen(waiting[waiting_first++ % waiting_room].reader);
}

/* Whether the lines follow those that the reader has. */
static int take_lines(struct reader *reader, const char *body, const char *end)
{
    static const char mark[] = "{\"seq\":";
    const char *at = body;
    while ((at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1))) {
        at += sizeof mark - 1;
        if (atol(at) != reader->lines + 1) {
            leave(reader, at - sizeof mark + 1, 60);
            return 0;
        }
        reader->lines++;
        total_lines++;
    }
    if (reader->is_live)
        note_latencies(body, end);
    return 1;
}

/* The value of a header, which begins the line; NULL without it. */
static const char *header(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

static void keep_word(char *word, const char *value)
{
    if (value)
        snprintf(word, WORD, "%.*s", (int)strcspn(value, "\r"), value);
}

/* An answer that is there as a whole; returns whether the reader goes on. */
static int take_answer(struct reader *reader, char *body, size_t length)
{
    int status = atoi(window + 9);
    if (status == 503) {
        refused++;
        waiting[waiting_last++ % waiting_room].reader = reader;
        waiting[(waiting_last - 1) % waiting_room].until = monotonic() + 1;
        return 0;
    }
    if (status != 200 && status != 204) {
        leave(reader, window, strcspn(window, "\r"));
        return 0;
    }
    reader->answers++;
    empty += status == 204;
    if (!take_lines(reader, body, body + length))
        return 0;
    keep_word(reader->offset, header(window, "\r\nStream-Next-Offset: "));
    keep_word(reader->cursor, header(window, "\r\nStream-Cursor: "));
    if (header(window, "\r\nStream-Closed: true")) {
        if (atol(reader->offset) == reader->lines)
            leave(reader, NULL, 0);
        else
            fail(reader, "closed before its last line");
        return 0;
    }
    if (!reader->is_up_to_date && header(window, "\r\nStream-Up-To-Date: true")) {
        reader->is_up_to_date = reader->is_live = 1;
        if (!reader->is_late && ++open_count == reader_count) {
            opened = monotonic();
            printf("{\"readers\": %d, \"open_s\": %.6f}\n", reader_count,
                   opened - started);
            fflush(stdout);
        }
    }
    return 1;
}

/* Where chunks end whose first size begins at `from`; what they hold is put together.
 * NULL where they are not all there. */
static char *unchunked(char *from, char *stop, size_t *length)
{
    char *into = from, *at = from;
    for (;;) {
        char *data = memmem(at, (size_t)(stop - at), "\r\n", 2), *end;
        if (!data)
            return NULL;
        size_t size = strtoul(at, &end, 16);
        data += 2;
        if ((size_t)(stop - data) < size + 2)
            return NULL;
        if (!size)
            break;
        memmove(into, data, size);
        into += size;
        at = data + size + 2;
    }
    *length = (size_t)(into - from);
    return from;
}

static void take(struct reader *reader, size_t filled)
{
    window[filled] = 0;
    char *end = memmem(window, filled, "\r\n\r\n", 4), *stop = window + filled;
    if (end) {
        end[2] = 0;
        const char *size = header(window, "\r\nContent-Length: ");
        size_t length = size ? strtoul(size, NULL, 10) : 0;
        char *body = end + 4;
        int is_whole = (size_t)(stop - body) >= length;
        if (!size && header(window, "\r\nTransfer-Encoding: chunked")) {
            /* Cut up where it came whole only, so what was put together is a copy. */
            is_whole = filled >= 5 && memcmp(stop - 5, "0\r\n\r\n", 5) == 0 &&
                       unchunked(body, stop, &length);
        }
        if (is_whole) {
            int closes = header(window, "\r\nConnection: close") != NULL;
            reader->filled = 0;
            if (!take_answer(reader, body, length))
                return;
            if (closes)
                reopen(reader);
            else
                ask(reader);
            return;
        }
        end[2] = '\r';
    }
    if (filled > ANSWER_BYTES) {
        fail(reader, "an answer over 4 MiB");
        return;
    }
    if (filled > reader->room) {
        free(reader->rest);
        reader->room = 2 * filled;
        reader->rest = malloc(reader->room);
    }
    memcpy(reader->rest, window, filled);
    reader->filled = filled;
}

static void on_ready(struct reader *reader)
{
    if (reader->is_done)
        return;
    if (!reader->is_asked) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = reader};
        epoll_ctl(epoll, EPOLL_CTL_MOD, reader->fd, &wanted);
        ask(reader);
        return;
    }
    ssize_t got = read_now(reader->fd, window + reader->filled, READ_BYTES);
    if (got > 0) {
        if (reader->filled)
            memcpy(window, reader->rest, reader->filled);
        take(reader, reader->filled + (size_t)got);
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    } else if (!reader->filled && reopened < 10L * (reader_count + late_count)) {
        reopen(reader); /* it was kept for long enough, or the server restarts */
    } else {
        fail(reader, got ? strerror(errno) : "the connection closed in an answer");
    }
}

/* --- The run ----------------------------------------------------------------------- */

static void report(void)
{
    printf("{\"readers\": %d, \"lines\": %ld, \"started\": %.6f, "
           "\"first_end\": %.6f, \"ended\": %.6f, \"requests\": %ld, "
           "\"polls\": %ld, \"empty\": %ld, \"reopened\": %ld, \"refused\": %ld, ",
           reader_count + late_count, total_lines, started, first_end, last_end,
           requests, polls, empty, reopened, refused);
    print_measured();
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "usage: poll PORT PATH API_KEY READERS ADDRESSES LATE "
                        "LATE_SECONDS TIMEOUT_SECONDS\n");
        return 2;
    }
    port = atoi(argv[1]);
    path = argv[2];
    key = argv[3];
    reader_count = atoi(argv[4]);
    address_count = atoi(argv[5]);
    late_count = atoi(argv[6]);
    late_seconds = atof(argv[7]);
    epoll = epoll_create1(0);
    allow_many_files();
    int all = reader_count + late_count;
    readers = calloc((size_t)all, sizeof *readers);
    waiting_room = (size_t)all;
    waiting = calloc(waiting_room, sizeof *waiting);
    for (int i = 0; i < all; i++) {
        readers[i].fd = -1;
        readers[i].is_late = i >= reader_count;
        strcpy(readers[i].offset, "-1");
    }
    started = monotonic();
    double until = started + atof(argv[8]);
    while (ended_count < all && monotonic() < until &&
           !(errors && open_count < reader_count)) {
        struct epoll_event events[256];
        open_more();
        ask_again();
        int ready = epoll_wait(epoll, events, 256, 20);
        for (int i = 0; i < ready; i++)
            on_ready(events[i].data.ptr);
    }
    for (int i = 0; i < all; i++)
        fail(&readers[i], "the time was over before the end");
    report();
    return errors != 0;
}
