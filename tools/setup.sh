#!/usr/bin/env bash
# Sets up everything the Makefile's targets need: system libraries (Debian and its relatives), Python's venv, the packages.
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
case ",$extras," in # a test opens the HTML report in a real browser; without one it is skipped
    *,dev,*) needs+=(chromium:chromium) ;;
esac
if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    needs+=(xvfb:Xvfb xauth:xauth)
elif [ -n "${WAYLAND_DISPLAY:-}" ]; then
    needs+=(libwayland-cursor0:libwayland-cursor.so.0 libwayland-egl1:libwayland-egl.so.1)
fi

# A Python that fits and can make environments; Debian ships the latter apart.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

missing_packages() {
    local libraries need
    libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
    for need in "${needs[@]}"; do
        case ${need#*:} in
            lib*) grep -qF "${need#*:}" <<<"$libraries" || echo "${need%%:*}" ;;
            *) command -v "${need#*:}" >/dev/null || echo "${need%%:*}" ;;
        esac
    done
    [ -x .venv/bin/pip ] || find_python >/dev/null || printf '%s\n' python3 python3-venv
}

apt_install() {
    local sudo=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return 1
        [ -t 0 ] || sudo -n true 2>/dev/null || return 1 # nobody there to type the password
        sudo=(sudo)
    fi
    say "apt-get install $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" </dev/null >/dev/null
}

if [ "$(uname)" = Linux ]; then
    mapfile -t packages < <(missing_packages)
    if [ "${#packages[@]}" -gt 0 ]; then
        apt_install "${packages[@]}" || true
        mapfile -t packages < <(missing_packages)
    fi
    if [ "${#packages[@]}" -gt 0 ]; then
        say "missing, and cannot be installed from here (Debian's names): ${packages[*]}"
        say "the window may not open without them; have them installed. Going on."
    fi
fi

if [ ! -x .venv/bin/pip ]; then
    python=$(find_python) || die "no Python 3.11 or newer with venv was found. Install one, or set PYTHON=/path/to/python."
    say "creating .venv with $("$python" --version)"
    "$python" -m venv .venv
fi

quiet=--quiet
[ -t 1 ] && quiet=
install() { .venv/bin/python -m pip install $quiet --disable-pip-version-check -c constraints.txt "$@"; }

say "installing the packages (several minutes and up to a few GB the first time)"
# Torch first and by itself, so that the build this machine's pip is set up for (CPU or CUDA) is the one that stays.
install torch
install -e ".[$extras]"
say "done: $(.venv/bin/brain-uad --version 2>/dev/null || .venv/bin/python --version)"
