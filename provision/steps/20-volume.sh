# shellcheck shell=bash
# The volume for the chain and the journal. Nothing that carries anything is ever formatted.

# The disk that holds, or will hold, the volume; and the kind of its file system, if it has one.
DISK=
FILE_SYSTEM=

# Chooses the disk, and refuses one that is not fit, before anything is changed.
check_volume() {
    if mountpoint --quiet "$DATA"; then
        DISK=$(findmnt --noheadings --output SOURCE "$DATA")
        FILE_SYSTEM=$(findmnt --noheadings --output FSTYPE "$DATA")
        [[ -z $DEVICE || $(device_number "$DEVICE") == "$(device_number "$DISK")" ]] ||
            refuse "$DISK is mounted at $DATA already, not $DEVICE: leave --device out"
        [[ ! -b $DISK || -f $CONFIG_FILE ]] || refuse_small "$DISK"
        return
    fi
    DISK=$(chosen_disk)
    refuse_small "$DISK"
    FILE_SYSTEM=$(file_system_to_keep "$DISK")
}

step_volume() {
    about "the volume, $DISK mounted at $DATA"
    if [[ -n $FILE_SYSTEM ]]; then
        note "the file system on it ($FILE_SYSTEM) stays as it is"
    else
        [[ -n $DRY_RUN ]] || confirmed "make an ext4 file system on $DISK ($(size_of "$DISK") GB, empty)?" ||
            refuse "$DISK was not formatted: name another with --device"
        change "make an ext4 file system on $DISK" mkfs.ext4 -q -L scheduler-data "$DISK"
    fi
    mountpoint --quiet "$DATA" || put_directory "$DATA" 755 root:root
    put_in_fstab "$DISK"
    mountpoint --quiet "$DATA" || change "mount $DISK at $DATA" mount "$DATA"
    [[ -n $DRY_RUN ]] || mountpoint --quiet "$DATA" ||
        fail "$DATA is no mount point, so nothing is written there: see findmnt $DATA, /etc/fstab"
}

# Two names with one number are one disk.
device_number() { stat --dereference --format=%Hr:%Lr "$1" 2>/dev/null || true; }

# The disk that was named, by the name that the kernel has for it; else the only unused one.
chosen_disk() {
    local disk found=()
    if [[ -n $DEVICE ]]; then
        disk=$DEVICE
        [[ -b $disk ]] || disk=$(nvme_name "$DEVICE")
        [[ -b $disk ]] || refuse "there is no disk $DEVICE; there are: $(disks | paste -sd ' ')"
        readlink --canonicalize "$disk"
        return
    fi
    while read -r disk; do
        [[ -n $(why_not_format "$disk") ]] || found+=("$disk")
    done < <(disks)
    case ${#found[@]} in
        1) echo "${found[0]}" ;;
        0) refuse "there is no unused disk: attach a volume, or name a disk with --device; there are: $(disks | paste -sd ' ')" ;;
        *) refuse "more than one disk is unused: name the one to take with --device: ${found[*]}" ;;
    esac
}

# The whole disks of this machine. Loop devices and memory are none, nor are drives of CDs.
disks() {
    local disk kind size
    lsblk --noheadings --nodeps --paths --bytes --exclude 1,7 --output NAME,TYPE,SIZE |
        while read -r disk kind size; do
            [[ $kind != disk || $size == 0 || ! -b $disk ]] || echo "$disk"
        done
}

