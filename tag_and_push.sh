#!/usr/bin/env bash
# scripts/tag_and_push.sh, where users of the checkout look for it: ./tag_and_push.sh -e ENVIRONMENT
exec "$(dirname "${BASH_SOURCE[0]}")/scripts/tag_and_push.sh" "$@"
