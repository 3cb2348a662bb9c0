// Counts what each thread asks the allocator for. Linking this target into a program puts its own malloc in front of
// the C library's; the count is of the calling thread alone, so other tests that run meanwhile do not disturb it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Calls of malloc, calloc, realloc and their like by this thread so far.
uint64_t allocation_count(void);

// While true, each allocation of this thread prints its call stack to standard error: to find who it is.
void allocation_trace(bool on);
