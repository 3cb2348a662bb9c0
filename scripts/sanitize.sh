#!/usr/bin/env bash
# The unit, component and differential tests under the address sanitizer: a build of its own (about twice the time of the
# ordinary one), so it is not part of `make test`. Allocations are not counted here: the sanitizer owns the allocator.
# Arguments go to the tests (--filter NAME).
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.build-sanitize
swift build -c release --build-tests --sanitize=address --scratch-path "$folder"
bin=$(swift build -c release --sanitize=address --scratch-path "$folder" --show-bin-path)
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:detect_odr_violation=0} MARTLET="$bin/martlet" \
    "$bin/martletPackageTests.xctest" --testing-library swift-testing \
    --skip '^MeshTests\.' --skip LiveTests --skip AllocationTests "$@"
