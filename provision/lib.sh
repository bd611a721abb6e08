# shellcheck shell=bash
# What the scripts of provision/ share: where things are on a box, how they speak, how they change it.
# Sourced after `set -euo pipefail`.
# shellcheck disable=SC2034  # some are for the steps alone

ETC=/etc/scheduler           # configuration, keys
OPT=/opt/scheduler           # code: releases/ID, and current, a link to the one in use
DATA=/data                   # the volume
PROGRAM_FILES=/etc/supervisor/conf.d
PROGRAM_LOGS=/var/log/supervisor
SETUP_LOGS=/var/log/scheduler-setup
CONFIG_FILE=$ETC/config.toml
FORMER=$ETC/before-setup     # what an older guide had set up (steps/45-takeover.sh)

DRY_RUN=${DRY_RUN:-}
YES=${YES:-}
STEP=
CHANGES=0
ALL_CHANGES=0
# How this script was called, for messages that say how to go on.
AGAIN=${AGAIN:-sudo $0}

say() { printf '%s\n' "$*"; }
note() { say "   $*"; }
warn() { say "   warning: $*"; }

# How refuse and fail end, also out of a $(…), which is a process of its own: the scripts turn them
# into 2 and 1 at their end (end_with), and know that all is said.
REFUSED=92
FAILED=91

end_with() {
    case $1 in
        "$REFUSED") exit 2 ;;
        "$FAILED") exit 1 ;;
        *) exit "$1" ;;
    esac
}

# Ends with 2: what was asked for is wrong, or the box is not fit for it. Nothing was changed for it.
refuse() {
    printf '%s: %s\n' "$(basename "$0")" "${STEP:+$STEP: }$*" >&2
    exit "$REFUSED"
}

# Ends with 1: a step failed. Its log, and how to go on, are in the line.
fail() {
    local where=
    [[ -z $STEP || ! -e $(step_log) ]] || where="; its log is $(step_log)"
    printf '%s: %s%s; mend that, then run again: %s\n' \
        "$(basename "$0")" "${STEP:+$STEP: }$*" "$where" "$AGAIN" >&2
    exit "$FAILED"
}

# Says where something failed that no step expected to, unless all is said.
unexpected() {
    local status=$1 line=$2 command=$3
    ((status != REFUSED && status != FAILED)) || exit "$status"
    fail "'$command' failed at line $line of $(basename "${BASH_SOURCE[1]}")"
}

set_traps() {
    set -E
    trap 'end_with $?' EXIT
    trap 'unexpected $? "$LINENO" "$BASH_COMMAND"' ERR
}

step_log() { echo "$SETUP_LOGS/$STEP.log"; }

# The line before a step, which each begins with.
about() { say "== $STEP: $*"; }

# Runs a step: what it is about, what it changes, and a verdict after.
run_step() {
    STEP=$1
    CHANGES=0
    "step_$STEP"
    ALL_CHANGES=$((ALL_CHANGES + CHANGES))
    case ${DRY_RUN:+dry}$CHANGES in
        0 | dry0) say "== $STEP: as it should be" ;;
        dry*) say "== $STEP: to change: $CHANGES" ;;
        *) say "== $STEP: done, changed: $CHANGES" ;;
    esac
    STEP=
}

# The one way in which a step changes the box: says what, and does it unless this is a dry run. What it
# runs has no terminal to ask on: the questions are this project's own.
#   change "install supervisor" apt-get install supervisor
change() {
    local what=$1
    shift
    CHANGES=$((CHANGES + 1))
    if [[ -n $DRY_RUN ]]; then
        note "would $what"
        return
    fi
    note "$what"
    mkdir -p "$SETUP_LOGS"
    printf '%s %s\n' "$(date --iso-8601=seconds)" "$what" >>"$(step_log)"
    "$@" </dev/null >>"$(step_log)" 2>&1 || fail "could not $what"
}

# Makes a file hold what standard input says: put_file FILE MODE OWNER:GROUP
# Never the end of a pipeline, which is a shell of its own: changes made there would not be counted.
put_file() {
    local file=$1 mode=$2 owner=$3 content
    # The x keeps the newlines at the end, which $(…) takes off.
    content=$(cat && printf x)
    if [[ ! -f $file ]] || [[ $(cat "$file" && printf x) != "$content" ]]; then
        change "write $file" write_file "$file" "$mode" "$owner" "${content%x}"
    else
        put_owner "$file" "$mode" "$owner"
    fi
}

# Whole or not at all: a power cut must not leave half a file.
write_file() {
    local file=$1 mode=$2 owner=$3 content=$4 partial
    partial=$(mktemp "$(dirname "$file")/.$(basename "$file").XXXXXX")
    printf %s "$content" >"$partial"
    chown "$owner" "$partial"
    chmod "$mode" "$partial"
    mv -f "$partial" "$file"
}

# Makes a file or directory belong to whom it should: put_owner PATH MODE OWNER:GROUP
put_owner() {
    local path=$1 mode=$2 owner=$3
    [[ $(stat --format='%a %U:%G' "$path") == "$mode $owner" ]] ||
        change "give $path to $owner, mode $mode" set_owner "$path" "$mode" "$owner"
}

set_owner() { chown "$3" "$1" && chmod "$2" "$1"; }

