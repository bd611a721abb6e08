# The functions of provision/ that need no box: what they decide, and what they refuse.
# bats tests/provision/functions.bats

setup() {
    HERE=$(cd "$BATS_TEST_DIRNAME/../../provision" && pwd)
    ROOT=$(dirname "$HERE")
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
    mkdir "$BATS_TEST_TMPDIR/bin"
    source "$HERE/lib.sh"
    source "$HERE/networks.sh"
    source "$HERE/sources.sh"
    source "$HERE/choices.sh"
    for file in "$HERE"/steps/*.sh; do
        source "$file"
    done
    SETUP_LOGS=$BATS_TEST_TMPDIR/logs
    STEP=test
    me=$(id --user --name):$(id --group --name)
    cd "$BATS_TEST_TMPDIR"
}

# A command that prints the given text, in place of the real one.
stand_in() {
    printf '#!/bin/sh\ncat <<"EOF"\n%s\nEOF\n' "$2" >"bin/$1"
    chmod +x "bin/$1"
}

@test "a file is written once, and again only where content, owner or mode differ" {
    put_file f 640 "$me" <<<"text"
    [ "$CHANGES" = 1 ]
    [ "$(cat f)" = text ]
    [ "$(stat --format=%a f)" = 640 ]
    put_file f 640 "$me" <<<"text"
    [ "$CHANGES" = 1 ]
    chmod 644 f
    put_file f 640 "$me" <<<"text"
    [ "$CHANGES" = 2 ]
    [ "$(stat --format=%a f)" = 640 ]
    put_file f 640 "$me" <<<"text "
    [ "$CHANGES" = 3 ]
}

@test "a dry run says every change and makes none" {
    DRY_RUN=yes
    run put_file f 640 "$me" <<<"text"
    [ "$output" = "   would write f" ]
    [ ! -e f ]
    run put_directory d 755 "$me"
    [ "$output" = "   would make d" ]
    [ ! -e d ]
    [ ! -e "$SETUP_LOGS" ]
}

@test "a change that fails ends with 1, names the log and says how to go on" {
    AGAIN="sudo provision/setup.sh --network dev"
    run change "break something" sh -c 'echo the reason; exit 3'
    [ "$status" = "$FAILED" ]
    [[ ${lines[-1]} == *"test: could not break something; its log is $SETUP_LOGS/test.log; mend that, then run again: $AGAIN" ]]
    grep -q "the reason" "$SETUP_LOGS/test.log"
}

@test "a link is moved at one stroke" {
    put_link a l
    put_link a l
    [ "$CHANGES" = 1 ]
    put_link b l
    [ "$(readlink l)" = b ]
}

@test "every network has all of its values" {
    for name in $(network_names); do
        for key in node p2p beacon disk memory cores chain url; do
            [ -n "$(network_value "$name" "$key")" ]
        done
    done
}

# The project's own commands, as a box has them in $OPT/current.
install_commands() {
    OPT=$BATS_TEST_TMPDIR/opt
    mkdir "$OPT"
    ln -s "${ENVIRONMENT:-$ROOT/.venv}" "$OPT/current"
}

@test "the node's URL with a key that the box was set up with may be given again, and no other" {
    install_commands
    CONFIG_FILE=$PWD/config.toml
    url=http://node.example:8545/v3/0123456789abcdef0123456789abcdef
    printf '%s\n' 'network = "sepolia"' "rpc-url = \"$url\"" '[box]' 'node = "none"' >config.toml
    chmod 600 config.toml
    RPC_URL=$url
    from_configuration
    [ "$NODE" = none ]
    # Another key on the same host looks the same where it is shown.
    for RPC_URL in "${url/0123/3210}" http://node.example:8545 "no URL" "$url $url/2"; do
        run from_configuration
        [ "$status" = "$REFUSED" ]
        [[ $output == *"this box is set up with rpc-url = http://node.example:8545/… in $CONFIG_FILE: change it there"* ]]
        [[ $output != *0123456789* ]]
    done
}

@test "who signs follows from network and node, and geth on public networks unlocks nothing" {
    NETWORK=dev NODE=geth && [ "$(default_signer)" = node ]
    NETWORK=sepolia NODE=geth && [ "$(default_signer)" = clef ]
    NETWORK=rsk-mainnet NODE=rskj && [ "$(default_signer)" = keystore ]
    NETWORK=sepolia NODE=none && [ "$(default_signer)" = keystore ]
    NETWORK=sepolia NODE=geth SIGNER=node PROGRAMS=scheduler
    run check_choices
    [ "$status" = "$REFUSED" ]
    [[ $output == *"geth unlocks no accounts any more; use --signer clef"* ]]
}

@test "without geth the schedulers ask clef themselves, and beside rskj it is refused" {
    install_commands
    NETWORK=sepolia NODE=none SIGNER=clef PROGRAMS=scheduler RPC_URL=https://node.example
    check_choices
    first_configuration >config.toml
    [ "$(scheduler_command config show signer --config config.toml)" = clef ]
    [ "$(scheduler_command config show clef.ipc --config config.toml)" = /data/clef/clef.ipc ]
    # Which is what setup finds there when it is run again.
    CONFIG_FILE=config.toml SIGNER=''
    from_configuration
    [ "$SIGNER" = clef ]
    NODE=geth RPC_URL=ws://127.0.0.1:8546
    first_configuration >config.toml
    [ "$(scheduler_command config show signer --config config.toml)" = node ]
    [[ $(cat config.toml) != *clef* ]]
    from_configuration
    [ "$SIGNER" = clef ]
    NETWORK=rsk-testnet NODE=rskj
    run check_choices
    [ "$status" = "$REFUSED" ]
    [[ $output == *"--signer clef goes with geth on this box, or a node elsewhere"* ]]
}

@test "without geth clef's socket is the schedulers', and it signs for the network's chain" {
    NETWORK=hoodi NODE=none SIGNER=clef DRY_RUN=yes RPC_URL=https://node.example/v3/0123456789
    code_is_there() { true; }
    getent() { echo somebody; }
    put_program() { echo "put_program $*"; }
    place_of() { echo "$PWD/bin"; }
    stand_in clef ''
    stand_in id scheduler
    run step_node
    [[ $output == *"it is at https://node.example"* ]]
    [[ $output == *"would let scheduler speak to clef"* ]]
    [[ $output == *"put_program clef clef --autostart "*" --arguments 560048 $PWD/bin/clef"* ]]
    [[ $output != *geth* ]]
    stand_in id "scheduler clef"
    run step_node
    [[ $output != *"would let"* ]]
}

@test "Debian needs a clef that is given, which is said before anything is changed" {
    NETWORK=sepolia NODE=none SIGNER=clef
    place_of() { echo "$PWD/bin"; }
    distribution() { echo "debian 12"; }
    run check_machine
    [ "$status" = "$REFUSED" ]
    [[ $output == *"Debian has no package of clef: give it with --clef-binary PATH"* ]]
    CLEF_BINARY=/home/me/clef
    run check_machine
    [[ $output != *clef* ]]
    CLEF_BINARY=''
    stand_in clef ''
    run check_machine
    [[ $output != *clef* ]]
    rm bin/clef
    distribution() { echo "ubuntu 24.04"; }
    run check_machine
    [[ $output != *clef* ]]
}

@test "a node of another kind than the network's is refused" {
    NETWORK=rsk-testnet NODE=geth SIGNER=keystore PROGRAMS=scheduler
    run check_choices
    [ "$status" = "$REFUSED" ]
    [[ $output == *"--node geth: rsk-testnet needs rskj, or none with --rpc-url"* ]]
}

@test "programs that there are not are refused" {
    NETWORK=dev NODE=geth SIGNER=node PROGRAMS=scheduler,geth
    run check_choices
    [ "$status" = "$REFUSED" ]
    [[ $output == *"there is no program 'geth'"* ]]
}

@test "the disk of the root file system is never formatted" {
    stand_in lsblk $'\n/boot\n/'
    run why_not_format /dev/xvda
    [ "$output" = "it holds the root file system" ]
}

# lsblk's answers about one disk: its kernel name, and its model.
stand_in_lsblk() {
    printf '#!/bin/sh\ncase $* in *KNAME*) echo sdz ;; *MODEL*) echo "%s" ;; esac\n' "$1" >bin/lsblk
    chmod +x bin/lsblk
}

@test "a disk of which nothing can be told is not taken for an empty one" {
    # As all scripts have it.
    set -o pipefail
    disks() { echo /dev/sdz; }
    stand_in_lsblk "a disk"
    stand_in wipefs ''
    [ "$(chosen_disk)" = /dev/sdz ]
    # As of a drive without a medium.
    printf '#!/bin/sh\nexit 1\n' >bin/wipefs
    run chosen_disk
    [ "$status" = "$REFUSED" ]
    [[ $output == *"there is no unused disk"* ]]
    [ "$(why_not_format /dev/sdz)" = "it cannot be read" ]
    cp bin/wipefs bin/lsblk
    [ "$(why_not_format /dev/sdz)" = "it cannot be read" ]
}

@test "the instance's own disk on AWS is no volume" {
    disks() { echo /dev/nvme1n1; }
    stand_in wipefs ''
    stand_in_lsblk "Amazon EC2 NVMe Instance Storage"
    [ -z "$(other_nvme_disks)" ]
    run chosen_disk
    [[ $output == *"there is no unused disk"* ]]
    stand_in_lsblk "Amazon Elastic Block Store"
    [ "$(other_nvme_disks)" = /dev/nvme1n1 ]
    [ "$(chosen_disk)" = /dev/nvme1n1 ]
}

@test "drives of CDs, and those without anything, are no disks" {
    device=$(find /dev -type b -print -quit)
    [ -n "$device" ] || skip "this machine shows no block device"
    stand_in lsblk "$(printf "$device %s\n" "rom 1073741312" "disk 0" "disk 1000000")"
    [ "$(disks)" = "$device" ]
}

@test "an NVMe disk is found by the name of its attachment, with AWS's tool and without it" {
    # The controller keeps the name from byte 3072 on, padded with blanks.
    stand_in nvme_data "$(printf '%3072s%-32s' '' sdb)"
    printf '#!/bin/sh\n[ "$1" = id-ctrl ] && [ "$3" = /dev/nvme1 ] && exec nvme_data\n' >bin/nvme
    chmod +x bin/nvme
    ATTACHED=(/dev/nvme0n1 /dev/nvme1n1)
    disks() { printf '%s\n' /dev/xvda "${ATTACHED[@]}"; }
    for name in /dev/xvdb /dev/sdb; do
        [ "$(nvme_name "$name")" = /dev/nvme1n1 ]
    done
    [ -z "$(nvme_name /dev/xvdc)" ]
    rm bin/nvme
    holds_root() { [ "$1" = /dev/nvme0n1 ]; }
    [ "$(nvme_name /dev/xvdb)" = /dev/nvme1n1 ]
    # Of two others none can be told to be the one.
    ATTACHED+=(/dev/nvme2n1)
    [ -z "$(nvme_name /dev/xvdb)" ]
}

@test "both kinds of machine are taken, others are not, and for each there is a release of Lighthouse" {
    NODE=none NETWORK=sepolia
    for machine in x86_64 aarch64; do
        stand_in uname "$machine"
        run check_machine
        [[ $output != *"it works on amd64 and arm64"* ]]
        [[ ${LIGHTHOUSE_SHA256[$machine]} =~ ^[0-9a-f]{64}$ ]]
    done
    stand_in uname riscv64
    run check_machine
    [ "$status" = "$REFUSED" ]
    [[ $output == *"this is riscv64; it works on amd64 and arm64"* ]]
}

@test "an option of an old program file is read in each way of writing it" {
    echo "command=geth --datadir /data/ethereum --unlock 0,1  --password=/home/me/word --rpc -a 0x12" >f
    [ "$(old_option f datadir)" = /data/ethereum ]
    [ "$(old_option f unlock)" = 0,1 ]
    [ "$(old_option f password)" = /home/me/word ]
    [ "$(old_option f a)" = 0x12 ]
    [ -z "$(old_option f keystore)" ]
}

@test "the unlocked account is told by its number or its address" {
    mkdir keystore
    echo '{"address":"aa00000000000000000000000000000000000000"}' >keystore/UTC--2016--aa
    echo '{"address":"bb00000000000000000000000000000000000000"}' >keystore/UTC--2015--bb
    [ "$(unlocked_key keystore 0)" = keystore/UTC--2015--bb ]
    [ "$(unlocked_key keystore 1,0)" = keystore/UTC--2016--aa ]
    [ "$(unlocked_key keystore 0xAA00000000000000000000000000000000000000)" = keystore/UTC--2016--aa ]
    [ "$(unlocked_key keystore '')" = keystore/UTC--2015--bb ]
    [ -z "$(unlocked_key keystore 2)" ]
    [ -z "$(unlocked_key nowhere 0)" ]
}

@test "scheduler-v6 is installed only where the old guide was followed" {
    NETWORK=sepolia NODE=geth SIGNER=clef PROGRAMS=scheduler,scheduler-v6
    run check_choices
    [ "$status" = "$REFUSED" ]
    [[ $output == *"scheduler-v6 is for boxes that an older guide set up"* ]]
    OLD_FILES=(geth.conf)
    [ "$(default_programs)" = scheduler,scheduler-v6 ]
    [ "$(default_network)" = mainnet ]
    check_choices
}

@test "a private file that is missing is refused with the command that mends it" {
    run check_private scheduler "$PWD/key.password"
    [ "$status" = "$REFUSED" ]
    [[ $output == *"the file $PWD/key.password is missing: put it back from your copy"* ]]
}

@test "an operator's own line for the volume in fstab stays" {
    FSTAB=$PWD/fstab DISK=/dev/null FILE_SYSTEM=ext4
    stand_in blkid 1234-5678
    echo "/dev/xvdb /data ext4 noatime 0 2" >fstab
    put_in_fstab /dev/xvdb
    [ "$CHANGES" = 0 ]
    DRY_RUN=yes
    echo "/dev/xvda1 / ext4 defaults 0 1" >fstab
    run put_in_fstab /dev/xvdb
    [ "$output" = "   would add to $FSTAB: UUID=1234-5678 /data ext4 defaults,nofail 0 2" ]
}

@test "geth gets a network, loopback alone, a JWT, and clef as its signer" {
    NETWORK=hoodi SIGNER=clef
    run geth_arguments
    [[ $output == "--hoodi --datadir /data/ethereum "* ]]
    [[ $output == *"--authrpc.jwtsecret /data/ethereum/jwt.hex"* ]]
    [[ $output == *"--signer /data/clef/clef.ipc" ]]
    [[ $output != *"*"* ]]
    for option in http ws authrpc; do
        [[ $output == *"--$option.addr 127.0.0.1"* ]]
    done
    SIGNER=keystore
    run geth_arguments
    [[ $output != *"--signer"* ]]
}

@test "rskj gets its ports on loopback, and a wallet only where it holds the key" {
    NETWORK=rsk-testnet
    run rskj_configuration ""
    [[ $output == *"peer.port = 50505"* ]]
    [[ $output == *"port = 4444"*"port = 4445"* ]]
    [ "$(grep -c 'bind_address = "127.0.0.1"' <<<"$output")" = 2 ]
    [[ $output != *wallet* ]]
    run rskj_configuration abcd
    [[ $output == *$'wallet {\n    enabled = true\n    accounts = [{ privateKey = "abcd" }]\n}' ]]
}

@test "the firewall always opens the ports on which sshd listens" {
    echo 30303 >ports
    stand_in sshd $'port 22\nport 2222'
    stand_in ss 'LISTEN 0 128 0.0.0.0:7022 0.0.0.0:* users:(("sshd",pid=1,fd=3))'
    stand_in systemctl 'Listen=0.0.0.0:8022 (Stream)'
    SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 9022" PORTS=$PWD/ports run "$HERE/firewall" --print
    [[ $output == *"tcp dport { 22,2222,7022,8022,9022 } accept"* ]]
    [[ $output == *"tcp dport { 30303 } accept"*"udp dport { 30303 } accept"* ]]
    [[ $output == *"policy drop;"* ]]
}

@test "where sshd does not say its ports, its files do, else it is the usual one" {
    : >ports
    for each in ss systemctl; do stand_in "$each" ''; done
    printf '#!/bin/sh\nexit 255\n' >bin/sshd
    chmod +x bin/sshd
    export SSHD_FILES=$PWD/ssh PORTS=$PWD/ports SSH_CONNECTION=
    [ "$("$HERE/firewall" --ssh-ports)" = 22 ]
    mkdir -p ssh/sshd_config.d
    printf '%s\n' '#Port 22' 'ListenAddress ::1' 'ListenAddress [::]:2200' 'listenaddress 0.0.0.0:2300' >ssh/sshd_config
    echo 'Port 2222' >ssh/sshd_config.d/mine.conf
    [ "$("$HERE/firewall" --ssh-ports | paste -sd ' ')" = "2200 2222 2300" ]
}

@test "apt's locks, which a new machine holds itself, are waited for, and nothing else is" {
    printf '#!/bin/sh\necho "$*" >>calls\n[ -e held ] || exit 0\ncat held\nexit 100\n' >bin/apt-get
    chmod +x bin/apt-get
    sleep() { rm held; }
    for each in /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
        echo "E: Could not get lock $each. It is held by process 7 (apt-get)" >held
        : >calls
        apt_install some-package
        [ "$(wc --lines <calls)" = 2 ]
    done
    echo "E: Unable to locate package some-package" >held
    : >calls
    run apt_install some-package
    [ "$status" = 100 ]
    [ "$output" = "E: Unable to locate package some-package" ]
    [ "$(wc --lines <calls)" = 1 ]
}

@test "ufw, where it is on, is told the peers' ports" {
    NETWORK=hoodi NODE=geth
    stand_in ufw 'Status: inactive'
    [ -z "$(say_ufw)" ]
    stand_in ufw $'Status: active\n\nTo                         Action      From\n30303                      ALLOW       Anywhere'
    [ "$(say_ufw)" = "   warning: ufw is on, too, and shuts ports of peers: sudo ufw allow 9000" ]
    NODE=none
    [ -z "$(say_ufw)" ]
}

@test "a clef that ends leaves nothing that waits for its socket" {
    mkdir home sockets
    echo word >home/master.password
    stand_in clef "no configuration"
    for run in 1 2; do
        CLEF_HOME=$PWD/home CLEF_SOCKETS=$PWD/sockets "$HERE/run-clef" 1 "$PWD/bin/clef" >said 2>&1 3>&-
        grep --quiet "no configuration" said
    done
    for tries in {1..600}; do
        pgrep --full "run-clef 1 $PWD/bin/clef" >waiting || break
        sleep 0.1
    done
    [ ! -s waiting ]
}

@test "a release takes its libraries' pins along, and what a journal in a database needs is among them" {
    code_files | tr '\0' '\n' >taken
    for file in "${PINS[@]}"; do
        grep --quiet --line-regexp "$file" taken
    done
    pip_install() { printf '%s\n' "${@:2}" | sed -n 's/^--requirement=//p' | xargs cat >installed; }
    python3() { mkdir libraries; }
    install_libraries "$PWD/libraries" "$ROOT"
    for name in pydantic psycopg psycopg-binary setuptools; do
        grep --quiet "^$name==" installed
    done
}

@test "the account is named as the network's wallets write it" {
    install_commands
    CONFIG_FILE=config.toml SIGNER=keystore
    echo '{"address":"5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"}' >key.json
    while read -r NETWORK address; do
        printf '%s\n' "network = \"$NETWORK\"" 'signer = "keystore"' '[keystore]' \
            "file = \"$PWD/key.json\"" "password-file = \"$PWD/key.password\"" >config.toml
        run say_account
        [ "$output" = "   the account is $address: send it at least $(scheduler_command config needs --config config.toml)" ]
    done <<'EOF'
mainnet 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed
rsk-mainnet 0x5aaEB6053f3e94c9b9a09f33669435E7ef1bEAeD
rsk-testnet 0x5aAeb6053F3e94c9b9A09F33669435E7EF1BEaEd
EOF
}

@test "a URL's key is not shown" {
    [ "$(without_key https://user:word@node.example:8545/v3/0123456789abcdef)" = https://node.example:8545 ]
}
