#include "cre2.h"

#include <re2/re2.h>

#include <cstring>
#include <new>
#include <string>

namespace {

re2::StringPiece piece(const uint8_t *bytes, size_t count) {
    return re2::StringPiece(reinterpret_cast<const char *>(bytes), count);
}

void report(const std::string &reason, char *error, size_t capacity) {
    if (capacity == 0) return;
    size_t n = reason.size() < capacity - 1 ? reason.size() : capacity - 1;
    memcpy(error, reason.data(), n);
    error[n] = 0;
}

}  // namespace

struct cre2_program {
    re2::RE2 program;
    cre2_program(re2::StringPiece pattern, const re2::RE2::Options &options) : program(pattern, options) {}
};

cre2_program *cre2_compile(const uint8_t *pattern, size_t count, bool case_sensitive, int64_t max_memory,
                           char *error, size_t error_capacity) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(case_sensitive);
    options.set_max_mem(max_memory);
    auto *compiled = new (std::nothrow) cre2_program(piece(pattern, count), options);
    if (compiled == nullptr) {
        report("out of memory", error, error_capacity);
        return nullptr;
    }
    if (!compiled->program.ok()) {
        report(compiled->program.error(), error, error_capacity);
        delete compiled;
        return nullptr;
    }
    return compiled;
}

void cre2_free(cre2_program *program) { delete program; }

bool cre2_full_match(const cre2_program *program, const uint8_t *text, size_t count) {
    return program->program.Match(piece(text, count), 0, count, re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

bool cre2_check_rewrite(const cre2_program *program, const uint8_t *rewrite, size_t count, char *error,
                        size_t error_capacity) {
    std::string reason;
    if (program->program.CheckRewriteString(piece(rewrite, count), &reason)) return true;
    report(reason, error, error_capacity);
    return false;
}

size_t cre2_replace_all(const cre2_program *program, const uint8_t *text, size_t count, const uint8_t *rewrite,
                        size_t rewrite_count, uint8_t *out, size_t capacity) {
    std::string result(reinterpret_cast<const char *>(text), count);
    if (re2::RE2::GlobalReplace(&result, program->program, piece(rewrite, rewrite_count)) == 0) return SIZE_MAX;
    if (result.size() <= capacity) memcpy(out, result.data(), result.size());
    return result.size();
}
