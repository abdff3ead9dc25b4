/* The program of a measured task.
 *
 *   emit LINES MICROSECONDS GATE
 *
 * waits until somebody opens the FIFO named GATE for writing ("-": does not wait), then
 * prints LINES lines. With MICROSECONDS 0 as fast as it can, 60 bytes each; otherwise
 * one in so many microseconds, each with "t=" and the microseconds since 1970 at which
 * it was printed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_until(const struct timespec *start, long long microseconds)
{
    struct timespec at = *start;
    long long nanoseconds = at.tv_nsec + microseconds * 1000;
    at.tv_sec += nanoseconds / 1000000000;
    at.tv_nsec = nanoseconds % 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

static int print_flat_out(long lines)
{
    static char buffer[65536];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (long i = 1; i <= lines; i++)
        printf("line %07ld copying resources/ios/textures/atlas_0042.png\n", i);
    return fflush(stdout) != 0;
}

static int print_timed(long lines, long long microseconds)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < lines; i++) {
        wait_until(&start, i * microseconds);
        clock_gettime(CLOCK_REALTIME, &now);
        printf("t=%lld copying resources/ios/textures/atlas.png\n",
               now.tv_sec * 1000000LL + now.tv_nsec / 1000);
        if (fflush(stdout) != 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: emit LINES MICROSECONDS GATE\n");
        return 2;
    }
    if (strcmp(argv[3], "-") != 0) {
        int gate = open(argv[3], O_RDONLY);  /* returns when there is a writer */
        if (gate < 0) {
            perror(argv[3]);
            return 1;
        }
        close(gate);
    }
    long lines = atol(argv[1]);
    long long microseconds = atoll(argv[2]);
    return microseconds ? print_timed(lines, microseconds) : print_flat_out(lines);
}
