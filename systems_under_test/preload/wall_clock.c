/* Shows a program another wall clock: loaded by LD_PRELOAD, steered by a mapped file.

   Only the clocks of the family CLOCK_REALTIME are moved. The monotonic ones stay true, for timers,
   timed waits and event loops run on them: to fake those makes interpreters hang or spin.

   A deadline on the wall clock is reckoned by the program on the clock that it sees, and kept by the
   kernel on the true one; so deadlines are translated on their way in.

   The file holds 64-bit numbers: version, sequence, since, offset, rate, reads. The harness makes
   the sequence odd, writes the three in the middle, and makes it even again; we count our reads, so
   that the harness sees whether the program asks us for the time at all. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL
#define MILLION 1000000LL
#define VERSION 1
#define TRIES_MAX 1000

struct block {
    int64_t version, sequence, since_ns, offset_ns, rate_ppm, reads;
};

static struct block *block;

__attribute__((constructor)) static void map_block(void)
{
    const char *path = getenv("LINEAL_CLOCK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct block), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        return;
    if (((struct block *)mapped)->version == VERSION)
        block = mapped;
    else
        munmap(mapped, sizeof(struct block));
}

static int64_t true_ns(clockid_t clock)
{
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return now.tv_sec * BILLION + now.tv_nsec;
}

/* How far the program's wall clock is ahead of the true one. */
static int64_t ahead_ns(void)
{
    if (!block)
        return 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        int64_t before = __atomic_load_n(&block->sequence, __ATOMIC_ACQUIRE);
        int64_t since = block->since_ns, offset = block->offset_ns, rate = block->rate_ppm;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 || before != __atomic_load_n(&block->sequence, __ATOMIC_RELAXED))
            continue;
        if (!rate)
            return offset;
        int64_t run = true_ns(CLOCK_MONOTONIC) - since;
        return offset + run / MILLION * rate + run % MILLION * rate / MILLION;
    }
    return 0; /* The harness died in the midst of a change. */
}

static int64_t wall_ns(clockid_t clock)
{
    if (block)
        __atomic_fetch_add(&block->reads, 1, __ATOMIC_RELAXED);
    return true_ns(clock) + ahead_ns();
}

static struct timespec timespec_of(int64_t ns)
{
    struct timespec spec = {ns / BILLION, ns % BILLION};
    return spec;
}

/* The true moment at which the program's wall clock shows this, if it keeps its present offset. */
static struct timespec true_deadline(const struct timespec *seen)
{
    int64_t ns = seen->tv_sec * BILLION + seen->tv_nsec - ahead_ns();
    return timespec_of(ns < 0 ? 0 : ns);
}

static void *next(const char *name, const char *version)
{
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    return found ? found : dlsym(RTLD_NEXT, name);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return syscall(SYS_clock_gettime, clock, now);
    *now = timespec_of(wall_ns(clock));
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    int64_t us = wall_ns(CLOCK_REALTIME) / 1000;
    now->tv_sec = us / MILLION;
    now->tv_usec = us % MILLION;
    return 0;
}

time_t time(time_t *now)
{
    time_t seconds = wall_ns(CLOCK_REALTIME) / BILLION;
    if (now)
        *now = seconds;
    return seconds;
}

int timespec_get(struct timespec *now, int base)
{
    if (base != TIME_UTC)
        return 0;
    *now = timespec_of(wall_ns(CLOCK_REALTIME));
    return base;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted,
                    struct timespec *left)
{
    struct timespec moved = *wanted;
    if (clock == CLOCK_REALTIME && flags & TIMER_ABSTIME)
        moved = true_deadline(wanted);
    /* The kernel tells errors by the result, and this function does too. */
    return syscall(SYS_clock_nanosleep, clock, flags, &moved, left) ? errno : 0;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
    static int (*real)(sem_t *, const struct timespec *);
    if (!real)
        real = next("sem_timedwait", NULL);
    struct timespec moved = true_deadline(deadline);
    return real(semaphore, &moved);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
                            const struct timespec *restrict deadline)
{
    static int (*real)(pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = next("pthread_mutex_timedlock", NULL);
    struct timespec moved = true_deadline(deadline);
    return real(mutex, &moved);
}

/* A condition may wait on the monotonic clock, which only its attributes say. But a moment of that
   clock, which counts from the machine's start, is never as late as one after the year 2001. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline)
{
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) {
#if defined(__x86_64__)
        real = next("pthread_cond_timedwait", "GLIBC_2.3.2"); /* An older one is kept beside it. */
#else
        real = next("pthread_cond_timedwait", NULL);
#endif
    }
    struct timespec moved = deadline->tv_sec > BILLION ? true_deadline(deadline) : *deadline;
    return real(condition, mutex, &moved);
}
