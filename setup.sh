#!/usr/bin/env bash
# Makes or updates the virtual environment .venv, with a GDAL binding that matches the installed
# libgdal. Does nothing when all is up to date.
#
#   ./setup.sh        what the steps need (requirements.txt)
#   ./setup.sh test   also what the tests need (requirements-test.txt)
#
# PYTHON=python3.12   the interpreter to use; else the first of python3, python3.13, 3.12, 3.11
# LOCKED=1            the exact versions of requirements.lock instead of the newest in range
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

wanted=(requirements.txt)
if [ "${1:-}" = test ]; then wanted+=(requirements-test.txt); fi
venv_python=.venv/bin/python

fail() {
    echo "error: $*" >&2
    exit 1
}

fits() {  # fits INTERPRETER: does it run, and is it one of the versions that TensorFlow has?
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13"
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.11, 3.12 or 3.13 found; install one, or name it: make PYTHON=/path/to/python"
}

missing_packages() {  # missing_packages INTERPRETER: Debian names of what the build lacks
    local package=python3
    # Debian names its other interpreters' packages by version; other builds bring all they need.
    case "$(command -v "$1")" in */python3.*) package=$(basename "$1") ;; esac
    command -v gdal-config >/dev/null || echo libgdal-dev
    command -v g++ >/dev/null || command -v c++ >/dev/null || echo g++
    "$1" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        echo "$package-dev"
    "$1" -c 'import ensurepip, venv' 2>/dev/null || echo "$package-venv"
}

install_packages() {
    local missing
    missing=$(missing_packages "$1" | xargs)
    if [ -z "$missing" ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        fail "needed and not found (by their Debian names): $missing; install them and try again"
    elif [ "$(id -u)" != 0 ]; then
        fail "needed and not found; install with: sudo apt-get install $missing"
    fi
    echo "installing $missing"
    apt-get update -q
    # shellcheck disable=SC2086  # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

fingerprint() {  # what the environment depends on, in one line
    {
        cat setup.sh "${wanted[@]}"
        if [ -n "${LOCKED:-}" ]; then cat requirements.lock; fi
        if command -v gdal-config >/dev/null; then gdal-config --version; fi
        pwd # a virtual environment cannot be moved
        echo "${PYTHON:-}"
    } | cksum
}

check_gdal() {  # check_gdal VERSION
    "$venv_python" -c 'import sys
from osgeo import gdal, gdal_array
sys.exit(gdal.__version__ != sys.argv[1])' "$1" 2>/dev/null
}

build_gdal() {
    local version build headers
    version=$(gdal-config --version)
    if check_gdal "$version"; then return; fi
    # A wheel in pip's cache may have been built without numpy or for another libgdal.
    build=(--no-build-isolation --no-cache-dir --force-reinstall --no-deps --no-binary gdal)
    # Debian's own numpy (QGIS brings it) puts its headers beside Python's, where they would be found
    # before those of the newer numpy in .venv.
    headers=$("$venv_python" -c 'import numpy; print(numpy.get_include())')
    CPPFLAGS="-I'$headers' ${CPPFLAGS:-}" \
        "$venv_python" -m pip install -q "${build[@]}" "gdal[numpy]==$version.*" ||
        fail "the GDAL binding $version could not be built for $("$venv_python" --version); see above"
    check_gdal "$version" ||
        fail "the GDAL binding $version was built, but cannot be used: $(
            "$venv_python" -c 'from osgeo import gdal_array' 2>&1 | tail -n 1
        )"
}

make_venv() {  # make_venv INTERPRETER
    local marker=.venv/.made-by-setup
    if is_whole_venv "$1"; then return; fi
    if [ -e .venv ] && [ ! -e "$marker" ]; then
        fail "$PWD/.venv is there, not made by setup.sh, and does not fit; move it away"
    fi
    rm -rf .venv
    mkdir .venv
    touch "$marker" # first, so that one that was interrupted is known as ours
    "$1" -m venv .venv
}

is_whole_venv() {  # is_whole_venv INTERPRETER: has .venv that version, and pip?
    local question='import sys, pip; print(sys.version_info[:2])'
    [ -x "$venv_python" ] &&
        [ "$("$1" -c "${question/, pip/}")" = "$("$venv_python" -c "$question" 2>/dev/null)" ]
}

if command -v flock >/dev/null; then
    exec 9<setup.sh
    flock 9 # two makes at once: the second waits, and then finds all done
fi

stamp=.venv/.made-from-${1:-run}
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] && fits "$venv_python"; then exit; fi

python=$(find_python)
install_packages "$python"
make_venv "$python"
echo "installing Python packages into .venv ($("$venv_python" --version)); this takes some minutes"
pip_install=("$venv_python" -m pip install -q)
if [ -n "${LOCKED:-}" ]; then pip_install+=(-c requirements.lock); fi
"${pip_install[@]}" --upgrade pip setuptools wheel
files=()
for file in "${wanted[@]}"; do files+=(-r "$file"); done
"${pip_install[@]}" "${files[@]}"
build_gdal
fingerprint >"$stamp"
