#pragma once
// A C door to RE2 (linear-time regular expressions), for patterns that come from configuration.
// Every function is safe to call from several threads on the same program.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cre2_program cre2_program;

/// Compiles `pattern`. Returns NULL and writes a NUL-terminated reason into `error` when the pattern is invalid
/// or its program needs more than `max_memory` bytes.
cre2_program *cre2_compile(const uint8_t *pattern, size_t count, bool case_sensitive, int64_t max_memory,
                           char *error, size_t error_capacity);
void cre2_free(cre2_program *program);

/// Whether the whole of `text` matches.
bool cre2_full_match(const cre2_program *program, const uint8_t *text, size_t count);

/// Whether `rewrite` (RE2 syntax: \0 .. \9, \\) refers only to groups that the program has.
bool cre2_check_rewrite(const cre2_program *program, const uint8_t *rewrite, size_t count,
                        char *error, size_t error_capacity);

/// Replaces every match in `text` with `rewrite`, into `out`. Returns the length of the result, which is larger than
/// `capacity` when it did not fit (then `out` is untouched), or SIZE_MAX when nothing matched.
size_t cre2_replace_all(const cre2_program *program, const uint8_t *text, size_t count, const uint8_t *rewrite,
                        size_t rewrite_count, uint8_t *out, size_t capacity);

#ifdef __cplusplus
}
#endif
