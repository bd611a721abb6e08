#!/usr/bin/env bash
# Pushes the image of an environment to ECR, in the account of the AWS credentials that are there:
# scripts/tag_and_push.sh -e ENVIRONMENT
#
#   REGISTRY   another address to push to (default: the account's own in the region, which is that of
#              the AWS configuration, else us-west-1)
set -euo pipefail
# shellcheck source=scripts/environments.sh
source "$(dirname "${BASH_SOURCE[0]}")/environments.sh"

take_environment "$@"
find_engine
version=$(label_of "$IMAGE" org.opencontainers.image.version) ||
    fail "there is no image $IMAGE: build it first: ./build.sh -e $ENVIRONMENT"
commit=$(label_of "$IMAGE" org.opencontainers.image.revision)
find_account
registry=${REGISTRY:-$ACCOUNT.dkr.ecr.$AWS_REGION.amazonaws.com}

found=$(call_aws ecr describe-repositories \
    --query "length(repositories[?repositoryName=='$IMAGE'])")
if [[ $found == 0 ]]; then
    say "creating the repository $IMAGE in $AWS_REGION"
    call_aws ecr create-repository --repository-name "$IMAGE" \
        --image-scanning-configuration scanOnPush=true >/dev/null
fi

say "logging in to $registry"
password=$(call_aws ecr get-login-password)
mapfile -t options < <(registry_options "$registry")
# A builtin: the password is in no process's arguments.
printf '%s' "$password" |
    "$ENGINE" login "${options[@]}" --username AWS --password-stdin "$registry" >/dev/null ||
    fail "$registry does not let us in (see above): see whether it can be reached, then run this again"
trap '"$ENGINE" logout "$registry" >/dev/null 2>&1' EXIT
# The one that services start comes last, so what they start was pushed as a whole.
for tag in $commit $version latest; do
    push_image "$IMAGE" "$registry/$IMAGE:$tag" ||
        fail "$registry/$IMAGE:$tag could not be pushed (see above): run this again"
    say "pushed $registry/$IMAGE:$tag"
done
