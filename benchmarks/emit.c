/* The program of a measured task.
 *
 *   emit flat LINES                  prints LINES lines of 60 bytes as fast as it can
 *   emit rate LINES SECONDS DELAY    waits DELAY seconds, then prints LINES lines a
 *                                    second for SECONDS; each starts with "t=" and the
 *                                    microseconds since 1970 at which it was printed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void wait_until(const struct timespec *start, double seconds)
{
    struct timespec at = *start;
    long long nanoseconds = at.tv_nsec + (long long)(seconds * 1e9);
    at.tv_sec += nanoseconds / 1000000000;
    at.tv_nsec = nanoseconds % 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "flat") == 0) {
        static char buffer[65536];
        setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
        long lines = atol(argv[2]);
        for (long i = 1; i <= lines; i++)
            printf("line %07ld copying resources/ios/textures/atlas_0042.png\n", i);
        return fflush(stdout) != 0;
    }
    if (argc == 5 && strcmp(argv[1], "rate") == 0) {
        double rate = atof(argv[2]), delay = atof(argv[4]);
        long lines = (long)(rate * atof(argv[3]));
        struct timespec start, now;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (long i = 0; i < lines; i++) {
            wait_until(&start, delay + i / rate);
            clock_gettime(CLOCK_REALTIME, &now);
            printf("t=%lld copying resources/ios/textures/atlas.png\n",
                   now.tv_sec * 1000000LL + now.tv_nsec / 1000);
            fflush(stdout);
        }
        return 0;
    }
    fprintf(stderr, "usage: emit flat LINES | emit rate LINES SECONDS DELAY\n");
    return 2;
}
