# shellcheck shell=bash
# shellcheck disable=SC2153  # what was chosen is in choices.sh
# A box that the first client's guide set up: geth and scheduler-v6 under supervisord, both of the
# operator's own user, geth unlocking the account. Account and contract are taken over; the programs'
# files and the old copies of the secrets are kept in $FORMER, which is root's alone.

# The guide wrote /etc/supervisord, Debian's supervisor has /etc/supervisor: either may have them.
OLD_PLACES=("$PROGRAM_FILES" /etc/supervisord/conf.d)
OLD_FILES=()
OLD_KEYSTORE='' OLD_KEY='' OLD_PASSWORD='' OLD_CONTRACT='' OLD_DIRECTORY=''

is_old_box() { ((${#OLD_FILES[@]})); }

# Looks for what is there, and changes nothing.
find_old_box() {
    local place name file
    for place in "${OLD_PLACES[@]}"; do
        for name in geth scheduler-v6; do
            file=$place/$name.conf
            if [[ -f $file ]] && ! grep --quiet --fixed-strings "$OPT/releases/" "$file"; then
                OLD_FILES+=("$file")
                "find_old_${name%-*}" "$file"
            fi
        done
    done
}

find_old_scheduler() {
    OLD_CONTRACT=$(old_option "$1" address)
    [[ -n $OLD_CONTRACT ]] || OLD_CONTRACT=$(old_option "$1" a)
    OLD_DIRECTORY=$(sed -n 's/^directory *= *//p' "$1")
}

find_old_geth() {
    local file=$1 home
    home=$(getent passwd "$(sed -n 's/^user *= *//p' "$file")" | cut --delimiter=: --fields=6) || true
    OLD_KEYSTORE=$(old_option "$file" keystore)
    [[ -n $OLD_KEYSTORE ]] || OLD_KEYSTORE=$(old_option "$file" datadir)/keystore
    [[ $OLD_KEYSTORE == /*/* ]] || OLD_KEYSTORE=$home/.ethereum/keystore
    OLD_PASSWORD=$(old_option "$file" password)
    OLD_KEY=$(unlocked_key "$OLD_KEYSTORE" "$(old_option "$file" unlock)")
}

# The value of an option of a program's command, written as `--name value` or `--name=value`, also with
# one dash: old_option FILE NAME
old_option() {
    sed -n 's/^command *= *//p' "$1" | tr --squeeze-repeats ' ' '\n' | awk -v name="$2" '
        { option = $0; sub(/^--?/, "", option) }
        option == $0 { next }
        option == name { if ((getline) > 0) print; exit }
        index(option, name "=") == 1 { print substr(option, length(name) + 2); exit }'
}

# The key file of the first account that geth unlocks, by its address or its number in the order of
# the files' names; nothing where there is none: unlocked_key DIRECTORY ACCOUNT
unlocked_key() {
    local account=${2%%,*} files
    mapfile -t files < <(find "$1" -maxdepth 1 -type f ! -name '.*' 2>/dev/null | LC_ALL=C sort)
    ((${#files[@]})) || return 0
    if [[ ${#account} -ge 40 ]]; then
        grep --files-with-matches --ignore-case "\"address\": *\"${account#0x}\"" "${files[@]}" | head --lines=1 || true
    else
        echo "${files[${account:-0}]:-}"
    fi
}

# Refuses where not all of it is there, and asks.
check_old_box() {
    is_old_box || return 0
    say "== this box was set up by an older guide: ${OLD_FILES[*]}"
    if [[ -n $OLD_KEY ]]; then
        [[ $SIGNER != node ]] ||
            refuse "geth unlocks no accounts any more; to take over the one in $OLD_KEY choose --signer clef or keystore"
        [[ -n $OLD_PASSWORD ]] ||
            refuse "geth.conf names no file with the password of $OLD_KEY: add --password FILE to its command"
        [[ -f $OLD_PASSWORD ]] ||
            refuse "the password file $OLD_PASSWORD, which geth.conf names, is missing: write the password of $OLD_KEY into it"
        note "account $(address_in "$OLD_KEY"), its key in $OLD_KEY, its password in $OLD_PASSWORD"
    fi
    [[ -z $OLD_CONTRACT ]] || note "contract $OLD_CONTRACT"
    [[ -n $DRY_RUN ]] || confirmed "take these over, and remove the old programs?" ||
        refuse "nothing was changed"
}

has_old_account() { [[ -n $OLD_KEY || -f $FORMER/key.json ]]; }

# The program files go last: as long as they are there, a run that was interrupted begins here again.
step_takeover() {
    about "what the old guide set up"
    local file
    put_directory "$FORMER" 700 root:root
    if [[ -n $OLD_KEY && ! -f $FORMER/key.json ]]; then
        change "copy the account's key and password to $FORMER" copy_old_account
    fi
    change "stop geth and scheduler-v6" stop_old_programs
    if has_old_account && [[ -e $OLD_KEYSTORE || -e $OLD_PASSWORD ]]; then
        change "move $OLD_KEYSTORE and $OLD_PASSWORD to $FORMER" move_to_former "$OLD_KEYSTORE" "$OLD_PASSWORD"
    fi
    if [[ $NODE == geth && -d $DATA/ethereum ]]; then
        put_user geth
        change "give $DATA/ethereum to geth" chown --recursive --no-dereference geth:geth "$DATA/ethereum"
    fi
    change "remove ${OLD_FILES[*]}" move_to_former "${OLD_FILES[@]}"
    change "let supervisord know" forget_old_programs
    [[ -z $OLD_DIRECTORY ]] || note "nothing uses $OLD_DIRECTORY any more: delete it when you like"
}

# geth takes one line of the file for each account that it unlocks. Only a password that opens the key
# is taken over: what else was there would be of no use, and is left as it is.
copy_old_account() {
    install --mode=600 "$OLD_KEY" "$FORMER/key.new"
    head --lines=1 "$OLD_PASSWORD" | tr --delete '\r' | install --mode=600 /dev/stdin "$FORMER/key.password"
    "$OPT/current/bin/python" - "$FORMER/key.new" "$FORMER/key.password" "$OLD_PASSWORD" <<'END' || return
import sys
from pathlib import Path
from scheduler.errors import Misconfigured
from scheduler.transactions.keystore import open_keystore
key, password, origin = map(Path, sys.argv[1:])
try:
    open_keystore(key, password)
except Misconfigured as error:
    sys.exit(str(error).replace(str(password), str(origin)))
END
    mv -f "$FORMER/key.new" "$FORMER/key.json"
}

# The old file gives geth ten seconds, after which it would be killed; it is told to end, and waited for
# as long as supervisord is on this kit's boxes.
stop_old_programs() {
    local pid seconds
    pid=$(supervisorctl pid geth 2>/dev/null || true)
    if [[ $pid =~ ^[1-9][0-9]*$ ]]; then
        kill -TERM "$pid"
        for ((seconds = 0; seconds < 300; seconds++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 1
        done
    fi
    supervisorctl stop geth scheduler-v6 || true
}

forget_old_programs() { supervisorctl update || systemctl restart supervisor; }

# Copied and on the disk before it is deleted, since it may come from another disk.
move_to_former() {
    local path
    for path in "$@"; do
        [[ -e $path ]] || continue
        cp --archive --no-target-directory "$path" "$FORMER/$(basename "$path")"
        chown --recursive root:root "$FORMER/$(basename "$path")"
        sync
        rm -r "$path"
    done
}

# Puts the account where its signer has it: install_old_account USER KEY-FILE PASSWORD-FILE
install_old_account() {
    local user=$1 key=$2 password=$3
    install --directory --mode=700 --owner="$user" --group="$user" "$(dirname "$key")"
    install --mode=600 --owner="$user" --group="$user" "$FORMER/key.password" "$password"
    install --mode=600 --owner="$user" --group="$user" "$FORMER/key.json" "$key"
}
