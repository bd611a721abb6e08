#!/usr/bin/env bash
# scripts/build.sh, where users of the checkout look for it: ./build.sh -e ENVIRONMENT
exec "$(dirname "${BASH_SOURCE[0]}")/scripts/build.sh" "$@"
