#!/usr/bin/env bash
# Sets up everything `make demo` and `make test` need: system libraries (Debian and its relatives), Python's venv, the packages.
# Usage: tools/setup.sh EXTRAS      EXTRAS as pip takes them: "all" or "all,dev"
# Run again at will: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=${1:?usage: tools/setup.sh EXTRAS}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Debian package and the library or command that shows it is there. Qt blames xcb-cursor when icccm or keysyms is what is missing.
needs=(
    libgl1:libGL.so.1
    libegl1:libEGL.so.1
    libxkbcommon0:libxkbcommon.so.0
    libfontconfig1:libfontconfig.so.1
    libglib2.0-0:libglib-2.0.so.0
    libdbus-1-3:libdbus-1.so.3
    libxcb-cursor0:libxcb-cursor.so.0
    libxkbcommon-x11-0:libxkbcommon-x11.so.0
    libxcb-icccm4:libxcb-icccm.so.4
    libxcb-keysyms1:libxcb-keysyms.so.1
    libxcb-shape0:libxcb-shape.so.0
)
if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    needs+=(xvfb:Xvfb xauth:xauth)
fi

missing_packages() {
    local libraries need package wanted
    libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
    for need in "${needs[@]}"; do
        package=${need%%:*} wanted=${need#*:}
        case $wanted in
            lib*) grep -qF "$wanted" <<<"$libraries" || echo "$package" ;;
            *) command -v "$wanted" >/dev/null || echo "$package" ;;
        esac
    done
}

apt_install() {
    local sudo=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
        sudo=(sudo -n)
    fi
    say "apt-get install $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" </dev/null >/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c "import sys$1; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if [ "$(uname)" = Linux ]; then
    mapfile -t packages < <(missing_packages)
    if [ "${#packages[@]}" -gt 0 ]; then
        apt_install "${packages[@]}" || true
        mapfile -t packages < <(missing_packages)
        if [ "${#packages[@]}" -gt 0 ]; then
            say "missing on this system: ${packages[*]} (Debian's names)"
            say "without them the window may not open; install them, or ask who looks after this machine. Going on."
        fi
    fi
fi

if [ ! -x .venv/bin/python ]; then
    if ! python=$(find_python ", ensurepip, venv"); then
        apt_install python3 python3-venv || true
        python=$(find_python ", ensurepip, venv") ||
            die "no Python 3.11, 3.12 or 3.13 with the venv module was found. Install one (Debian: python3 python3-venv), or set PYTHON=/path/to/python."
    fi
    say "creating .venv with $("$python" --version)"
    "$python" -m venv .venv
fi

install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"; }

say "installing the packages (several minutes and up to a few GB the first time)"
# Torch first and by itself, so that the build this machine's pip is set up for (CPU or CUDA) is the one that stays.
install torch
install -e ".[$extras]"
say "done: $(.venv/bin/brain-uad --version 2>/dev/null || .venv/bin/python --version)"
