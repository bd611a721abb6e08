#!/usr/bin/env bash
# Keeps what cannot be made again: configuration, keys and journal, also while programs run. A journal in
# a database is its server's to keep (docs/postgresql.md).
#   sudo provision/backup.sh [FILE]      (docs/install.md; back with restore.sh)
# FILE holds secrets: it is root's alone, and belongs where nobody else can read it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AGAIN="sudo $0${*:+ $*}"
# shellcheck source=provision/lib.sh
source "$HERE/lib.sh"
set_traps

file=${1:-/var/backups/scheduler-$(date +%Y%m%d-%H%M%S).tar.gz}
[[ $(id --user) == 0 ]] || refuse "this must be run by root: $AGAIN"
[[ -f $CONFIG_FILE ]] || refuse "there is no $CONFIG_FILE: this box was not set up"
[[ ! -e $file ]] || refuse "$file is there already: name another"

stage=$(mktemp --directory)
trap 'status=$?; rm -rf "$stage"; end_with $status' EXIT
cp --archive "$ETC" "$stage/etc"
journal=$(scheduler_command config show journal --config "$CONFIG_FILE")
if [[ -f $journal ]]; then
    copy_database "$journal" "$stage/journal.db"
fi
install --mode=600 /dev/null "$file"
tar --create --gzip --directory="$stage" . >"$file"
say "$file has the configuration, the keys$([[ ! -f $journal ]] || echo " and the journal") of this box"
if is_database "$journal"; then
    say "The journal is not in it, but in the database, which all boxes share; to keep that: pg_dump -Fc -d '$journal' -f journal.dump"
fi
say "It holds secrets: copy it to where nobody else can read it. Back with: sudo provision/restore.sh $file"
