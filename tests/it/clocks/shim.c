/* Preloaded into a process, changes what its clocks show while it runs. For tests. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CLOCKS 16
#define SECOND 1000000000LL

/* What is wrong with a clock: how far it is ahead, and how much faster it has run since when. */
struct fault {
	int64_t ahead_ns, ppm, since_ns;
};

static const volatile struct fault *faults;

__attribute__((constructor)) static void look(void) {
	const char *path = getenv("CLOCK_FAULTS");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *map = mmap(NULL, CLOCKS * sizeof *faults, PROT_READ, MAP_SHARED, file, 0);
	close(file);
	if (map != MAP_FAILED)
		faults = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
	int failed = syscall(SYS_clock_gettime, clock, time);
	if (failed || !faults || clock < 0 || clock >= CLOCKS)
		return failed;
	int64_t now = time->tv_sec * SECOND + time->tv_nsec;
	const volatile struct fault *fault = &faults[clock];
	int64_t run = fault->ppm ? (now - fault->since_ns) / 1000 * fault->ppm / 1000 : 0;
	now += fault->ahead_ns + run;
	time->tv_sec = now / SECOND;
	time->tv_nsec = now % SECOND;
	return 0;
}
