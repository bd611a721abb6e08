#!/usr/bin/env bash
# Builds the image of an environment: scripts/build.sh -e ENVIRONMENT [-- OPTIONS OF THE ENGINE'S BUILD]
set -euo pipefail
# shellcheck source=scripts/environments.sh
source "$(dirname "${BASH_SOURCE[0]}")/environments.sh"

take_environment "$@"
shift $((OPTIND - 1))
find_engine

case $CONTRACTS in
    MoC) generation="MoC: that of 2020, or the one with vendors; which of them, moc_jobs finds out at the address" ;;
    *) generation="$CONTRACTS: on a reserve token" ;;
esac
say "$ENVIRONMENT: $SITE, network $NETWORK, contracts of the generation $generation"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$ROOT/scheduler/__init__.py")
commit=$(git -C "$ROOT" describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null || true)
say "building $IMAGE with $ENGINE"
build_image "$IMAGE" \
    --build-arg "CONFIG=environments/$ENVIRONMENT/config.json" --build-arg "NETWORK=$NETWORK" \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.revision=$commit" \
    "$@" || fail "$IMAGE could not be built (see above): mend that, then run this again"
say "$IMAGE $version ${commit:+($commit) }is built; push it: ./tag_and_push.sh -e $ENVIRONMENT"
