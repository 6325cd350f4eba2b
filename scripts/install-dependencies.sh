#!/usr/bin/env bash
# Installs what the build and the tests need on Debian 12 (or a later Debian or Ubuntu) with apt.
# Quiet and quick when everything is there already.
set -euo pipefail

packages=(
  build-essential cmake ninja-build pkg-config git python3
  libxsimd-dev libsentencepiece-dev libpcre2-dev libutf8proc-dev libfmt-dev libxxhash-dev nlohmann-json3-dev libcli11-dev
  libedit-dev libdnnl-dev catch2 libbenchmark-dev
)
# What only the full test run needs: sanitizers with clang's OpenMP, Arm under qemu, AVX-512 under Bochs.
test_packages=(python3-numpy clang libomp-dev llvm g++-aarch64-linux-gnu qemu-user-static
  bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio)

[ "${1:-}" = --tests ] && packages+=("${test_packages[@]}")

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
