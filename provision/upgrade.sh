#!/usr/bin/env bash
# Puts this checkout's version in the place of the one on the box: sudo provision/upgrade.sh [--yes]
# New code beside old; the schedulers are stopped, the journal is migrated, and what ran is started
# again. Where any of that fails, or a program does not stay up, the box is as it was before: but for the
# schema of a database, which is asked for first, since the programs of all boxes must be stopped for it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
AGAIN="sudo $0${*:+ $*}"
# shellcheck source=provision/lib.sh
source "$HERE/lib.sh"
# shellcheck source=provision/steps/40-scheduler.sh
source "$HERE/steps/40-scheduler.sh"
set_traps
# Seconds for which what was started must have stayed up.
PATIENCE=15

# Each && the next: in what is followed by ||, bash does not stop at an error by itself.
upgrade() { migrate_journal && switch_to "$RELEASE" && stay_up; }

migrate_journal() {
    if is_database "$JOURNAL"; then
        # Whole or not at all, and for good.
        new_release_migrates && MIGRATED=yes
    elif [[ -f $JOURNAL ]]; then
        copy_database "$JOURNAL" "$COPY" && set_owner "$COPY" 600 scheduler:scheduler && new_release_migrates
    fi
}

new_release_migrates() {
    runuser --user scheduler -- "$RELEASE/bin/scheduler" journal migrate --config "$CONFIG_FILE" "$@"
}

# Of a database: what there is to migrate is known before anything is stopped, and is never done while
# other boxes are at work with it.
check_database() {
    local planned
    planned=$(new_release_migrates --dry-run) ||
        refuse "the new version cannot work with the journal (see the line above); nothing was changed"
    [[ $planned == *" would go from schema "* ]] || return 0
    NEW_SCHEMA=yes
    note "$planned, with which no program of the former version works"
    confirmed "are the programs of all other boxes stopped?" ||
        refuse "nothing was changed; in which order boxes are upgraded: docs/postgresql.md, Upgrades"
}

# Everything that names a release: the link, and the programs' files. supervisord starts again what
# ran and whose file changed; the schedulers were stopped, and are started here.
switch_to() {
    local release=$1 file text
    move_link "$release" "$OPT/current" || return
    for file in "$PROGRAM_FILES"/*.conf; do
        text=$(sed "s#$OPT/releases/[^/ ]*#$release#g" "$file") || return
        [[ $text == "$(cat "$file")" ]] || write_file "$file" 644 root:root "$text"$'\n' || return
    done
    supervisorctl reread && supervisorctl update || return
    ((${#RUNNING[@]} == 0)) || supervisorctl start "${RUNNING[@]}" || true
}

# A program that ends and is started again counts as running, too: its process tells.
stay_up() {
    local program
    local -A first=()
    for program in "${RUNNING[@]}"; do
        first[$program]=$(supervisorctl pid "$program" || true)
    done
    sleep "$PATIENCE"
    for program in "${RUNNING[@]}"; do
        [[ ${first[$program]} =~ ^[1-9][0-9]*$ && $(supervisorctl pid "$program") == "${first[$program]}" &&
            -d /proc/${first[$program]} ]] || {
            echo "$program does not stay up: $(tail --lines=1 "$PROGRAM_LOGS/$program-stderr.log")"
            return 1
        }
    done
}

go_back() {
    ((${#RUNNING[@]} == 0)) || supervisorctl stop "${RUNNING[@]}" || true
    if [[ -f $COPY ]]; then
        rm -f "$JOURNAL-wal" "$JOURNAL-shm" && mv "$COPY" "$JOURNAL" || return
    fi
    switch_to "$FORMER"
}

# What is older than this version and the one before it: code, the libraries that no other version
# needs, and copies of the journal.
prune() {
    local path id libraries
    libraries=$(cat "$RELEASE"/lib/python*/site-packages/libraries.pth "$FORMER"/lib/python*/site-packages/libraries.pth)
    for path in "$OPT"/releases/*; do
        [[ -d $path && $path != "$RELEASE" && $path != "$FORMER" ]] || continue
        id=$(basename "$path")
        change "remove the old version $id" rm -rf "$path" ${COPY:+"$JOURNAL.before-$id"}
    done
    for path in "$OPT"/libraries/*; do
        [[ ! -d $path || $libraries == *"$path/"* ]] ||
            change "remove libraries that nothing uses any more, $path" rm -rf "$path"
    done
}

[[ ${1:-} != --yes ]] || { YES=yes && shift; }
(($# == 0)) || refuse "usage: sudo $0 [--yes]"
[[ $(id --user) == 0 ]] || refuse "this must be run by root: $AGAIN"
code_is_there || refuse "there is no code in $OPT: first sudo provision/setup.sh"
FORMER=$(readlink --canonicalize "$OPT/current")
RELEASE=$OPT/releases/$(release_id)
JOURNAL=$("$FORMER/bin/scheduler" config show journal --config "$CONFIG_FILE")
NEW_SCHEMA='' MIGRATED=''
# A database is not copied: what its programs on other boxes write would be lost by going back.
COPY=
is_database "$JOURNAL" || COPY=$JOURNAL.before-$(basename "$RELEASE")
if [[ $RELEASE == "$FORMER" ]]; then
    say "== this version is the one on the box: $(basename "$RELEASE")"
    exit 0
fi

STEP=upgrade
about "from $(basename "$FORMER") to $(basename "$RELEASE")"
[[ -e $RELEASE/complete ]] || change "install this version in $RELEASE" install_release "$RELEASE"
check_configuration "$RELEASE" >/dev/null ||
    refuse "the new version refuses $CONFIG_FILE (see the line above): correct it; nothing was changed"
! is_database "$JOURNAL" || check_database
mapfile -t RUNNING < <(running_schedulers)
((${#RUNNING[@]} == 0)) || change "stop ${RUNNING[*]}" supervisorctl stop "${RUNNING[@]}"
if [[ -n $NEW_SCHEMA ]] &&
    ! confirmed "is there a copy of the database as it is now (pg_dump -Fc -d '$JOURNAL' -f journal.dump)?"; then
    ((${#RUNNING[@]} == 0)) || supervisorctl start "${RUNNING[@]}"
    refuse "nothing was changed"
fi
note "migrate the journal, switch, and start again${RUNNING[*]:+ ${RUNNING[*]}}"
if ! upgrade >>"$(step_log)" 2>&1; then
    reason=$(tail --lines=1 "$(step_log)" | head --bytes=300)
    if [[ -n $NEW_SCHEMA && -n $MIGRATED ]]; then
        AGAIN="sudo $HERE/setup.sh"
        fail "the box goes on to $(basename "$RELEASE"), since the database has its schema now, but $reason"
    fi
    note "going back to $(basename "$FORMER")"
    go_back >>"$(step_log)" 2>&1 || fail "$reason; and going back to $(basename "$FORMER") failed, too"
    fail "the box runs $(basename "$FORMER") as before, since $reason"
fi
prune
say "== upgrade: done${COPY:+; the journal as it was before is in $COPY}"
[[ -z $NEW_SCHEMA ]] || say "Then all other boxes: sudo provision/upgrade.sh, each; until then their programs wait"
say "Next: sudo provision/setup.sh, for what else the new version sets up; supervisorctl status"
