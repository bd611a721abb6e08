# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153  # read by the steps
# What a box needs for each network, and which ports its node takes peers on.
#
#   node     geth or rskj; the public ones of geth have a consensus client, `beacon`, beside it
#   p2p      the node's port for peers: TCP and UDP (rskj: peers over TCP, discovery over UDP)
#   beacon   the consensus client's, TCP and UDP; - where there is none
#   disk     GB that the volume must have at least, memory in MB, cores: with a node on the box.
#            rskj's are its own documentation's minimum; geth's are a pruned node's and its consensus
#            client's size of 2025 with a year's growth; dev holds a chain of one's own.
#   chain    the chain id, which clef signs for
#   url      where the schedulers reach the node of this box
NETWORKS='
mainnet      geth  30303  9000  2000  16000  4  1         ws://127.0.0.1:8546
sepolia      geth  30303  9000   800   8000  2  11155111  ws://127.0.0.1:8546
hoodi        geth  30303  9000   200   8000  2  560048    ws://127.0.0.1:8546
rsk-mainnet  rskj   5050  -      128   8000  2  30        ws://127.0.0.1:4445/websocket
rsk-testnet  rskj  50505  -      128   8000  2  31        ws://127.0.0.1:4445/websocket
rsk-regtest  rskj  50501  -       10   2000  1  33        ws://127.0.0.1:4445/websocket
dev          geth  -      -        1    400  1  1337      ws://127.0.0.1:8545
'
# Without a node, a box holds the journal alone: the smallest machines do.
WITHOUT_NODE='none  none  -  -  1  400  1  -  -'

# The alarm clock of the development chain: a contract's address follows from who deploys it and when,
# so it is the same on every new one (scheduler/devchain/deployment.py).
DEV_ALARM=0x712516e61c8b383df4a63cfe83d7701bce54b03e

network_names() { awk 'NF { print $1 }' <<<"$NETWORKS"; }

# One value of a network: network_value NAME node|p2p|beacon|disk|memory|cores|chain|url
network_value() { row_value "$NETWORKS" "$1" "$2"; }

# What the box must have at least, of the network and node that were chosen: least disk|memory|cores
least() {
    if [[ $NODE == none ]]; then
        row_value "$WITHOUT_NODE" none "$1"
    else
        network_value "$NETWORK" "$1"
    fi
}

# The ports on which nodes take peers, one a line; TCP and UDP alike.
peer_ports() {
    [[ $NODE != none ]] || return 0
    local kind port
    for kind in p2p beacon; do
        port=$(network_value "$NETWORK" "$kind")
        [[ $port == - ]] || echo "$port"
    done
}

row_value() {
    awk -v name="$2" -v key="$3" '
        BEGIN { split("name node p2p beacon disk memory cores chain url", keys, " ") }
        $1 == name { for (i in keys) if (keys[i] == key) print $i }
    ' <<<"$1"
}
