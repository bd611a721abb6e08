# shellcheck shell=bash
# Who runs what, and who may read it. The node's user cannot read the schedulers' keys, and the
# schedulers cannot read the node's data.

step_users() {
    about "users and directories"
    local operators
    operators=$(operators_group)
    put_user scheduler
    put_directory "$ETC" 755 root:root
    put_directory "$OPT" 755 root:root
    put_directory "$OPT/releases" 755 root:root
    put_directory "$PROGRAM_LOGS" 2750 "root:$operators"
    put_on_volume scheduler 750 scheduler
    if [[ $SIGNER == keystore ]]; then
        put_directory "$ETC/keys" 700 scheduler:scheduler
    fi
}

# A directory on the volume, only where that is mounted: put_on_volume NAME MODE USER
put_on_volume() {
    if [[ -n $DRY_RUN ]] && ! mountpoint --quiet "$DATA"; then
        change "make $DATA/$1" false
    else
        put_directory "$DATA/$1" "$2" "$3:$3"
    fi
}
