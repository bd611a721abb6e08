# shellcheck shell=bash
# shellcheck disable=SC2153  # what was chosen is in choices.sh
# The node: its binary, its configuration, its program, and what it needs beside it.

step_node() {
    about "the node ($NODE)"
    [[ $NODE == none ]] || put_node_user
    case $NODE,$NETWORK in
        none,*)
            note "it is at $(without_key "$RPC_URL")"
            [[ $SIGNER != clef ]] || put_clef scheduler
            ;;
        geth,dev)
            put_binary geth "$NODE_BINARY"
            put_development_chain
            ;;
        geth,*)
            put_geth
            put_beacon
            [[ $SIGNER != clef ]] || put_clef geth
            ;;
        rskj,*) put_rskj ;;
    esac
}

put_node_user() {
    local user=geth directory=ethereum
    [[ $NODE != rskj ]] || user=rsk directory=rsk
    put_user "$user"
    put_on_volume "$directory" 700 "$user"
}

# A URL's user, password and path may be a key.
without_key() { sed -E 's#^([a-z]+://)([^/@]*@)?([^/]*).*#\1\3#' <<<"$1"; }

node_is_installed() {
    case $NODE in
        rskj) [[ -f /usr/share/rsk/rsk.jar || -f $OPT/rskj.jar ]] ;;
        *) [[ -x /usr/local/bin/geth || -x /usr/bin/geth ]] ;;
    esac
}

# A program that was given as a file, kept where the box's users can run it: put_binary NAME FILE
put_binary() {
    local given=$2 place=/usr/local/bin/$1
    [[ -n $given ]] || return 0
    cmp --quiet "$given" "$place" || change "install $given as $place" copy_binary "$given" "$place"
}

# Beside, then in its place: a running program keeps its file.
copy_binary() { install --mode=755 "$1" "$2.new" && mv -f "$2.new" "$2"; }

# Where a program is, of those given as files or of packages: place_of NAME
place_of() { [[ -x /usr/local/bin/$1 ]] && echo /usr/local/bin || echo /usr/bin; }

# The development chain on geth, with the alarm clock's contracts: kept from one start to the next.
put_development_chain() {
    local contracts=/var/cache/scheduler-kit
    if [[ ! -e $contracts/complete-$RELEASE ]]; then
        change "fetch and compile the development chain's contracts" fetch_contracts "$contracts"
    fi
    put_program devchain geth --autostart --environment XDG_CACHE_HOME=/var/cache \
        --arguments "--node geth --node-binary $(place_of geth)/geth --keep --state-dir $DATA/ethereum"
}

fetch_contracts() {
    XDG_CACHE_HOME=$(dirname "$1") "$OPT/current/bin/python" -m scheduler.devchain.install --contracts
    chmod -R go+rX "$1"
    touch "$1/complete-$RELEASE"
}

# From the PPA of Ethereum's own, or the binary that was given.
put_geth() {
    if [[ -n $NODE_BINARY ]]; then
        put_binary geth "$NODE_BINARY"
    elif ! node_is_installed; then
        put_archive geth "$GETH_ARCHIVE"
        change "install geth" apt_install geth
    fi
    put_secret "$DATA/ethereum/jwt.hex" geth new_jwt
    put_program geth geth --autostart --bin-dir "$(place_of geth)" --arguments "$(geth_arguments)"
}

# A package archive, which is remembered, since nothing on the box says which one gave a source its
# name: put_archive PROGRAM ARCHIVE
put_archive() {
    local program=$1 archive=$2 mark=$OPT/archive-$1
    [[ $(cat "$mark" 2>/dev/null) == "$archive" ]] ||
        change "add the package archive of $program, $archive" add_archive "$archive" "$mark"
}

add_archive() {
    apt_install software-properties-common && add-apt-repository --yes --no-update "$1" && read_package_lists &&
        write_file "$2" 644 root:root "$1"
}

# Everything on loopback, and nothing for browsers of other origins.
geth_arguments() {
    local apis=eth,net,web3,txpool
    echo "--$NETWORK --datadir $DATA/ethereum" \
        "--http --http.addr 127.0.0.1 --http.port 8545 --http.api $apis --http.vhosts localhost" \
        "--ws --ws.addr 127.0.0.1 --ws.port 8546 --ws.api $apis" \
        "--authrpc.addr 127.0.0.1 --authrpc.port 8551 --authrpc.vhosts localhost" \
        "--authrpc.jwtsecret $DATA/ethereum/jwt.hex --port $(network_value "$NETWORK" p2p)" \
        "$([[ $SIGNER != clef ]] || echo "--signer $DATA/clef/clef.ipc")"
}

