#!/usr/bin/env bash
# Format and habits of all hand-written Swift, and the shell scripts. `scripts/lint.sh --fix` formats in place.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(git ls-files -co --exclude-standard -- '*.swift' | grep -v '/Generated/' | while read -r file; do
    [[ -e $file ]] && echo "$file"
done)
if [[ ${1:-} == --fix ]]; then
    swift format format --in-place --parallel "${files[@]}"
fi
swift format lint --strict --parallel "${files[@]}"
echo "lint: ${#files[@]} Swift files are in order"

if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(git ls-files -co --exclude-standard | while read -r file; do
        [[ -f $file ]] && head -c 64 "$file" | head -n 1 | grep -qE '^#!.*\b(ba)?sh\b' && echo "$file"
    done || true)
    shellcheck "${scripts[@]}"
    echo "lint: ${#scripts[@]} shell scripts are in order"
else
    echo "lint: shellcheck is not installed, shell scripts were not checked"
fi
