#!/bin/sh
# Makes the tools this repository needs: system packages through apt, all else in .venv.
# Safe to run again, also after an interrupted run: the stamp is written last, and names the
# exact requirements it stands for.
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"

say() { printf 'setup: %s\n' "$*"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or later is needed; '$python' is $("$python" -V 2>&1). Set PYTHON=..." >&2
    exit 1
}

missing=""
command -v iverilog >/dev/null || missing="$missing iverilog"
command -v g++ >/dev/null || missing="$missing g++"
command -v make >/dev/null || missing="$missing make"
command -v flock >/dev/null || missing="$missing util-linux"
# Verilator's FST writer compiles against zlib and lz4.
echo '#include <zlib.h>' | g++ -E -x c++ - >/dev/null 2>&1 || missing="$missing zlib1g-dev"
echo '#include <lz4.h>' | g++ -E -x c++ - >/dev/null 2>&1 || missing="$missing liblz4-dev"
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
# cocotb embeds Python in the simulators, which takes the shared library.
"$python" - <<'EOF' || missing="$missing libpython3-dev"
import ctypes, sys, sysconfig, pathlib
name = sysconfig.get_config_var("INSTSONAME") or ""
here = pathlib.Path(sysconfig.get_config_var("LIBDIR") or "/") / name
try:
    ctypes.CDLL(str(here) if here.is_file() else name)
except OSError:
    sys.exit(1)
EOF
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=""
    elif sudo -n true 2>/dev/null; then as_root="sudo -n"
    else as_root=no
    fi
    if [ "$as_root" = no ] || ! command -v apt-get >/dev/null; then
        say "these system packages are missing; install them and run make again:" >&2
        say "    sudo apt-get install$missing" >&2
        exit 1
    fi
    say "installing$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086
    { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 || {
        cat "$log" >&2
        rm -f "$log"
        exit 1
    }
    rm -f "$log"
fi

mkdir -p build
exec 9>build/setup.lock
flock 9
stamp=".venv/ready-$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)"
# An interrupted pip can leave packages that it takes for whole, and a .venv does not survive
# a move, a copy or another Python: anything that was not finished, here, is made anew.
if ls .venv/ready-* >/dev/null 2>&1 && grep -qsF "$(pwd -P)/.venv/" .venv/bin/substream &&
    .venv/bin/python -c 'import pip, click' 2>/dev/null; then
    [ -e "$stamp" ] && exit 0
    say "updating .venv"
else
    say "creating .venv (about a minute)"
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/ready-*
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.[dev]'
touch "$stamp"
