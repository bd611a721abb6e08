# shellcheck shell=bash
# shellcheck disable=SC2034  # set by name here, read by the steps
# What the operator chose: from the command line, else from the box's configuration, else asked for.

NETWORK='' NODE='' RPC_URL='' DEVICE='' PROGRAMS='' SIGNER=''
NODE_BINARY='' CLEF_BINARY='' BEACON_BINARY='' CONFIG='' AUTOSTART=''

usage() {
    cat <<'EOF'
Usage: sudo provision/setup.sh --network NAME [OPTION …]

Makes this box a running operator: packages, volume, node, account, schedulers under supervisord,
firewall. Run it again at any time: it changes only what is not as it should be.

  --network NAME         mainnet, sepolia, hoodi, rsk-mainnet, rsk-testnet, rsk-regtest or dev
  --node geth|rskj|none  the node on this box [the one that the network needs]
  --rpc-url URL          a node that is elsewhere; with --node none
  --device DEVICE        the volume's disk, such as /dev/xvdb [the one disk that is empty]
  --programs A,B         scheduler, scheduler-liquidation, … [scheduler]
  --signer NAME          clef, node or keystore [what the network allows; docs/install.md]
  --node-binary PATH     geth, or rskj's jar, instead of its packages; needed on Debian
  --clef-binary PATH     clef instead of its package
  --beacon-binary PATH   the consensus client instead of its release
  --config FILE          a config.toml of yours, put into /etc/scheduler if none is there
  --autostart            the programs start when the box boots
  --yes                  answer every question with yes
  --dry-run              say every change, and make none

Without --network the box's /etc/scheduler/config.toml says it; without that you are asked.
EOF
}

parse_options() {
    while (($#)); do
        case $1 in
            --network | --node | --rpc-url | --device | --programs | --signer | --node-binary | \
                --clef-binary | --beacon-binary | --config)
                (($# > 1)) || refuse "$1 needs a value; see $0 --help"
                local name=${1#--}
                name=${name^^}
                printf -v "${name//-/_}" %s "$2"
                shift 2
                ;;
            --autostart | --yes | --dry-run)
                local flag=${1#--}
                flag=${flag^^}
                printf -v "${flag//-/_}" %s yes
                shift
                ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) refuse "there is no option $1; see $0 --help" ;;
        esac
    done
}

# Fills in what the command line left open.
complete_choices() {
    if [[ -f $CONFIG_FILE ]] && code_is_there; then
        from_configuration
    elif [[ -z $NETWORK && -t 0 ]]; then
        ask_for_choices
    fi
    [[ -n $NETWORK ]] || refuse "name a network: --network $(network_names | paste -sd '|')"
    [[ -n $(network_value "$NETWORK" node) ]] ||
        refuse "there is no network '$NETWORK'; there are: $(network_names | paste -sd ' ')"
    if [[ -z $NODE ]]; then
        NODE=$(network_value "$NETWORK" node)
        [[ -z $RPC_URL ]] || NODE=none
    fi
    [[ -n $RPC_URL || $NODE == none ]] || RPC_URL=$(network_value "$NETWORK" url)
    [[ -n $PROGRAMS ]] || PROGRAMS=$(default_programs)
    [[ -n $SIGNER ]] || SIGNER=$(default_signer)
}

# The name that the old guide gave it stays where it was followed.
default_programs() {
    if is_old_box; then echo scheduler,scheduler-v6; else echo scheduler; fi
}

default_network() {
    if is_old_box; then echo mainnet; else echo sepolia; fi
}

default_signer() {
    case $NETWORK,$NODE in
        dev,geth) echo node ;;
        *,geth) echo clef ;;
        *) echo keystore ;;
    esac
}

# The box's configuration is the operator's: what contradicts it is refused, not written into it.
from_configuration() {
    local settings key variable given value
    settings=$(scheduler_command config show --config "$CONFIG_FILE") ||
        refuse "$CONFIG_FILE cannot be read: see the line above"
    while read -r key variable; do
        value=$(setting "$key" <<<"$settings")
        given=${!variable}
        # What is shown of a URL lacks its key, and so does not tell whether it is the same.
        [[ $key != rpc-url || -z $given ]] || ! is_configured_node "$given" || given=$value
        [[ -z $given || $given == "$value" ]] || refuse \
            "this box is set up with $key = $value in $CONFIG_FILE: change it there, then run: sudo $0"
        printf -v "$variable" %s "$value"
    done <<'EOF'
network NETWORK
box.node NODE
rpc-url RPC_URL
box.programs PROGRAMS
EOF
    value=$(setting signer <<<"$settings")
    # geth signs with clef on public networks, and with its own account on its development chain.
    [[ $value != node || $NODE != geth || $NETWORK == dev ]] || value=clef
    [[ -z $SIGNER || $SIGNER == "$value" ]] ||
        refuse "this box signs with $value by $CONFIG_FILE: change it there, then run: sudo $0"
    SIGNER=$value
}

# Whether what --rpc-url says is what the configuration says, keys and all.
is_configured_node() {
    printf %s "$1" | "$OPT/current/bin/python" -c 'import sys
from pathlib import Path
from scheduler.config import load
file, given = Path(sys.argv[1]), {"SCHEDULER_RPC_URL": sys.stdin.read()}
sys.exit(load(file, given).rpc_url != load(file, {}).rpc_url)' "$CONFIG_FILE" 2>/dev/null
}

# A value of what `scheduler config show` printed; of a list, separated by commas.
setting() { sed -n "s/^$1 = //p" | tr -d '[]" '; }

