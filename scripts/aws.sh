# shellcheck shell=bash
# AWS's command line client as scripts use it: one account, one region, and errors in a line. Sourced
# after lib.sh.
#
# shellcheck disable=SC2034  # what is found here is for the scripts

# What AWS's client says to these arguments. Where it fails, that is the last line of its reason, and
# the status 1.
ask_aws() {
    local errors
    errors=$(mktemp)
    if aws --cli-connect-timeout 10 --output text "$@" 2>"$errors"; then
        rm "$errors"
        return
    fi
    grep -v '^[[:space:]]*$' "$errors" | tail -n 1
    rm "$errors"
    return 1
}

# The same; where it fails, the script ends with the reason.
call_aws() {
    local said
    said=$(ask_aws "$@") || fail "aws $1 $2 failed: $said"
    printf '%s\n' "$said"
}

# Sets AWS_REGION and ACCOUNT to those of the credentials that are there.
find_account() {
    command -v aws >/dev/null ||
        fail "AWS's command line client is missing: install awscli, then run this again"
    AWS_REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
    # Version 1 of the client knows the one variable, version 2 both.
    export AWS_REGION=${AWS_REGION:-us-west-1} AWS_PAGER=
    export AWS_DEFAULT_REGION=$AWS_REGION
    ACCOUNT=$(ask_aws sts get-caller-identity --query Account) ||
        refuse "AWS does not say whose credentials these are, $ACCOUNT; see: aws sts get-caller-identity"
}
