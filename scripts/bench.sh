#!/usr/bin/env bash
# Measures `martlet proxy` beside its peers with the harness in ../shared/bench and writes docs/performance.md.
#   scripts/bench.sh [ROUNDS [SCENARIOS]]        defaults: 3 rounds of every scenario
# Wants nginx, haproxy, wrk, h2load and Envoy; see the harness's README.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-3}
scenarios=${2:-}
harness=${MARTLET_BENCH:-../shared/bench}
[[ -f $harness/bench.py ]] || { echo "bench: no harness in $harness; set MARTLET_BENCH" >&2; exit 1; }
BENCH_DIR=$(mktemp -d)
export BENCH_DIR
trap 'rm -rf "$BENCH_DIR"' EXIT
export MARTLET=${MARTLET:-$PWD/.build/release/martlet}

python3 "$harness/run_all.py" "$rounds" "$scenarios"
scripts/bench-table "$BENCH_DIR/raw/results.jsonl"
