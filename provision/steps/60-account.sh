# shellcheck shell=bash
# The account that sends: made here where it is in a key file or in clef; elsewhere the node has it.

step_account() {
    about "the account that sends"
    case $SIGNER in
        node) note "the node has it" ;;
        keystore) put_key_file ;;
        clef) put_clef_account ;;
    esac
}

put_key_file() {
    local key password
    if ! code_is_there || [[ ! -f $CONFIG_FILE ]]; then
        change "make an account, with its key in $ETC/keys" false
        return
    fi
    key=$(scheduler_command config show keystore.file --config "$CONFIG_FILE")
    password=$(scheduler_command config show keystore.password-file --config "$CONFIG_FILE")
    if [[ ! -e $key && ! -e $password ]]; then
        if has_old_account; then
            change "put the account that was taken over in $key" install_old_account scheduler "$key" "$password"
        else
            change "make an account, with its key in $key" runuser --user scheduler -- \
                "$OPT/current/bin/scheduler" account new --config "$CONFIG_FILE"
        fi
    fi
    [[ -n $DRY_RUN && ! -e $key ]] || check_private scheduler "$key" "$password"
}

# Each of these is there, its user's alone, and refused otherwise: check_private USER FILE …
check_private() {
    local user=$1 file
    shift
    for file in "$@"; do
        [[ -e $file ]] || refuse \
            "the file $file is missing: put it back from your copy, then: chown $user: $file; chmod 600 $file"
        put_owner "$file" 600 "$user:$user"
    done
}

# clef's own store, its account, and the rules by which it signs. Passwords go through standard input.
put_clef_account() {
    local rules key=$ETC/clef/keystore/key.json
    if ! code_is_there || [[ ! -f $CONFIG_FILE ]]; then
        change "make an account in clef" false
        return
    fi
    put_secret "$ETC/clef/master.password" clef new_password
    [[ -f $ETC/clef/masterseed.json ]] || change "make clef's own store" init_clef
    [[ -f $key ]] || change "$(has_old_account && echo "put the account that was taken over" || echo "make an account") in clef, with its key in $key" \
        new_clef_account "$key"
    [[ -n $DRY_RUN && ! -e $key ]] || check_private clef "$key" "$ETC/clef/key.password"
    rules=$(scheduler_command config clef --config "$CONFIG_FILE")
    if [[ $(cat "$ETC/clef/rules.js" 2>/dev/null) != "$rules" ]]; then
        change "attest the rules by which clef signs, $ETC/clef/rules.js" attest_rules "$rules"
        CHANGED_PROGRAMS+=(clef)
    fi
}

clef() {
    runuser --user clef -- "$(place_of clef)/clef" --suppress-bootwarn --lightkdf \
        --configdir "$ETC/clef" --keystore "$ETC/clef/keystore" "$@"
}

# Each file's line, with its end.
lines_of() {
    local file
    for file in "$@"; do
        printf '%s\n' "$(cat "$file")"
    done
}

init_clef() {
    lines_of "$ETC/clef/master.password" "$ETC/clef/master.password" | clef init
}

new_clef_account() {
    local key=$1 password=$ETC/clef/key.password address
    if has_old_account; then
        install_old_account clef "$key" "$password"
    else
        runuser --user clef -- "$OPT/current/bin/scheduler" account new "$key" \
            --password-file "$password" --config /dev/null
    fi
    address=$(address_in "$key")
    lines_of "$password" "$password" "$ETC/clef/master.password" | clef setpw "$address"
}

attest_rules() {
    local rules=$1
    write_file "$ETC/clef/rules.js" 600 clef:clef "$rules"$'\n'
    lines_of "$ETC/clef/master.password" |
        clef attest "$(sha256sum "$ETC/clef/rules.js" | cut --delimiter=' ' --fields=1)"
}
