#!/usr/bin/env bash
# usage: scripts/arm64-packages.sh FOLDER PACKAGE...
# Fetches Debian's arm64 packages of this release and unpacks them into FOLDER, for cross builds and emulated boards.
# Nothing is installed, and the machine's own package lists stay as they are: apt gets its own state under FOLDER.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift

. /etc/os-release
[ "$ID" = debian ] || { echo "arm64-packages: this takes Debian's packages, and here is $ID" >&2; exit 1; }
mkdir -p "$folder"/apt/{lists,archives}/partial
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian $VERSION_CODENAME main" >"$folder/apt/sources"
for_arm64=(-qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Acquire::Languages=none
  -o "APT::Sandbox::User=$(id -un)" -o Dir::Etc::sourceparts=- -o Dir::Etc::sourcelist="$folder/apt/sources"
  -o Dir::State="$folder/apt" -o Dir::State::status=/dev/null -o Dir::State::Lists="$folder/apt/lists"
  -o Dir::Cache="$folder/apt")
apt-get "${for_arm64[@]}" update

packages=()
for package in "$@"; do
  case $package in
    linux-image-cloud-arm64 | linux-image-arm64) # no more than a name for the newest kernel
      package=$(apt-cache "${for_arm64[@]}" depends "$package" | sed -n 's/.*Depends: //p') ;;
  esac
  packages+=("$package")
done
cd "$folder/apt/archives"
rm -f ./*.deb
apt-get "${for_arm64[@]}" download "${packages[@]}"
for package in ./*.deb; do
  dpkg-deb -x "$package" "$folder"
done