# On AWS's Nitro instances a volume attached as /dev/xvdb (or sdb) shows up as NVMe: its controller
# keeps the name of the attachment in the vendor's part of its data, from byte 3072 on.
nvme_name() {
    local wanted=${1#/dev/} controller
    for controller in $(nvme_disks); do
        if command -v nvme >/dev/null &&
            nvme id-ctrl --raw-binary "${controller%n1}" 2>/dev/null | cut --bytes=3073-3104 | tr -d '\0 ' |
            grep --quiet --extended-regexp "^(/dev/)?(${wanted}|${wanted/#xvd/sd})$"; then
            echo "$controller"
        fi
    done
    # Without its tool: the only NVMe disk besides that of the root file system is meant.
    command -v nvme >/dev/null || other_nvme_disks
}

nvme_disks() { disks | grep '^/dev/nvme' || true; }

other_nvme_disks() {
    local disk found=()
    while read -r disk; do
        holds_root "$disk" || is_instance_store "$disk" || found+=("$disk")
    done < <(nvme_disks)
    ((${#found[@]} != 1)) || echo "${found[0]}"
}

# A disk of the machine on which an instance of AWS happens to run.
is_instance_store() {
    [[ $(lsblk --noheadings --nodeps --output MODEL "$1" 2>/dev/null) == *"Instance Storage"* ]]
}

holds_root() { lsblk --noheadings --output MOUNTPOINTS "$1" 2>/dev/null | grep --quiet --line-regexp /; }

# Why a disk must not be formatted; nothing where it may. What cannot be told is a reason, too: it is
# asked in conditions, in which bash does not stop at an error.
why_not_format() {
    local disk=$1 kernel_name mounted signatures
    kernel_name=$(lsblk --noheadings --nodeps --output KNAME "$disk" 2>/dev/null) || {
        echo "it cannot be read"
        return
    }
    mounted=$(lsblk --noheadings --output MOUNTPOINTS "$disk" | awk 'NF' | paste -sd ' ')
    if holds_root "$disk"; then
        echo "it holds the root file system"
    elif [[ -n $mounted ]]; then
        echo "it is mounted at $mounted"
    elif [[ -n $(ls --almost-all "/sys/class/block/$kernel_name/holders" 2>/dev/null) ]]; then
        echo "it is part of $(ls "/sys/class/block/$kernel_name/holders") (LVM, RAID or encryption)"
    elif [[ $(lsblk --noheadings --output KNAME "$disk" | wc --lines) -gt 1 ]]; then
        echo "it has partitions"
    elif is_instance_store "$disk"; then
        echo "it is the instance's own, and what is on it is lost when the instance stops"
    elif ! signatures=$(wipefs --no-act --noheadings --output TYPE "$disk" 2>/dev/null | paste -sd ' '); then
        echo "it cannot be read"
    elif [[ -n $signatures ]]; then
        echo "it carries data ($signatures)"
    fi
}

# The kind of the file system on a disk that was named for it; nothing where the disk is empty.
# Refuses every other disk that carries anything.
file_system_to_keep() {
    local disk=$1 reason kind emptying=
    reason=$(why_not_format "$disk")
    [[ -n $reason ]] || return 0
    # What is in use is no disk to give up.
    [[ $reason != "it has partitions" && $reason != "it carries data "* ]] ||
        emptying="; to give this one up, empty it yourself: wipefs --all $disk"
    kind=$(blkid --probe --usages filesystem --match-tag TYPE --output value "$disk" || true)
    [[ -n $DEVICE && $reason == "it carries data "* && $kind == @(ext4|ext3|xfs|btrfs) ]] ||
        refuse "$disk is left alone: $reason. Name an empty disk with --device$emptying"
    echo "$kind"
}

size_of() { echo $(($(blockdev --getsize64 "$1") / 1000000000)); }

refuse_small() {
    local disk=$1 size
    size=$(size_of "$disk")
    ((size >= $(least disk))) ||
        refuse "$disk has $size GB; $NETWORK with node $NODE needs $(least disk): attach a larger volume"
}

# The line by which the volume is mounted at boot; a box without its volume boots all the same.
put_in_fstab() {
    local disk=$1 uuid line fstab=${FSTAB:-/etc/fstab}
    uuid=$(blkid --probe --match-tag UUID --output value "$disk" || true)
    [[ -n $uuid || -n $DRY_RUN ]] || fail "the file system on $disk has no UUID: see blkid $disk"
    line="UUID=${uuid:-of the new file system} $DATA ${FILE_SYSTEM:-ext4} defaults,nofail 0 2"
    ! grep --quiet --line-regexp --fixed-strings "$line" "$fstab" || return 0
    # An operator's own line for this place is theirs.
    ! grep --quiet --extended-regexp "^[^#[:space:]]+[[:space:]]+${DATA}[[:space:]]" "$fstab" || return 0
    change "add to $fstab: $line" add_line "$fstab" "$line"
}

add_line() {
    { cat "$1" && printf '%s\n' "$2"; } | write_file "$1" 644 root:root "$(cat)" && systemctl daemon-reload
}
