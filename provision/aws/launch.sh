#!/usr/bin/env bash
# A box on AWS that sets itself up at its first boot (provision/cloud-init.yaml):
#   provision/aws/launch.sh --network NAME --key-name KEY --ssh-from ADDRESS [OPTION …] [-- SETUP-OPTION …]
# docs/install.md tells what it makes; --help lists the options. Run again, it makes what lacks.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROVISION=$(dirname "$HERE")
# shellcheck source=scripts/lib.sh
source "$PROVISION/../scripts/lib.sh"
# shellcheck source=scripts/aws.sh
source "$ROOT/scripts/aws.sh"
# shellcheck source=provision/networks.sh
source "$PROVISION/networks.sh"

NETWORK='' NODE='' NAME=scheduler KEY_NAME='' SSH_FROM='' TYPE='' DISK='' VOLUME='' SUBNET='' IMAGE=''
SOURCE='' REVISION='' DRY_RUN=''
# Canonical's own account, whose images of Ubuntu are the genuine ones.
CANONICAL=099720109477
# As the volume's attachment is called; newer instances show it as /dev/nvme1n1.
ATTACHMENT=/dev/sdb

usage() {
    cat <<'END'
Usage: provision/aws/launch.sh --network NAME --key-name KEY --ssh-from ADDRESS [OPTION …] [-- SETUP-OPTION …]

Launches an instance with Ubuntu 24.04 that runs provision/setup.sh by itself, with the SETUP-OPTIONs.

  --network NAME       as setup's; the machine's and the volume's size follow from it
  --node NAME          as setup's
  --key-name KEY       the key pair of EC2 by which you log in
  --ssh-from ADDRESS   the IPv4 address, or block such as 192.0.2.0/28, from which SSH is let in
  --name NAME          of instance, volume, security group and role [scheduler]
  --type TYPE          of the instance [the smallest that the network's node can do with]
  --disk GB            the volume's size [the least that the network needs]
  --volume ID          a volume that is there already, with its chain, instead of a new one
  --subnet ID          where it runs [one of the default network's]
  --image ID           of an Ubuntu 22.04 or 24.04 [the newest 24.04 of Canonical's]
  --source URL         where the box fetches this project from, by HTTPS [this checkout's origin]
  --revision REVISION  which revision of it [the one that is checked out here]
  --dry-run            look at what there is, print the user data, and make nothing
END
}

take_options() {
    local name
    while (($#)); do
        case $1 in
            --network | --node | --key-name | --ssh-from | --name | --type | --disk | --volume | \
                --subnet | --image | --source | --revision)
                (($# > 1)) || refuse "$1 needs a value; see $0 --help"
                name=${1#--}
                name=${name^^}
                printf -v "${name//-/_}" %s "$2"
                shift 2
                ;;
            --dry-run) DRY_RUN=yes && shift ;;
            -h | --help) usage && exit 0 ;;
            --) shift && break ;;
            *) refuse "there is no option $1; see $0 --help" ;;
        esac
    done
    SETUP_OPTIONS=("$@")
}

# Fills in what was left open, and refuses what cannot be, before AWS is asked for anything.
complete_options() {
    local option
    [[ -n $NETWORK && -n $(network_value "$NETWORK" node) ]] ||
        refuse "name a network: --network $(network_names | paste -sd '|')"
    NODE=${NODE:-$(network_value "$NETWORK" node)}
    [[ -n $KEY_NAME ]] || refuse "name the key pair by which you log in: --key-name KEY (aws ec2 describe-key-pairs)"
    [[ $SSH_FROM == */* ]] || SSH_FROM=$SSH_FROM/32
    [[ $SSH_FROM =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}/([89]|[12][0-9]|3[0-2])$ ]] ||
        refuse "say from which IPv4 address, or block of at most /8, SSH is let in: --ssh-from ADDRESS"
    [[ $NAME =~ ^[A-Za-z0-9_-]+$ ]] || refuse "--name $NAME: write letters, digits, - and _"
    TYPE=${TYPE:-$(smallest_type)}
    DISK=${DISK:-$(least disk)}
    [[ $DISK =~ ^[1-9][0-9]*$ && $DISK -ge $(least disk) ]] ||
        refuse "--disk $DISK: $NETWORK with node $NODE needs $(least disk) GB"
    SOURCE=${SOURCE:-$(git -C "$ROOT" remote get-url origin 2>/dev/null || true)}
    [[ $SOURCE =~ ^https://[A-Za-z0-9.:-]+/[A-Za-z0-9_./~-]+$ ]] ||
        refuse "say where the box fetches this project from, by HTTPS and without a password: --source URL"
    REVISION=${REVISION:-$(git -C "$ROOT" rev-parse HEAD)}
    for option in "$REVISION" "${SETUP_OPTIONS[@]}"; do
        [[ $option =~ ^[A-Za-z0-9_./:,=-]+$ ]] || refuse "'$option' cannot be written into user data"
        # What user data holds is no secret, and a URL's path may be one.
        [[ ! $option =~ ://[^/]+/. || $option == */websocket ]] ||
            refuse "the path of a node's URL may be a key, and user data can be read: give the host alone, and write the URL into /etc/scheduler/config.toml on the box"
    done
}

# By what networks.sh says of memory and cores.
smallest_type() {
    local memory
    memory=$(least memory)
    if ((memory > 8000)); then
        echo m6a.xlarge
    elif ((memory > 2000)); then
        echo m6a.large
    elif ((memory > 1000)); then
        echo t3.small
    else
        echo t3.micro
    fi
}

# Looks for what there must be, and refuses before anything is made.
look_around() {
    local present vpc architecture
    present=$(call_aws ec2 describe-instances --filters "Name=tag:Name,Values=$NAME" \
        Name=instance-state-name,Values=pending,running,stopping,stopped \
        --query 'Reservations[].Instances[].InstanceId')
    [[ -z $present ]] || refuse "there is an instance $NAME already, $present: choose another --name"
    ask_aws ec2 describe-key-pairs --key-names "$KEY_NAME" >/dev/null ||
        refuse "there is no key pair $KEY_NAME in $AWS_REGION; see: aws ec2 describe-key-pairs"
    if [[ -n $VOLUME ]]; then
        read -r ZONE present < <(call_aws ec2 describe-volumes --volume-ids "$VOLUME" \
            --query 'Volumes[0].[AvailabilityZone,State]')
        [[ $present == available ]] || refuse "the volume $VOLUME is not available but ${present:-unknown}"
    fi
    if [[ -z $SUBNET ]]; then
        SUBNET=$(call_aws ec2 describe-subnets --filters Name=default-for-az,Values=true \
            ${ZONE:+"Name=availability-zone,Values=$ZONE"} --query 'Subnets[0].SubnetId')
        [[ $SUBNET != None ]] || refuse "there is no default network in $AWS_REGION${ZONE:+, zone $ZONE}: name a --subnet"
    fi
    read -r VPC vpc < <(call_aws ec2 describe-subnets --subnet-ids "$SUBNET" \
        --query 'Subnets[0].[VpcId,AvailabilityZone]')
    [[ -z ${ZONE:-} || $ZONE == "$vpc" ]] ||
        refuse "the volume $VOLUME is in $ZONE, the subnet $SUBNET in $vpc: a volume is for machines of its zone"
    if [[ -z $IMAGE ]]; then
        architecture=$(call_aws ec2 describe-instance-types --instance-types "$TYPE" \
            --query 'InstanceTypes[0].ProcessorInfo.SupportedArchitectures[0]')
        IMAGE=$(newest_image "$architecture")
        [[ $IMAGE == ami-* ]] || refuse "Canonical has no Ubuntu 24.04 for $architecture in $AWS_REGION: name an --image"
    fi
}

newest_image() {
    local architecture=$1 word=$1
    [[ $word != x86_64 ]] || word=amd64
    call_aws ec2 describe-images --owners "$CANONICAL" --filters "Name=architecture,Values=$architecture" \
        "Name=name,Values=ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-$word-server-*" \
        --query 'sort_by(Images,&CreationDate)[-1].ImageId'
}

# The user data: provision/cloud-init.yaml with this box's values.
user_data() {
    local options="--network $NETWORK --node $NODE --device /dev/xvdb${SETUP_OPTIONS[*]:+ ${SETUP_OPTIONS[*]}}"
    sed -e "s|^\( *SOURCE=\).*|\1$SOURCE|" -e "s|^\( *REVISION=\).*|\1$REVISION|" \
        -e "s|^\( *OPTIONS=\).*|\1\"$options\"|" "$PROVISION/cloud-init.yaml"
}

# Peers from anywhere, SSH from one place, and nothing else.
put_security_group() {
    local port protocol each wanted
    GROUP=$(call_aws ec2 describe-security-groups --filters "Name=group-name,Values=$NAME" \
        "Name=vpc-id,Values=$VPC" --query 'SecurityGroups[0].GroupId')
    if [[ $GROUP == None ]]; then
        GROUP=$(call_aws ec2 create-security-group --group-name "$NAME" --vpc-id "$VPC" \
            --description "peers of the node, and SSH from one place" --query GroupId)
        say "made the security group $GROUP"
    fi
    wanted=("IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=$SSH_FROM}]")
    for port in $(peer_ports); do
        for protocol in tcp udp; do
            wanted+=("IpProtocol=$protocol,FromPort=$port,ToPort=$port,IpRanges=[{CidrIp=0.0.0.0/0}],Ipv6Ranges=[{CidrIpv6=::/0}]")
        done
    done
    # All at once, or, where it has some of them already, one by one.
    let_in "${wanted[@]}" || for each in "${wanted[@]}"; do let_in "$each" || true; done
}

# Adds these rules; 1 where the group has one of them.
let_in() {
    local said
    said=$(ask_aws ec2 authorize-security-group-ingress --group-id "$GROUP" --ip-permissions "$@") || {
        [[ $said == *InvalidPermission.Duplicate* ]] || fail "aws ec2 authorize-security-group-ingress failed: $said"
        return 1
    }
}

# What the instance may do: send the heartbeat of Money on Chain's jobs, and nothing else.
put_role() {
    local said
    said=$(ask_aws iam get-instance-profile --instance-profile-name "$NAME" \
        --query 'InstanceProfile.Roles[0].RoleName') || said=
    [[ $said != "$NAME" ]] || return 0
    ask_aws iam get-role --role-name "$NAME" >/dev/null ||
        call_aws iam create-role --role-name "$NAME" \
            --assume-role-policy-document "file://$HERE/trust.json" >/dev/null
    call_aws iam put-role-policy --role-name "$NAME" --policy-name "$NAME" \
        --policy-document "file://$ROOT/environments/iam/task.json" >/dev/null
    [[ -n $said ]] || call_aws iam create-instance-profile --instance-profile-name "$NAME" >/dev/null
    call_aws iam add-role-to-instance-profile --instance-profile-name "$NAME" --role-name "$NAME" >/dev/null
    say "made the role $NAME"
}

launch() {
    local devices tries data said tag="Tags=[{Key=Name,Value=$NAME}]"
    devices='{"DeviceName":"/dev/sda1","Ebs":{"VolumeSize":16,"VolumeType":"gp3","Encrypted":true,"DeleteOnTermination":true}}'
    [[ -n $VOLUME ]] ||
        devices+=",{\"DeviceName\":\"$ATTACHMENT\",\"Ebs\":{\"VolumeSize\":$DISK,\"VolumeType\":\"gp3\",\"Encrypted\":true,\"DeleteOnTermination\":false}}"
    data=$(mktemp)
    user_data >"$data"
    # A role that was made just now is not known everywhere at once.
    for ((tries = 0; ; tries++)); do
        said=$(ask_aws ec2 run-instances --image-id "$IMAGE" --instance-type "$TYPE" --key-name "$KEY_NAME" \
            --subnet-id "$SUBNET" --security-group-ids "$GROUP" --iam-instance-profile "Name=$NAME" \
            --metadata-options HttpTokens=required,HttpEndpoint=enabled,HttpPutResponseHopLimit=1 \
            --block-device-mappings "[$devices]" --user-data "file://$data" \
            --tag-specifications "ResourceType=instance,$tag" "ResourceType=volume,$tag" \
            --query 'Instances[0].InstanceId') && break
        [[ $tries -lt 10 && $said == *[Ii]nstance*[Pp]rofile* ]] || break
        sleep 3
    done
    rm "$data"
    [[ $said =~ ^i-[0-9a-f]+$ ]] || fail "aws ec2 run-instances failed: $said"
    INSTANCE=$said
    say "launched $INSTANCE ($TYPE, $IMAGE)"
    call_aws ec2 wait instance-running --instance-ids "$INSTANCE" >/dev/null
    [[ -z $VOLUME ]] || call_aws ec2 attach-volume --volume-id "$VOLUME" --instance-id "$INSTANCE" \
        --device "$ATTACHMENT" >/dev/null
}

say_next() {
    local address
    address=$(call_aws ec2 describe-instances --instance-ids "$INSTANCE" \
        --query 'Reservations[0].Instances[0].PublicIpAddress')
    [[ $address != None ]] || address='its private address'
    say "the volume $(call_aws ec2 describe-volumes --filters "Name=attachment.instance-id,Values=$INSTANCE" \
        "Name=attachment.device,Values=$ATTACHMENT" --query 'Volumes[0].VolumeId') stays when the instance is terminated"
    say "it sets itself up now, which takes some minutes: ssh ubuntu@$address cloud-init status --wait"
    say "what was said meanwhile: ssh ubuntu@$address tail -n 40 /var/log/cloud-init-output.log"
}

take_options "$@"
complete_options
find_account
look_around
if [[ -n $DRY_RUN ]]; then
    user_data
    say "nothing was made; this would be: $TYPE with $IMAGE in $SUBNET, $(
        [[ -z $VOLUME ]] && echo "a volume of $DISK GB" || echo "the volume $VOLUME"
    ), SSH from $SSH_FROM, peers at: $(peer_ports | paste -sd ' ')"
    exit 0
fi
put_security_group
put_role
launch
say_next
