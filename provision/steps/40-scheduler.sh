# shellcheck shell=bash
# This project's code, beside what was there before, and the box's configuration.

# What a box needs of the checkout.
SOURCES=(scheduler conf.d provision docs config.json moc_jobs.py requirements.txt setup.py pyproject.toml
    README.md LICENSE)

step_scheduler() {
    about "the schedulers' code in $OPT, configuration in $ETC"
    local release
    RELEASE=$(release_id)
    release=$OPT/releases/$RELEASE
    if [[ ! -e $release/complete ]]; then
        change "install this version in $release" install_release "$release"
    fi
    put_link "$release" "$OPT/current"
    for command in scheduler eth_alarm moc_jobs; do
        put_link "$OPT/current/bin/$command" "/usr/local/bin/$command"
    done
    put_configuration
}

# The version and a checksum of the code: two that differ have different names.
release_id() {
    local version
    version=$(sed -n 's/^    version="\(.*\)",$/\1/p' "$ROOT/setup.py")
    echo "$version-$(code_files | (cd "$ROOT" && xargs --null sha256sum) | sha256sum | cut --characters=1-12)"
}

code_files() { (cd "$ROOT" && find "${SOURCES[@]}" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort --zero-terminated); }

# A release is complete or not used; a half one, of an interrupted run, is made anew.
install_release() {
    local release=$1 python=$1/bin/python
    rm -rf "$release"
    mkdir -p "$release/src"
    code_files | tar --create --directory="$ROOT" --null --files-from=- --owner=root --group=root |
        tar --extract --directory="$release/src" --no-same-permissions
    chmod -R u+rwX,go+rX,go-w "$release/src"
    python3 -m venv "$release"
    pip_install "$python" --require-hashes --only-binary :all: -r "$release/src/requirements.txt"
    pip_install "$python" --require-hashes -r "$release/src/scheduler/devchain/pins/requirements-build.txt"
    # pip leaves what it built in the directory that it builds from.
    cp -R "$release/src" "$release/build"
    pip_install "$python" --no-index --no-build-isolation --no-deps "$release/build"
    rm -rf "$release/build"
    "$release/bin/scheduler" --version
    touch "$release/complete"
}

pip_install() {
    local python=$1
    shift
    "$python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
}

# The configuration is written once; from then on it is the operator's.
put_configuration() {
    if [[ ! -f $CONFIG_FILE ]]; then
        if [[ -n $CONFIG ]]; then
            put_file "$CONFIG_FILE" 600 scheduler:scheduler <"$CONFIG"
        elif [[ $RPC_URL == "$(network_value "$NETWORK" url)" ]]; then
            put_file "$CONFIG_FILE" 644 root:root < <(first_configuration)
        else
            # The URL of a node elsewhere may have a key in it.
            put_file "$CONFIG_FILE" 600 scheduler:scheduler < <(first_configuration)
        fi
    fi
}

first_configuration() {
    cat <<EOF
# Written by provision/setup.sh, and yours from now on: what each key means, and all others, are in
# docs/configuration.md. After a change: scheduler config check, then supervisorctl restart scheduler
network = "$NETWORK"
rpc-url = "$RPC_URL"
signer = "$([[ $SIGNER == keystore ]] && echo keystore || echo node)"
journal = "$DATA/scheduler/journal.db"
EOF
    if [[ $SIGNER == keystore ]]; then
        cat <<EOF

[keystore]
file = "$ETC/keys/key.json"
password-file = "$ETC/keys/key.password"
EOF
    fi
    if [[ $NETWORK == dev && $NODE == geth ]]; then
        printf '\n[alarm]\naddresses = ["%s"]\n' "$DEV_ALARM"
    fi
    if [[ $PROGRAMS == *scheduler-* ]]; then
        printf '\n[moc]\nsplit = true\n'
    fi
    printf '\n[box]\nnode = "%s"\nprograms = ["%s"]\n' "$NODE" "${PROGRAMS//,/\", \"}"
}
