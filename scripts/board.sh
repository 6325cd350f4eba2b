#!/usr/bin/env bash
# The demo on an emulated Arm board: the stripped static tern, token ids in and out, its size and its peak memory.
# Needs the preset aarch64 built and, for the memory, qemu-system-arm (Debian package). A process under qemu's user mode
# counts the emulator's memory as its own, so this boots Debian's arm64 kernel on a Cortex-A53 with 64 MiB.
set -euo pipefail
cd "$(dirname "$0")/.."

memory=${1:-64}  # MiB of the board
folder=build/board
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aarch64-linux-gnu-strip -o "$folder/tern" build/aarch64/apps/tern
qemu-aarch64-static "$folder/tern" convert demo -o "$folder/demo.tern" --force --quiet >/dev/null
echo "tern: $(stat -c %s "$folder/tern") bytes, demo.tern: $(stat -c %s "$folder/demo.tern") bytes"

# "Once upon a time", and 64 tokens that follow
run=(run -m /demo.tern --tokens -p "1 361 363 261 348" -n 64 --temp 0 -c 128 --logits-hash)
qemu-aarch64-static -cpu cortex-a53 "$folder/tern" "${run[@]/\/demo.tern/$folder/demo.tern}"

if ! command -v qemu-system-aarch64 >/dev/null; then
  echo "qemu-system-aarch64 is missing: peak memory not measured"
  exit 0
fi
kernel=$(compgen -G "$folder/boot/vmlinuz-*" || true)
if [ -z "$kernel" ]; then
  scripts/arm64-packages.sh "$work" linux-image-cloud-arm64
  mkdir -p "$folder/boot" && cp "$work"/boot/vmlinuz-* "$folder/boot/"
  kernel=$(compgen -G "$folder/boot/vmlinuz-*")
fi
root=$work/root
mkdir -p "$root"/{dev,proc,sys}
aarch64-linux-gnu-gcc -O2 -static -o "$root/init" cmake/board_init.c
cp "$folder/tern" "$root/program"
cp "$folder/demo.tern" "$root/"
printf '%s\0' tern "${run[@]}" >"$root/args"
(cd "$root" && find . | cpio --quiet -o -H newc) >"$work/initrd"
echo "== Cortex-A53, ${memory} MiB, $(basename "$kernel")"
timeout 300 qemu-system-aarch64 -M virt -cpu cortex-a53 -smp 2 -m "$memory" -nographic -nic none -no-reboot \
  -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyAMA0 loglevel=1 panic=-1" </dev/null |
  tr -d '\r' | sed 's/.*\x1b\[K//'  # without the progress bar
