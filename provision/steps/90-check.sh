# shellcheck shell=bash
# Looks at the box as a whole, and changes nothing.

step_check() {
    about "the box as a whole"
    if [[ -n $DRY_RUN ]]; then
        note "is not looked at in a dry run"
        return
    fi
    mountpoint --quiet "$DATA" || fail "$DATA is no mount point: sudo mount $DATA"
    check_configuration | sed 's/^/   /' ||
        fail "the configuration is refused: see the line above"
    supervisorctl status | sed 's/^/   /' || true
    check_clock
    say_node
    say_account
}

# Seconds for which the node is given a chance; one that is new has caught up after hours or days.
NODE_SECONDS=5

say_node() {
    local said status=0
    said=$(scheduler_command node wait --timeout "$NODE_SECONDS" --config "$CONFIG_FILE" 2>&1 >/dev/null) ||
        status=$?
    case $status in
        0) note "the node is ready" ;;
        1) note "the node: ${said#scheduler: not after "$NODE_SECONDS" s: }; to wait for it: scheduler node wait" ;;
        *) warn "${said#scheduler: }" ;;
    esac
}

# Whom to send ether to, and how much: twice what the dearest transaction may cost.
say_account() {
    local address amount
    address=$(sending_address)
    [[ -z $address ]] || address=$(spelled "$address")
    if [[ -n $address && $NETWORK != dev ]] && amount=$(scheduler_command config needs --config "$CONFIG_FILE" 2>/dev/null); then
        note "the account is $address: send it at least $amount"
    elif [[ -n $address ]]; then
        note "the account is $address"
    fi
}

sending_address() {
    local key
    case $SIGNER in
        keystore) key=$(scheduler_command config show keystore.file --config "$CONFIG_FILE") ;;
        clef) key=$ETC/clef/keystore/key.json ;;
        node)
            address_in_node
            return
            ;;
    esac
    address_in "$key"
}

# Of the key that rskj was given; else, once the node answers, its own.
address_in_node() {
    if [[ -f $ETC/rskj.key ]]; then
        "$OPT/current/bin/python" -c 'import sys
from eth_keys.datatypes import PrivateKey
print(PrivateKey(bytes.fromhex(sys.stdin.read())).public_key.to_address())' <"$ETC/rskj.key"
    else
        { scheduler_command account show --config "$CONFIG_FILE" 2>/dev/null || true; } |
            awk '/sends$/ { print $1 }'
    fi
}

check_clock() {
    [[ $(timedatectl show --property=NTPSynchronized --value 2>/dev/null) != no ]] ||
        warn "the clock is not synchronized yet: timedatectl timesync-status"
}
