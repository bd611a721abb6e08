# shellcheck shell=bash
# The firewall: peers' ports and those on which sshd listens; everything else is shut.

step_firewall() {
    about "the firewall"
    local ports before=$CHANGES unit=/etc/systemd/system/scheduler-firewall.service
    ports=$(peer_ports)
    put_file "$ETC/firewall-ports" 644 root:root <<<"$ports"
    put_file "$unit" 644 root:root <<EOF
# Written by provision/setup.sh. After a change of sshd's ports: systemctl restart scheduler-firewall
[Unit]
Description=Firewall of the scheduler box
Documentation=file:$OPT/current/src/docs/install.md
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$OPT/current/src/provision/firewall
ExecStop=nft delete table inet scheduler_kit

[Install]
WantedBy=multi-user.target
EOF
    if ((CHANGES > before)) || ! firewall_is_up; then
        change "shut all ports but sshd's ($(sshd_ports | paste -sd ' '))$(describe_peer_ports)" start_firewall
    fi
    say_ufw
}

# What either of two firewalls shuts is shut; ufw, Ubuntu's own, is off unless somebody wanted it.
say_ufw() {
    local status port shut=()
    command -v ufw >/dev/null || return 0
    status=$(LC_ALL=C ufw status 2>/dev/null || true)
    [[ $status == "Status: active"* ]] || return 0
    for port in $(peer_ports); do
        grep --quiet --extended-regexp "^$port +(ALLOW|LIMIT)" <<<"$status" || shut+=("sudo ufw allow $port")
    done
    ((${#shut[@]} == 0)) || warn "ufw is on, too, and shuts ports of peers: $(paste -sd ';' < <(printf '%s\n' "${shut[@]}"))"
}

firewall_is_up() { nft list table inet scheduler_kit >/dev/null 2>&1; }

start_firewall() {
    systemctl daemon-reload
    systemctl enable scheduler-firewall
    systemctl restart scheduler-firewall
}

describe_peer_ports() {
    local ports
    ports=$(peer_ports | paste -sd ' ')
    echo "${ports:+ and those of peers ($ports)}"
}

sshd_ports() { DRY_RUN=$DRY_RUN "$HERE/firewall" --ssh-ports; }
