#include "CrashSeed.h"
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static __thread uint64_t current;
static __thread bool is_set;

static void trapped(int number) {
    if (is_set) {
        char text[64] = "\ncrashed in seed: MARTLET_SEED=";
        size_t length = strlen(text);
        char digits[24];
        size_t count = 0;
        uint64_t rest = current;
        do {
            digits[count++] = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest > 0);
        while (count > 0) text[length++] = digits[--count];
        text[length++] = '\n';
        ssize_t ignored = write(STDERR_FILENO, text, length);
        (void)ignored;
    }
    signal(number, SIG_DFL);
    raise(number);
}

void crash_seed_set(uint64_t seed) {
    static bool installed;
    current = seed;
    is_set = true;
    if (installed) return;
    installed = true;
    signal(SIGILL, trapped);
    signal(SIGTRAP, trapped);
    signal(SIGSEGV, trapped);
}
