#!/bin/sh
# debian.sh PACKAGE...: install the Debian packages that are missing (as root), or say which are.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    if [ ! -e /usr/sbin/policy-rc.d ]; then # our tests start what they need themselves: no service begins to run
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq
    # shellcheck disable=SC2086  # the list is meant to split
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "missing:$missing; install with: sudo apt-get install$missing" >&2
    exit 1
fi
