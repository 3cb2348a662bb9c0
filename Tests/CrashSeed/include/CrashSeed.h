// Remembers which seed a thread is working on, and prints it when the process traps: a crash replays as a failure does.
#pragma once
#include <stdint.h>

void crash_seed_set(uint64_t seed);