# A file with a secret that is its user's alone, made once: put_secret FILE USER MAKER [ARGUMENT …]
put_secret() {
    local file=$1 user=$2
    shift 2
    if [[ -f $file ]]; then
        put_owner "$file" 600 "$user:$user"
    else
        change "make $file" write_secret "$file" "$user" "$@"
    fi
}

write_secret() {
    local file=$1 user=$2 secret
    shift 2
    secret=$("$@")
    write_file "$file" 600 "$user:$user" "$secret"
}

new_jwt() { head --bytes=32 /dev/urandom | od --address-radix=n --format=x1 | tr -d ' \n'; }

new_password() { head --bytes=32 /dev/urandom | base64 --wrap=0; }

# The consensus client, a user and a copy of the JWT of its own.
put_beacon() {
    put_lighthouse
    put_user beacon
    put_on_volume beacon 700 beacon
    put_secret "$DATA/beacon/jwt.hex" beacon cat "$DATA/ethereum/jwt.hex"
    put_program beacon beacon --autostart --bin-dir "$(lighthouse_directory)" --arguments \
        "bn --network $NETWORK --datadir $DATA/beacon --port $(network_value "$NETWORK" beacon) --execution-endpoint http://127.0.0.1:8551 --execution-jwt $DATA/beacon/jwt.hex --checkpoint-sync-url $(checkpoint_url)"
}

# The file that was given, now or earlier; else its release, by the pinned version and checksum.
put_lighthouse() {
    local program=/usr/local/bin/lighthouse release=$OPT/lighthouse/$LIGHTHOUSE_VERSION
    if [[ -n $BEACON_BINARY ]]; then
        put_binary lighthouse "$BEACON_BINARY"
    elif [[ ! -f $program || -L $program ]]; then
        [[ -x $release/lighthouse ]] ||
            change "download Lighthouse $LIGHTHOUSE_VERSION" download_lighthouse "$release"
        put_link "$release/lighthouse" "$program"
    fi
}

# By its own place: another version is another program file, and the program is started again.
lighthouse_directory() { dirname "$(readlink --canonicalize /usr/local/bin/lighthouse)"; }

download_lighthouse() {
    local release=$1 machine archive sum
    machine=$(uname --machine)
    archive=$release.tar.gz
    rm -rf "$release.new"
    mkdir -p "$release.new"
    command -v curl >/dev/null || apt_install curl
    curl --fail --location --silent --show-error --retry 3 --output "$archive" \
        "$LIGHTHOUSE_RELEASES/v$LIGHTHOUSE_VERSION/lighthouse-v$LIGHTHOUSE_VERSION-$machine-unknown-linux-gnu.tar.gz" || {
        echo "Lighthouse's release cannot be fetched; give the program with --beacon-binary"
        return 1
    }
    sum=$(sha256sum "$archive" | cut --delimiter=' ' --fields=1)
    [[ $sum == "${LIGHTHOUSE_SHA256[$machine]}" ]] || {
        rm "$archive"
        echo "what was fetched is not Lighthouse $LIGHTHOUSE_VERSION for $machine: its SHA-256 is $sum"
        return 1
    }
    tar --extract --gzip --file="$archive" --directory="$release.new" --no-same-owner lighthouse &&
        chmod 755 "$release.new/lighthouse" && mv -T "$release.new" "$release" && rm "$archive"
}

# Where a consensus client that starts gets a recent state: public servers of the clients' makers.
checkpoint_url() {
    case $NETWORK in
        mainnet) echo https://mainnet.checkpoint.sigp.io ;;
        hoodi) echo https://hoodi.checkpoint.sigp.io ;;
        sepolia) echo https://checkpoint-sync.sepolia.ethpandaops.io ;;
    esac
}

clef_is_installed() { [[ -x $(place_of clef)/clef ]]; }

# The program that signs for whoever asks at its socket: geth, or without it the schedulers. Its account
# is made in the next step: put_clef USER
put_clef() {
    local asks=$1
    if [[ -n $CLEF_BINARY ]]; then
        put_binary clef "$CLEF_BINARY"
    elif ! clef_is_installed; then
        put_archive geth "$GETH_ARCHIVE"
        change "install clef" apt_install clef
    fi
    put_user clef
    put_directory "$ETC/clef" 700 clef:clef
    put_on_volume clef 2750 clef
    [[ " $(id --name --groups "$asks" 2>/dev/null) " == *" clef "* ]] ||
        change "let $asks speak to clef" usermod --append --groups clef "$asks"
    put_program clef clef --autostart --bin-dir "$OPT/current/src/provision" \
        --arguments "$(network_value "$NETWORK" chain) $(place_of clef)/clef"
}

