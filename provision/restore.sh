#!/usr/bin/env bash
# Puts a backup's configuration, keys and journal back: sudo provision/restore.sh [--yes] FILE
# What is there is moved aside, never deleted. The journal may be older than the chain: the programs
# find that out, and send nothing before the account is quiet (docs/journal.md, Quarantine). A journal in
# a database stays as it is, since other boxes may be at work with it (docs/postgresql.md).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AGAIN="sudo $0${*:+ $*}"
# shellcheck source=provision/lib.sh
source "$HERE/lib.sh"
set_traps

[[ ${1:-} != --yes ]] || { YES=yes && shift; }
(($# == 1)) || refuse "usage: sudo $0 [--yes] FILE"
file=$1
[[ $(id --user) == 0 ]] || refuse "this must be run by root: $AGAIN"
[[ -f $file ]] || refuse "there is no file $file"
code_is_there || refuse "there is no code in $OPT: first sudo provision/setup.sh"
tar --list --gzip --file="$file" ./etc/config.toml >/dev/null 2>&1 ||
    refuse "$file is no backup made by backup.sh"
mountpoint --quiet "$DATA" || refuse "$DATA is no mount point: first sudo mount $DATA"

stage=$(mktemp --directory)
trap 'status=$?; rm -rf "$stage"; end_with $status' EXIT
tar --extract --gzip --directory="$stage" --preserve-permissions --file="$file"
journal=$(scheduler_command config show journal --config "$stage/etc/config.toml")
file_too=
[[ ! -f $stage/journal.db ]] || file_too=" and the journal $journal"
if [[ -f $CONFIG_FILE ]]; then
    former=$(scheduler_command config show journal --config "$CONFIG_FILE" || true)
    if is_database "$former" && [[ $former != "$journal" ]]; then
        warn "this box's journal is the database $former, the backup's is $journal: no other box may be at work with the database any more"
    fi
fi
confirmed "put back configuration and keys in $ETC$file_too, and stop the schedulers for it?" ||
    refuse "nothing was changed"

aside=before-restore-$(date +%Y%m%d-%H%M%S)
mapfile -t running < <(running_schedulers)
((${#running[@]} == 0)) || supervisorctl stop "${running[@]}"
[[ ! -d $ETC ]] || mv "$ETC" "$ETC.$aside"
cp --archive "$stage/etc" "$ETC"
if [[ -n $file_too ]]; then
    for part in "$journal" "$journal-wal" "$journal-shm"; do
        [[ ! -e $part ]] || mv "$part" "$part.$aside"
    done
    install --mode=600 --owner=scheduler --group=scheduler "$stage/journal.db" "$journal"
fi
say "what was there is in $ETC.$aside${file_too:+ and $journal.$aside}"
if is_database "$journal"; then
    say "The journal, the database $journal, is as it was; to put back a copy of it: docs/postgresql.md, Upgrades"
fi
check_configuration ||
    warn "the configuration is refused: see the line above"
((${#running[@]} == 0)) || supervisorctl start "${running[@]}"
say "Next: sudo provision/setup.sh, which mends owners and modes; then supervisorctl status"
