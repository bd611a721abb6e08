# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the steps
# Where the programs come from that Debian and Ubuntu do not have themselves.

# Package archives, as add-apt-repository(1) takes them; their packages are signed.
GETH_ARCHIVE=ppa:ethereum/ethereum
RSKJ_ARCHIVE=ppa:rsksmart/rskj

# Lighthouse's release, by the SHA-256 of its archive for each kind of machine (`uname --machine`).
# The sums are those of Arch Linux's package lighthouse-ethereum-bin 8.0.1, whose build checks the
# makers' signature (key 15E66D941F697E28F49381F426416DC3F30674B0).
LIGHTHOUSE_VERSION=8.0.1
LIGHTHOUSE_RELEASES=https://github.com/sigp/lighthouse/releases/download
declare -gA LIGHTHOUSE_SHA256=(
    [x86_64]=7e8eb259c0a3aa566d277ae2b172a96761d397e5822537d142a2533f4d9ad16c
    [aarch64]=109c55601785d5816e87bd33454776efe237d9fb77bd479cf37263587893dd68
)