# From Rootstock's PPA, or the jar that was given. Its own unit ends it with kill -9, so supervisord
# runs it.
put_rskj() {
    local jar=/usr/share/rsk/rsk.jar
    installed openjdk-17-jre-headless || change "install Java" apt_install openjdk-17-jre-headless
    if [[ -n $NODE_BINARY ]]; then
        jar=$OPT/rskj.jar
        cmp --quiet "$NODE_BINARY" "$jar" || change "install $NODE_BINARY as $jar" copy_binary "$NODE_BINARY" "$jar"
    elif [[ -f $OPT/rskj.jar ]]; then
        jar=$OPT/rskj.jar
    elif ! node_is_installed; then
        put_archive rskj "$RSKJ_ARCHIVE"
        change "install rskj" install_rskj
    fi
    put_rskj_configuration
    put_file "$ETC/rskj-logback.xml" 644 root:root < <(rskj_log_configuration)
    put_program rskj rsk --autostart --bin-dir /usr/bin --arguments \
        "-Xmx4G -Dlogback.configurationFile=$ETC/rskj-logback.xml -Drsk.conf.file=$ETC/rskj.conf -cp $jar co.rsk.Start --$(rskj_network)"
}

# rskj's own word for the network.
rskj_network() {
    case $NETWORK in
        rsk-mainnet) echo main ;;
        *) echo "${NETWORK#rsk-}" ;;
    esac
}

# supervisord has its log, and rotates it; by itself rskj writes into the directory where it starts.
rskj_log_configuration() {
    cat <<'EOF'
<configuration>
    <appender name="stdout" class="ch.qos.logback.core.ConsoleAppender">
        <encoder><pattern>%date %-5level [%logger{0}] %message%n</pattern></encoder>
    </appender>
    <root level="info"><appender-ref ref="stdout"/></root>
</configuration>
EOF
}

# Who asks for it accepts its licence (docs/install.md). The package's preparation then leaves out its
# user, who is there already.
install_rskj() {
    debconf-set-selections <<EOF
rskj shared/accepted-rsk-license-v1-1 boolean true
rskj shared/config select ${NETWORK#rsk-}
EOF
    apt_install rskj
    systemctl disable --now rsk || systemctl disable --now rskj
}

# HOCON, on top of what rskj has for each network (its reference.conf, which lets any host in, and has
# all modules but three). With --signer node its wallet holds the key, so the file is its user's alone.
put_rskj_configuration() {
    local text key=
    # regtest has unlocked accounts of its own.
    if [[ $SIGNER == node && $NETWORK != rsk-regtest ]]; then
        put_secret "$ETC/rskj.key" root new_private_key
        [[ ! -f $ETC/rskj.key ]] || key=$(cat "$ETC/rskj.key")
    fi
    text=$(rskj_configuration "$key")
    if getent passwd rsk >/dev/null; then
        put_file "$ETC/rskj.conf" 600 rsk:rsk <<<"$text"
    else
        change "write $ETC/rskj.conf" false
    fi
}

new_private_key() {
    "$OPT/current/bin/python" -c 'from coincurve import PrivateKey; print(PrivateKey().to_hex(), end="")'
}

rskj_configuration() {
    local key=$1
    cat <<EOF
# Written by provision/setup.sh.
database.dir = "$DATA/rsk/database"
peer.port = $(network_value "$NETWORK" p2p)
rpc.providers.web.http {
    enabled = true
    bind_address = "127.0.0.1"
    hosts = ["localhost", "127.0.0.1"]
    port = 4444
}
rpc.providers.web.ws {
    enabled = true
    bind_address = "127.0.0.1"
    port = 4445
}
EOF
    local module
    for module in eth net web3 rpc txpool rsk; do
        printf 'rpc.modules.%s { version = "1.0", enabled = "true" }\n' "$module"
    done
    for module in personal evm sco debug trace; do
        printf 'rpc.modules.%s { version = "1.0", enabled = "false" }\n' "$module"
    done
    [[ -z $key ]] || printf 'wallet {\n    enabled = true\n    accounts = [{ privateKey = "%s" }]\n}\n' "$key"
}
