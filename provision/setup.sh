#!/usr/bin/env bash
# Makes a bare Ubuntu or Debian box a running operator; can be run again at any time:
#   sudo provision/setup.sh --network NAME [OPTION …]        (docs/install.md; --help)
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
AGAIN="sudo $0${*:+ $*}"
# shellcheck source=provision/lib.sh
source "$HERE/lib.sh"
# shellcheck source=provision/networks.sh
source "$HERE/networks.sh"
# shellcheck source=provision/sources.sh
source "$HERE/sources.sh"
# shellcheck source=provision/choices.sh
source "$HERE/choices.sh"
for file in "$HERE"/steps/*.sh; do
    # shellcheck source=/dev/null
    source "$file"
done

set_traps

parse_options "$@"
[[ $(id --user) == 0 ]] || refuse "this must be run by root: $AGAIN"
find_old_box
complete_choices
check_choices
check_machine
check_volume
check_ports
check_old_box

say "== setting up: $(describe_choices)${DRY_RUN:+ (dry run: nothing is changed)}"
for step in packages volume users scheduler takeover node account supervisor firewall check; do
    [[ $step != takeover ]] || is_old_box || continue
    run_step "$step"
done
if [[ -n $DRY_RUN ]]; then
    say "== dry run: changes to make: $ALL_CHANGES"
elif ((ALL_CHANGES == 0)); then
    say "== nothing had to be changed"
else
    say "== set up; changes: $ALL_CHANGES"
fi
say_next
