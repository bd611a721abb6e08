#!/usr/bin/env bash
# Puts this checkout's version in the place of the one on the box: sudo provision/upgrade.sh
# New code beside old; the schedulers are stopped, the journal is migrated, and what ran is started
# again. Where any of that fails, or a program does not stay up, the box is as it was before.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
AGAIN="sudo $0"
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
    [[ -f $JOURNAL ]] || return 0
    copy_database "$JOURNAL" "$COPY" && set_owner "$COPY" 600 scheduler:scheduler &&
        runuser --user scheduler -- "$RELEASE/bin/scheduler" journal migrate --config "$CONFIG_FILE"
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

# A program that ends and is started again counts as running, too: its age tells.
stay_up() {
    local program age
    sleep "$PATIENCE"
    for program in "${RUNNING[@]}"; do
        age=$(ps --no-headers -o etimes= --pid "$(supervisorctl pid "$program")" || echo 0)
        ((age > PATIENCE / 2)) || {
            echo "$program does not stay up: $(tail --lines=1 "$PROGRAM_LOGS/$program-stderr.log")"
            return 1
        }
    done
}

go_back() {
    ((${#RUNNING[@]} == 0)) || supervisorctl stop "${RUNNING[@]}" || true
    if [[ -f $COPY ]]; then
        rm -f "$JOURNAL-wal" "$JOURNAL-shm"
        mv "$COPY" "$JOURNAL"
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
        change "remove the old version $id" rm -rf "$path" "$JOURNAL.before-$id"
    done
    for path in "$OPT"/libraries/*; do
        [[ ! -d $path || $libraries == *"$path/"* ]] ||
            change "remove libraries that nothing uses any more, $path" rm -rf "$path"
    done
}

(($# == 0)) || refuse "usage: sudo $0"
[[ $(id --user) == 0 ]] || refuse "this must be run by root: $AGAIN"
code_is_there || refuse "there is no code in $OPT: first sudo provision/setup.sh"
FORMER=$(readlink --canonicalize "$OPT/current")
RELEASE=$OPT/releases/$(release_id)
JOURNAL=$("$FORMER/bin/scheduler" config show journal --config "$CONFIG_FILE")
COPY=$JOURNAL.before-$(basename "$RELEASE")
if [[ $RELEASE == "$FORMER" ]]; then
    say "== this version is the one on the box: $(basename "$RELEASE")"
    exit 0
fi

STEP=upgrade
about "from $(basename "$FORMER") to $(basename "$RELEASE")"
[[ -e $RELEASE/complete ]] || change "install this version in $RELEASE" install_release "$RELEASE"
check_configuration "$RELEASE" >/dev/null ||
    refuse "the new version refuses $CONFIG_FILE (see the line above): correct it; nothing was changed"
mapfile -t RUNNING < <(running_schedulers)
((${#RUNNING[@]} == 0)) || change "stop ${RUNNING[*]}" supervisorctl stop "${RUNNING[@]}"
note "migrate the journal, switch, and start again${RUNNING[*]:+ ${RUNNING[*]}}"
if ! upgrade >>"$(step_log)" 2>&1; then
    reason=$(tail --lines=1 "$(step_log)" | head --bytes=300)
    note "going back to $(basename "$FORMER")"
    go_back >>"$(step_log)" 2>&1
    fail "the box runs $(basename "$FORMER") as before, since $reason"
fi
prune
say "== upgrade: done; the journal as it was before is in $COPY"
say "Next: sudo provision/setup.sh, for what else the new version sets up; supervisorctl status"
