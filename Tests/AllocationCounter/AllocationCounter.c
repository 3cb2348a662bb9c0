#include "AllocationCounter.h"
#include <errno.h>
#include <execinfo.h>
#include <stddef.h>
#include <unistd.h>

static __thread uint64_t allocations;
static __thread bool traces;

uint64_t allocation_count(void) { return allocations; }
void allocation_trace(bool on) { traces = on; }

// A sanitizer brings an allocator of its own, which must see every call: nothing is counted then.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

// The C library's allocator under the names that it keeps for interposers.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static void note(void) {
    allocations++;
    if (!traces) return;
    traces = false;
    void *frames[32];
    int depth = backtrace(frames, 32);
    backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    ssize_t ignored = write(STDERR_FILENO, "--\n", 3);
    (void)ignored;
    traces = true;
}

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    note();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    note();
    void *block = __libc_memalign(alignment, size);
    if (block == NULL) return ENOMEM;
    *memory = block;
    return 0;
}

#endif