ask_for_choices() {
    NETWORK=$(ask "Network ($(network_names | paste -sd ' '))" "$(default_network)")
    NODE=${NODE:-$(ask "Node on this box (geth, rskj, none)" "$(network_value "$NETWORK" node)")}
    [[ $NODE != none || -n $RPC_URL ]] || RPC_URL=$(ask "The node's URL" "")
    SIGNER=${SIGNER:-$(ask "Who signs (clef, node, keystore)" "$(default_signer)")}
    PROGRAMS=${PROGRAMS:-$(ask "Programs" "$(default_programs)")}
    DEVICE=${DEVICE:-$(ask "The volume's disk (empty: the one that is unused)" "")}
}

ask() {
    local answer
    read -r -p "$1${2:+ [$2]}: " answer
    echo "${answer:-$2}"
}

# Refuses what does not go together.
check_choices() {
    local needed file
    needed=$(network_value "$NETWORK" node)
    [[ $NODE == "$needed" || $NODE == none ]] ||
        refuse "--node $NODE: $NETWORK needs $needed, or none with --rpc-url of a node elsewhere"
    [[ $NODE != none || -n $RPC_URL ]] || refuse "--node none needs --rpc-url, the node's URL"
    case $NODE,$SIGNER in
        *,keystore | rskj,node) ;;
        geth,clef) [[ $NETWORK != dev ]] || refuse "--signer clef: on dev the node itself signs; leave it out" ;;
        geth,node) [[ $NETWORK == dev ]] ||
            refuse "--signer node: geth unlocks no accounts any more; use --signer clef, with which its JSON-RPC signs" ;;
        none,clef) ;;
        *,clef) refuse "--signer clef goes with geth on this box, or a node elsewhere; use --signer keystore" ;;
        none,node) [[ -f $CONFIG_FILE ]] || refuse "--signer node goes with a node on this box; use --signer keystore" ;;
        *) refuse "--signer $SIGNER: write clef, node or keystore" ;;
    esac
    for file in NODE_BINARY CLEF_BINARY BEACON_BINARY CONFIG; do
        [[ -z ${!file} || -f ${!file} ]] || refuse "there is no file ${!file}"
    done
    while read -r file; do
        [[ -f $ROOT/conf.d/$file.conf && $file == scheduler* ]] ||
            refuse "--programs: there is no program '$file'"
        [[ $file != scheduler-v6 || -f $CONFIG_FILE ]] || is_old_box ||
            refuse "--programs: scheduler-v6 is for boxes that an older guide set up with it; here it is scheduler"
    done < <(tr , '\n' <<<"$PROGRAMS")
}

# Refuses a machine that is not fit; too little memory or cores is only said.
check_machine() {
    local system memory cores least_memory least_cores
    system=$(distribution)
    case $system in
        "ubuntu 22.04" | "ubuntu 24.04") ;;
        "debian 12")
            [[ $NODE == none || -n $NODE_BINARY ]] || node_is_installed ||
                refuse "Debian has no packages of $NODE: give it with --node-binary PATH"
            ;;
        *) refuse "this is $system; it works on Ubuntu 22.04 and 24.04, and on Debian 12" ;;
    esac
    [[ $SIGNER != clef || $system == ubuntu* || -n $CLEF_BINARY ]] || clef_is_installed ||
        refuse "Debian has no package of clef: give it with --clef-binary PATH, or choose --signer keystore"
    case $(uname --machine) in
        x86_64 | aarch64) ;;
        *) refuse "this is $(uname --machine); it works on amd64 and arm64" ;;
    esac
    least_memory=$(least memory)
    least_cores=$(least cores)
    memory=$(awk '/^MemTotal/ { print int($2 / 1000) }' /proc/meminfo)
    cores=$(nproc)
    # An instance sold with 8 GB shows some hundred MB less.
    ((memory * 10 >= least_memory * 9)) ||
        warn "$memory MB of memory; $NETWORK with node $NODE wants $least_memory: it may be killed for it"
    ((cores >= least_cores)) ||
        warn "$cores cores; $NETWORK with node $NODE wants $least_cores: it may fall behind"
}

# The distribution and its version, as it calls itself.
distribution() { (. /etc/os-release && echo "$ID $VERSION_ID"); }

# Refuses where somebody else has a port that this box's node needs.
check_ports() {
    local program port user
    [[ $NODE != none ]] || return 0
    program=$NODE
    [[ $NETWORK != dev ]] || program=devchain
    # Once the node is installed, it has them itself.
    [[ ! -f $PROGRAM_FILES/$program.conf ]] || return 0
    for port in $(rpc_ports) $(peer_ports); do
        user=$(ss --no-header --listening --tcp --udp --numeric --processes "sport = :$port" |
            sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1, process \2/p' | head --lines=1)
        [[ -z $user ]] || refuse "port $port, which $program needs, is in use ($user): stop that first"
    done
}

# The node's ports on loopback.
rpc_ports() {
    case $NODE,$NETWORK in
        geth,dev) echo 8545 ;;
        geth,*) echo 8545 8546 8551 ;;
        rskj,*) echo 4444 4445 ;;
    esac
}

describe_choices() {
    echo "$NETWORK, node $NODE, signer $SIGNER, programs $PROGRAMS"
}

# What the operator does next.
say_next() {
    [[ -z $DRY_RUN ]] || return 0
    # Of the two names of one program, the one that this box's operator knows.
    local programs=${PROGRAMS/scheduler,scheduler-v6/scheduler-v6}
    say "Next: supervisorctl start ${programs//,/ }"
    say "      tail -f $PROGRAM_LOGS/scheduler*.log"
}
