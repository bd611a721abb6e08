# shellcheck shell=bash
# What build.sh, tag_and_push.sh and deploy.sh share: the environment that -e names, and the engine that
# makes images.
#
#   ENGINE   docker, podman or buildah (default: the first of them that answers)
#
# shellcheck disable=SC2034  # what is found here is for the scripts

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/aws.sh
source "$(dirname "${BASH_SOURCE[0]}")/aws.sh"
NAMES=$ROOT/environments/names.txt

# The environments' lines, without the comment.
environments() { grep -v '^#' "$NAMES"; }

known_environments() {
    environments | awk '{ print $2 == "-" ? $1 : $1 " (" $2 ")" }' | paste -sd ' '
}

# Sets ENVIRONMENT to the name that goes with $1, and NETWORK, CONTRACTS, SITE and IMAGE to what it has.
find_environment() {
    local others
    while read -r ENVIRONMENT others NETWORK CONTRACTS SITE; do
        if [[ ,$ENVIRONMENT,$others, == *,"$1",* ]]; then
            IMAGE=moc_jobs_$ENVIRONMENT
            return
        fi
    done < <(environments)
    refuse "there is no environment '$1'; there are: $(known_environments)"
}

# Finds the environment that `-e NAME` names. OPTIND is then behind it, and behind a `--` that follows.
take_environment() {
    local option name=
    while getopts :e: option; do
        case $option in
            e) name=$OPTARG ;;
            :) refuse "-$OPTARG needs the name of an environment" ;;
            *) refuse "there is no option -$OPTARG; usage: -e ENVIRONMENT" ;;
        esac
    done
    [[ -n $name ]] || refuse "give an environment with -e; there are: $(known_environments)"
    (($# < OPTIND)) || [[ ${*:OPTIND-1:1} == -- ]] || refuse "what is ${*:OPTIND:1}? usage: -e ENVIRONMENT"
    find_environment "$name"
}

# Sets ENGINE to the first engine that answers: docker's client may be there without its daemon.
find_engine() {
    local engine
    for engine in ${ENGINE:-docker podman buildah}; do
        if timeout 20 "$engine" info >/dev/null 2>&1; then
            ENGINE=$engine
            return
        fi
    done
    fail "no engine answers (asked: ${ENGINE:-docker podman buildah}): start docker, or install podman or buildah"
}

# Builds the image $1 from the Dockerfile; what follows is for the engine.
build_image() {
    local image=$1 format=()
    shift
    # Of the others' own format a HEALTHCHECK is no part.
    [[ $ENGINE == docker ]] || format=(--format docker)
    "$ENGINE" build "${format[@]}" --tag "$image" --file "$ROOT/Dockerfile" "$@" "$ROOT"
}

# The label $2 of the image $1; fails where there is no such image.
label_of() {
    if [[ $ENGINE == buildah ]]; then
        buildah inspect --type image --format "{{index .OCIv1.Config.Labels \"$2\"}}" "$1" 2>/dev/null
    else
        "$ENGINE" image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null
    fi
}

# Options with which the engine speaks to the registry $1: docker alone knows that loopback has no TLS.
registry_options() {
    [[ $ENGINE == docker || ! $1 =~ ^(localhost|127\.0\.0\.1)(:|$) ]] || echo --tls-verify=false
}

# Pushes the image $1 to $2, a registry's address, name and tag.
push_image() {
    local options
    mapfile -t options < <(registry_options "${2%%/*}")
    if [[ $ENGINE == docker ]]; then
        docker tag "$1" "$2" && docker push --quiet "$2"
    else
        "$ENGINE" push --quiet "${options[@]}" "$1" "docker://$2"
    fi
}