# Makes a directory: put_directory DIRECTORY MODE OWNER:GROUP
put_directory() {
    local directory=$1 mode=$2 owner=$3
    if [[ -d $directory ]]; then
        put_owner "$directory" "$mode" "$owner"
    else
        change "make $directory" make_directory "$directory" "$mode" "$owner"
    fi
}

make_directory() { mkdir -p "$1" && set_owner "$@"; }

# Makes a symbolic link, or moves it, at one stroke: put_link TARGET LINK
put_link() {
    local target=$1 link=$2
    [[ $(readlink "$link" || true) == "$target" ]] ||
        change "let $link be $target" move_link "$target" "$link"
}

move_link() { ln -sfn "$1" "$2.new" && mv -fT "$2.new" "$2"; }

# The programs of this box that supervisord has in one of these states, one a line.
programs_in() {
    supervisorctl status | awk -v states="$*" '
        BEGIN { split(states, listed, " "); for (i in listed) wanted[listed[i]] = 1 }
        wanted[$2] { print $1 }
    ' || true
}

# Of those that run, the ones that use the journal.
running_schedulers() { programs_in RUNNING STARTING BACKOFF | grep '^scheduler' || true; }

# Whether a journal is a PostgreSQL database, which other boxes may share, and no file of this one.
is_database() { [[ ${1,,} == postgres://* || ${1,,} == postgresql://* ]]; }

# A consistent copy of a SQLite file, also while it is written to: copy_database FROM TO
copy_database() {
    "$OPT/current/bin/python" - "$1" "$2" <<'EOF'
import sqlite3, sys
source, target = (sqlite3.connect(path) for path in sys.argv[1:])
with target:
    source.backup(target)
target.close()
EOF
}

# A system user who cannot log in, with a group of the same name: put_user NAME
put_user() {
    getent passwd "$1" >/dev/null ||
        change "add the user $1" useradd --system --user-group --no-create-home \
            --home-dir /nonexistent --shell /usr/sbin/nologin "$1"
}

# Whether a Debian package is installed.
installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Whether the answer on the terminal is yes; with --yes it is.
confirmed() {
    local answer
    [[ -z $YES ]] || return 0
    [[ -t 0 ]] || refuse "$1: nobody is there to answer; say so with --yes"
    read -r -p "   $1 [y/N] " answer
    [[ ${answer,,} == y || ${answer,,} == yes ]]
}

# The group whose members may speak to supervisord and read the logs: that of whom sudo was called by
# at first. It stays when somebody else runs setup later.
operators_group() {
    local present
    present=$(stat --format=%G "$PROGRAM_LOGS" 2>/dev/null || echo root)
    if [[ $present == root && ${SUDO_USER:-root} != root ]]; then
        id --group --name "$SUDO_USER"
    else
        echo "$present"
    fi
}

# The address that a key file says it is of.
address_in() { sed 's/.*"address": *"\([0-9a-f]*\)".*/0x\1/' "$1"; }

# An address as the wallets of this box's network write it, and all commands.
spelled() {
    printf %s "$1" | "$OPT/current/bin/python" -c 'import sys
from pathlib import Path
from scheduler import config, spelling
config.load(Path(sys.argv[1]))
print(spelling.spelled(sys.stdin.read()))' "$CONFIG_FILE"
}

# Runs the project's command on this box.
scheduler_command() { "$OPT/current/bin/scheduler" "$@"; }

# Whether the configuration can be read, as the programs' user, who owns the secrets in it.
check_configuration() {
    runuser --user scheduler -- "${1:-$OPT/current}/bin/scheduler" config check --config "$CONFIG_FILE"
}

# Whether this project's code is on the box; it is not in a dry run on a bare one.
code_is_there() { [[ -x $OPT/current/bin/scheduler ]]; }

# Makes a program's file for supervisord, filled in by `scheduler config supervisor`:
#   put_program NAME USER --autostart|--no-autostart [OPTION …]
# What was chosen with `scheduler enable` or `disable`, or on a box of the old guide, stays. Programs whose file changed are
# remembered in CHANGED_PROGRAMS.
CHANGED_PROGRAMS=()
put_program() {
    local name=$1 user=$2 boot=$3 file=$PROGRAM_FILES/$1.conf before=$CHANGES former text release
    shift 3
    if ! code_is_there || ! getent passwd "$user" >/dev/null; then
        change "write $file" false
        return
    fi
    former=$file
    [[ -f $former ]] || former=$FORMER/$name.conf
    if [[ -f $former && -z ${AUTOSTART:-} ]]; then
        boot=--autostart
        ! grep -q '^autostart=false' "$former" || boot=--no-autostart
    fi
    # By the release's own name: another release is another file, and the program is started again.
    release=$(readlink --canonicalize "$OPT/current")
    text=$(scheduler_command config supervisor "$name" --user "$user" "$boot" \
        --bin-dir "$release/bin" --log-dir "$PROGRAM_LOGS" \
        --starter "/usr/bin/setpriv --pdeathsig TERM $release/src/provision/on-volume $DATA" "$@")
    put_file "$file" 644 root:root <<<"$text"
    ((CHANGES == before)) || CHANGED_PROGRAMS+=("$name")
}
