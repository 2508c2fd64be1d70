#!/bin/sh
# Installs the Debian packages of the lists given, by default debian-packages.txt beside this script.
# Does nothing, and needs no rights, when they are all there.
set -eu
here=$(dirname "$0")
[ $# -gt 0 ] || set -- "$here/debian-packages.txt"

missing=
# shellcheck disable=SC2013 # words it is
for package in $(sed 's/#.*//' "$@"); do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "needs root or sudo to install them" >&2; exit 1; }
  as_root=sudo
fi
$as_root apt-get update -q
# shellcheck disable=SC2086 # the list is split on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
