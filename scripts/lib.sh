# shellcheck shell=bash
# What the scripts share: the project's own Python environment, and how they speak.
# Sourced after `set -euo pipefail`; every step may be repeated and does nothing when it is done.
#
#   PYTHON   the interpreter to use (default: the first python3 on PATH that is 3.10 to 3.13)
#   VENV     where the environment is (default: .venv in the checkout)

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/scheduler-kit

say() { printf '== %s\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Ends the script for wrong usage or configuration.
refuse() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 2
}

# Whether $1 runs and is a Python that the project supports (setup.py, python_requires).
suits() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    local candidate
    if [[ -n ${PYTHON:-} ]]; then
        suits "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.10 to 3.13: name another, or unset PYTHON"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.10 to 3.13 on PATH: install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3 $0"
}

version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'; }

# The environment's pip; where the environment was made without one, that of $1.
pip_for() {
    local python=$1
    shift
    if "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
        "$VENV/bin/python" -m pip --disable-pip-version-check "$@"
    else
        "$python" -m pip --disable-pip-version-check --python "$VENV/bin/python" "$@"
    fi
}

# Debian's python3 comes without ensurepip unless python3-venv is installed: then virtualenv
# makes the environment, or the system's pip fills one that has none of its own.
create_venv() {
    local python=$1
    say "creating $VENV with Python $(version_of "$python")"
    rm -rf "$VENV"
    if "$python" -c 'import ensurepip; ensurepip.version()' 2>/dev/null; then
        "$python" -m venv "$VENV"
    elif "$python" -c 'import virtualenv' 2>/dev/null; then
        "$python" -m virtualenv --quiet "$VENV"
    elif "$python" -c 'import pip, venv' 2>/dev/null; then
        "$python" -m venv --without-pip "$VENV"
    else
        fail "$python can create no environment (no ensurepip, virtualenv or pip): apt-get install python3-venv, then run $0 again"
    fi
}

# A short checksum of these files of the checkout.
checksum() { (cd "$ROOT" && cat "$@") | sha256sum | cut -c1-16; }

# Whether $VENV was filled from files with the checksum $1, by PYTHON where that is set.
venv_is_current() {
    [[ $(cat "$VENV/.scheduler-kit" 2>/dev/null) == "$VENV $1" ]] && suits "$VENV/bin/python" || return 1
    [[ -z ${PYTHON:-} || $(version_of "$PYTHON" 2>/dev/null) == "$(version_of "$VENV/bin/python")" ]]
}

# Fills $VENV, made by Python $1, with what the requirement files pin, and with the checkout. The
# wheels are kept in the cache: another checkout, or this one rebuilt, needs no network.
fill_venv() {
    local python=$1 wheels
    wheels=$CACHE/wheels/$(checksum requirements.txt requirements-dev.txt)-$(version_of "$python")-$(uname -m)
    if [[ ! -e $wheels/complete ]]; then
        say "downloading the packages of requirements.txt and requirements-dev.txt"
        mkdir -p "$wheels"
        pip_for "$python" download --quiet --require-hashes --only-binary :all: --dest "$wheels" \
            -r "$ROOT/requirements.txt" -r "$ROOT/requirements-dev.txt" ||
            fail "the packages could not be downloaded (see above): check the network, then run $0 again"
        touch "$wheels/complete"
    fi
    say "installing them into $VENV"
    pip_for "$python" install --quiet --require-hashes --no-index --find-links "$wheels" \
        -r "$ROOT/requirements.txt" -r "$ROOT/requirements-dev.txt" ||
        fail "the packages could not be installed (see above): rm -rf '$wheels' '$VENV', then run $0 again"
    pip_for "$python" install --quiet --no-index --no-build-isolation --no-deps --editable "$ROOT" ||
        fail "the checkout could not be installed (see above): rm -rf '$VENV', then run $0 again"
}

# Brings $VENV to what the requirement files pin.
setup_venv() {
    local python sum
    [[ -n ${HOME:-} ]] || fail "HOME is not set: set it to a directory that you can write to"
    sum=$(checksum requirements.txt requirements-dev.txt setup.py)
    venv_is_current "$sum" && return

    # Two scripts started at once set up one after the other; the second finds the work done.
    mkdir -p "$CACHE"
    exec 9>"$CACHE/setup.lock"
    flock --nonblock 9 || { say "waiting for another set-up to end" && flock 9; }
    if ! venv_is_current "$sum"; then
        python=$(find_python)
        if [[ $(version_of "$VENV/bin/python" 2>/dev/null) != "$(version_of "$python")" ]] ||
            [[ -e $VENV/.scheduler-kit && $(cut -d' ' -f1 "$VENV/.scheduler-kit") != "$VENV" ]]; then
            create_venv "$python"
        fi
        fill_venv "$python"
        echo "$VENV $sum" >"$VENV/.scheduler-kit"
    fi
    exec 9>&-
}

install_devchain() {
    "$VENV/bin/python" -m scheduler.devchain.install "$@" ||
        fail "the development chain could not be set up: mend what the line above says, then run $0 again"
}

# The development chain on anvil with its contracts: each part fetched or compiled once.
setup_devchain() { install_devchain; }

# The same, and geth, built once, which takes some minutes.
setup_devchain_and_geth() { install_devchain --geth; }
