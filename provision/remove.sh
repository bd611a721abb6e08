#!/usr/bin/env bash
# Takes the programs off this box: sudo provision/remove.sh [--yes] [--data]
# Chain, journal, keys and configuration stay; --data, or another yes, deletes those, too.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AGAIN="sudo $0${*:+ $*}"
# shellcheck source=provision/lib.sh
source "$HERE/lib.sh"
set_traps

WITH_DATA=
while (($#)); do
    case $1 in
        --yes) YES=yes ;;
        --data) WITH_DATA=yes ;;
        *) refuse "usage: sudo $0 [--yes] [--data]" ;;
    esac
    shift
done
[[ $(id --user) == 0 ]] || refuse "this must be run by root: $AGAIN"

# The files of this project's programs, and of who may use supervisorctl.
program_files() {
    local files=("$PROGRAM_FILES"/*.conf)
    grep --files-with-matches --fixed-strings --regexp="$OPT/releases/" \
        --regexp="Written by provision/setup.sh" "${files[@]}" 2>/dev/null || true
}

remove_programs() {
    local file name
    # The last in the alphabet first: the schedulers before the nodes that they use.
    while read -r file; do
        name=$(basename "$file" .conf)
        [[ $name == 00-control ]] || change "stop $name" stop_program "$name"
        change "remove $file" rm "$file"
    done < <(program_files | sort --reverse)
    ((CHANGES == 0)) || change "let supervisord know" supervisorctl update
}

stop_program() { supervisorctl stop "$1" || [[ $? == 1 ]]; }

remove_units() {
    local unit
    for unit in scheduler-firewall.service scheduler-disk-guard.timer scheduler-disk-guard.service; do
        [[ -f /etc/systemd/system/$unit ]] || continue
        change "stop $unit" systemctl disable --now "$unit"
        change "remove $unit" rm "/etc/systemd/system/$unit"
    done
}

remove_code() {
    local path
    for path in scheduler eth_alarm moc_jobs lighthouse; do
        [[ $(readlink "/usr/local/bin/$path" || true) != "$OPT/"* ]] ||
            change "remove /usr/local/bin/$path" rm "/usr/local/bin/$path"
    done
    for path in "$OPT" /var/cache/scheduler-kit /etc/systemd/system/supervisor.service.d/scheduler-kit.conf \
        /etc/needrestart/conf.d/scheduler-kit.conf; do
        [[ ! -e $path ]] || change "remove $path" rm -rf "$path"
    done
}

# Keys and chain: what nobody can make again.
remove_data() {
    local path
    change "remove $ETC" rm -rf "$ETC"
    for path in scheduler ethereum beacon clef rsk; do
        [[ ! -e $DATA/$path ]] || change "remove $DATA/$path" rm -rf "${DATA:?}/$path"
    done
}

confirmed "stop the programs of this box and remove them (data, keys and configuration stay)?" ||
    refuse "nothing was changed"
STEP=remove
remove_programs
remove_units
remove_code
if [[ -n $WITH_DATA ]] && confirmed "delete the keys in $ETC and everything in $DATA, for ever?"; then
    remove_data
else
    say "kept: $ETC (configuration and keys) and $DATA; to delete them, too: sudo $0 --data"
fi
