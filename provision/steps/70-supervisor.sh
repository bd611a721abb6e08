# shellcheck shell=bash
# supervisord: who may speak to it, how long it takes to stop, and which programs it has.

step_supervisor() {
    about "the programs under supervisord"
    local program boot=--no-autostart before=$CHANGES
    [[ -z $AUTOSTART ]] || boot=--autostart
    put_control_socket
    put_stop_time
    ((CHANGES == before)) || change "start supervisord again, with that" restart_supervisor
    while read -r program; do
        # Of two names of one program, one starts at boot.
        if [[ $program == scheduler && $PROGRAMS == *scheduler-v6* ]]; then
            AUTOSTART='' put_program scheduler scheduler --no-autostart
        else
            put_program "$program" scheduler "$boot"
        fi
    done < <(tr , '\n' <<<"$PROGRAMS" | grep --invert-match --line-regexp scheduler-monitor || true)
    # On every box, and from the start: it tells, too, that nothing else runs.
    put_program scheduler-monitor scheduler --autostart
    if ((${#CHANGED_PROGRAMS[@]})); then
        change "let supervisord know of ${CHANGED_PROGRAMS[*]}" update_programs "${CHANGED_PROGRAMS[@]}"
    fi
    put_disk_guard
}

# Stops the node in good order before its disk is full.
put_disk_guard() {
    local before=$CHANGES units=/etc/systemd/system
    put_file "$units/scheduler-disk-guard.service" 644 root:root <<EOF
# Written by provision/setup.sh.
[Unit]
Description=Stops the node before its disk is full
[Service]
Type=oneshot
ExecStart=$OPT/current/src/provision/disk-guard $DATA
EOF
    put_file "$units/scheduler-disk-guard.timer" 644 root:root <<EOF
# Written by provision/setup.sh.
[Timer]
OnBootSec=1min
OnUnitActiveSec=1min
[Install]
WantedBy=timers.target
EOF
    ((CHANGES == before)) || change "watch the disk every minute" start_disk_guard
}

start_disk_guard() {
    systemctl daemon-reload
    systemctl enable --now scheduler-disk-guard.timer
}

# supervisorctl works without sudo for the group of whom setup was called by. scheduler-monitor asks
# for the programs' states, so the socket is its user's.
put_control_socket() {
    put_file "$PROGRAM_FILES/00-control.conf" 644 root:root <<EOF
; Written by provision/setup.sh: members of this group may start and stop the programs.
[unix_http_server]
chmod=0770
chown=scheduler:$(operators_group)
EOF
}

# geth needs minutes to write its state to the disk (stopwaitsecs=300 in conf.d/geth.conf). What
# supervisord leaves behind when it is killed ends by itself (setpriv --pdeathsig in the program files).
put_stop_time() {
    put_directory /etc/systemd/system/supervisor.service.d 755 root:root
    put_file /etc/systemd/system/supervisor.service.d/scheduler-kit.conf 644 root:root <<EOF
# Written by provision/setup.sh.
[Service]
TimeoutStopSec=330
Restart=always
RestartSec=2
EOF
}

restart_supervisor() {
    systemctl daemon-reload
    systemctl enable supervisor
    systemctl restart supervisor
    wait_for_supervisor
}

wait_for_supervisor() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        ! supervisorctl pid >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    echo "supervisord does not answer: see journalctl --unit supervisor"
    return 1
}

# `update` starts a program that starts at boot, and one again that ran; clef reads its rules at its
# start alone.
update_programs() {
    supervisorctl reread
    supervisorctl update "$@"
    [[ " $* " != *" clef "* ]] || supervisorctl restart clef
}
