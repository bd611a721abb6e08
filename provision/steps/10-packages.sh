# shellcheck shell=bash
# What Debian and Ubuntu have themselves.

# nftables: the firewall; python3-venv: an environment for the schedulers' libraries;
# systemd-timesyncd: the clock; unattended-upgrades: security updates.
PACKAGES=(ca-certificates e2fsprogs nftables python3 python3-venv supervisor unattended-upgrades)

step_packages() {
    about "Debian packages, and their security updates"
    local package missing=()
    for package in "${PACKAGES[@]}" $(clock_package); do
        installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]})); then
        change "read the package lists" read_package_lists
        change "install ${missing[*]}" apt_install "${missing[@]}"
    fi
    put_file /etc/apt/apt.conf.d/20auto-upgrades 644 root:root <<'EOF'
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
EOF
    put_needrestart
}

# After an update Ubuntu's needrestart starts the services again whose libraries are new. With
# supervisord the node would be stopped, at night and unasked, and the schedulers that were started by
# hand would stay so.
put_needrestart() {
    put_directory /etc/needrestart/conf.d 755 root:root
    put_file /etc/needrestart/conf.d/scheduler-kit.conf 644 root:root <<'EOF'
# Written by provision/setup.sh: an update stops neither node nor schedulers.
$nrconf{override_rc}{qr(^supervisor\.service$)} = 0;
EOF
}

# What keeps the clock: whatever is there, else systemd's own.
clock_package() {
    local package
    for package in chrony ntpsec systemd-timesyncd; do
        if installed "$package"; then
            return
        fi
    done
    echo systemd-timesyncd
}

# A new machine looks for updates by itself in its first minutes, and holds apt's locks meanwhile: those
# for lists and downloads, for which apt-get does not wait, and dpkg's, for which it can.
APT_SECONDS=600

apt_get() {
    local said status deadline=$((SECONDS + APT_SECONDS))
    while true; do
        status=0
        said=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout="$APT_SECONDS" \
            -o Acquire::Retries=3 "$@" 2>&1) || status=$?
        printf '%s\n' "$said"
        [[ $status != 0 && $said == *"Could not get lock "* ]] && ((SECONDS < deadline)) || return "$status"
        sleep 5
    done
}

# A list that cannot be read is a failure here; apt-get alone would only warn.
read_package_lists() {
    local said
    said=$(apt_get update -o APT::Update::Error-Mode=any) && printf '%s\n' "$said" && return
    printf '%s\n' "$said"
    if [[ $said == *"Could not get lock "* ]]; then
        echo "another program has held apt's locks for $((APT_SECONDS / 60)) minutes: wait for its end, then run this again"
    else
        echo "no package registry could be reached: check the network, and the sources in /etc/apt"
    fi
    return 1
}

apt_install() { apt_get install --yes --no-install-recommends "$@"; }
