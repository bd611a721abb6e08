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

# A list that cannot be read is a failure here; apt-get alone would only warn.
read_package_lists() {
    apt-get update -o DPkg::Lock::Timeout=600 -o APT::Update::Error-Mode=any -o Acquire::Retries=2 || {
        echo "no package registry could be reached: check the network, and /etc/apt/sources.list"
        return 1
    }
}

# A new machine looks for updates by itself in its first minutes, and holds the lock meanwhile.
apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=600 "$@"
}
