# shellcheck shell=bash
# This project's code, beside what was there before, and the box's configuration.

# What a box needs of the checkout.
SOURCES=(scheduler conf.d provision docs config.json moc_jobs.py requirements.txt requirements-aws.txt
    requirements-postgresql.txt setup.py pyproject.toml README.md LICENSE)
# The libraries of a release: what programs need, what the heartbeat and CloudWatch's alerts need (a
# release has no pip to add it with), what a journal in a database needs (which is brought there by a
# command, before any configuration names it), and what builds this project itself.
PINS=(requirements.txt requirements-aws.txt requirements-postgresql.txt scheduler/devchain/pins/requirements-build.txt)

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
    local release=$1 libraries
    rm -rf "$release"
    mkdir -p "$release/src"
    code_files | tar --create --directory="$ROOT" --null --files-from=- --owner=root --group=root |
        tar --extract --directory="$release/src" --no-same-permissions
    chmod -R u+rwX,go+rX,go-w "$release/src"
    libraries=$(libraries_of "$release/src")
    [[ -e $libraries/complete ]] || install_libraries "$libraries" "$release/src"
    python3 -m venv --without-pip "$release"
    site_packages "$libraries" >"$(site_packages "$release")/libraries.pth"
    # pip leaves what it built in the directory that it builds from.
    cp -R "$release/src" "$release/build"
    pip_install "$release" --no-index --no-build-isolation --no-deps "$release/build"
    rm -rf "$release/build"
    "$release/bin/scheduler" --version
    touch "$release/complete"
}

# The libraries that a release wants, pinned by hash: those with the same pins share an environment.
libraries_of() {
    local pins
    pins=$(cat "${PINS[@]/#/$1/}" | sha256sum | cut --characters=1-12)
    echo "$OPT/libraries/$pins"
}

install_libraries() {
    local libraries=$1 source=$2
    rm -rf "$libraries"
    python3 -m venv "$libraries"
    pip_install "$libraries" --require-hashes --only-binary :all: "${PINS[@]/#/--requirement=$source/}"
    touch "$libraries/complete"
}

site_packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

# Into an environment: pip_install ENVIRONMENT ARGUMENT …
pip_install() {
    local environment=$1
    shift
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
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
signer = "$(configured_signer)"
journal = "$DATA/scheduler/journal.db"
EOF
    if [[ $SIGNER == keystore ]]; then
        cat <<EOF

[keystore]
file = "$ETC/keys/key.json"
password-file = "$ETC/keys/key.password"
EOF
    fi
    if [[ $(configured_signer) == clef ]]; then
        printf '\n[clef]\nipc = "%s"\n' "$DATA/clef/clef.ipc"
    fi
    if [[ $NETWORK == dev && $NODE == geth ]]; then
        printf '\n[alarm]\naddresses = ["%s"]\n' "$DEV_ALARM"
    fi
    if [[ -n $OLD_CONTRACT ]]; then
        printf '\n[alarm]\naddresses = ["%s"]\n' "$OLD_CONTRACT"
    fi
    if [[ $PROGRAMS =~ scheduler-(liquidation|settlement|payments|prices) ]]; then
        printf '\n[moc]\nsplit = true\n'
    fi
    printf '\n[box]\nnode = "%s"\nprograms = ["%s"]\n' "$NODE" "${PROGRAMS//,/\", \"}"
}

# Where geth asks clef, it is the node that signs; without it, the schedulers ask it themselves.
configured_signer() {
    case $SIGNER,$NODE in
        clef,none | keystore,*) echo "$SIGNER" ;;
        *) echo node ;;
    esac
}
