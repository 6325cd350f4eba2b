#!/usr/bin/env bash
# Runs an x86-64 Linux program on an emulated CPU with AVX-512 (F, CD, BW, DQ,
# VL, IFMA, VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ), on a host that need not have it: boots a
# Debian kernel in Bochs with the program and its shared libraries in the initramfs.
#
# Debian packages (tested on Debian 12):
#   bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio gcc libc6-dev
# The kernel is taken from linux-image-cloud-amd64 (apt-get download, nothing is installed) and
# kept in ${XDG_CACHE_HOME:-~/.cache}/run-avx512; --kernel FILE or $AVX512_KERNEL names another.
set -u

help() {
  cat <<EOF
usage: run-avx512.sh [OPTION]... [--file HOST=GUEST]... -- BINARY [ARG...]
  --file HOST=GUEST  put the host file HOST into the guest at the path GUEST (repeatable)
  --native-if-able   run BINARY as it is if this CPU has AVX-512; files are then where the host has them
  --timeout SECONDS  limit for the whole run (default 600)
  --cpu MODEL        Bochs CPU model (default corei7_icelake_u; see: bochs --help cpu)
  --kernel FILE      kernel image (default: Debian's, downloaded once)
  --packages         print the Debian packages needed
The program runs in /tmp as root with stdin at /dev/null. Its stdout, stderr and exit status
(128 + signal where a signal ended it) become those of this script; 125: something needed is missing; 124: no result.
EOF
}
packages() { echo "bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio gcc libc6-dev"; }
fail() { echo "run-avx512: $*" >&2; exit 125; }
broke() { echo "run-avx512: $*" >&2; exit 124; }

timeout=600 cpu=corei7_icelake_u kernel=${AVX512_KERNEL:-} native= files=()
while [ $# -gt 0 ]; do
  case $1 in
    --packages | --help) "${1#--}"; exit 0 ;;
    --) shift; break ;;
    --native-if-able) native=1; shift ;;
    --file) files+=("${2-}"); shift 2 || fail "$1 needs a value" ;;
    --timeout) timeout=${2-}; shift 2 || fail "$1 needs a value" ;;
    --cpu) cpu=${2-}; shift 2 || fail "$1 needs a value" ;;
    --kernel) kernel=${2-}; shift 2 || fail "$1 needs a value" ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
done
[ $# -ge 1 ] || { help >&2; exit 125; }
[ -f "$1" ] || fail "no such program: $1"
if [ -n "$native" ]; then
  grep -m 1 '^flags' /proc/cpuinfo | grep -w avx512f | grep -w avx512bw | grep -qw avx512_vnni && exec "$@"
fi

isolinux=/usr/lib/ISOLINUX/isolinux.bin
ldlinux=/usr/lib/syslinux/modules/bios/ldlinux.c32
bios=/usr/share/bochs/BIOS-bochs-latest vgabios=/usr/share/vgabios/vgabios.bin
term=$(compgen -G '/usr/lib/*/bochs/plugins/libbx_term_gui.so' || true)
for need in bochs-bin genisoimage cpio script timeout "${CC:-cc}" \
  "$isolinux" "$ldlinux" "$bios" "$vgabios" "${term:-libbx_term_gui.so}"; do
  [ -e "$need" ] || command -v "$need" >/dev/null ||
    fail "$need is missing; Debian packages needed: $(packages)"
done

work=$(mktemp -d) || fail "cannot make a temporary directory"
trap 'rm -rf "$work"' EXIT

cache=${XDG_CACHE_HOME:-$HOME/.cache}/run-avx512
if [ -z "$kernel" ] && [ ! -f "$cache/vmlinuz" ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image/ { print $2; exit }')
  mkdir -p "$cache" "$work/deb" &&
    (cd "$work/deb" && apt-get -qq download "$package" 2>/dev/null && dpkg-deb -x ./*.deb .) &&
    cp "$work"/deb/boot/vmlinuz-* "$cache/new.$$" && mv "$cache/new.$$" "$cache/vmlinuz" ||
    fail "cannot fetch Debian's linux-image-cloud-amd64 kernel (apt-get update?)"
fi
kernel=${kernel:-$cache/vmlinuz}
[ -f "$kernel" ] || fail "no such kernel: $kernel"
# The initramfs: /init, /program and its libraries, /args and the files asked for.
root=$work/root iso=$work/iso
mkdir -p "$root"/{dev,proc,sys,tmp} "$iso/isolinux"
"${CC:-cc}" -O2 -static -D_GNU_SOURCE -o "$root/init" "$(dirname "$0")/avx512_init.c" ||
  fail "cannot compile avx512_init.c"
cp "$1" "$root/program" && chmod 755 "$root/program" || fail "cannot copy $1"
ldd "$1" 2>/dev/null | grep -oE '/[^ ]+ \(' | while read -r library _; do
  mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library" || exit 1
done || fail "cannot copy the shared libraries of $1"
printf '%s\0' "$@" >"$root/args"
for file in ${files[@]+"${files[@]}"}; do
  case $file in *=/*) ;; *) fail "--file wants HOST=/GUEST/PATH, not $file" ;; esac
  mkdir -p "$(dirname "$root/${file#*=}")" && cp "${file%%=*}" "$root/${file#*=}" ||
    fail "cannot copy ${file%%=*}"
done
(cd "$root" && find . | cpio --quiet -o -H newc) >"$iso/initrd" || fail "cannot make the initramfs"
# Features cleared: Bochs 2.7 reports them inconsistently. The kernel would turn AVX-512 off over
# pku and xsaves/xsavec, and would crash in memmove over fsrm without erms.
cp "$isolinux" "$ldlinux" "$iso/isolinux/" && cp "$kernel" "$iso/vmlinuz" || fail "cannot make the image"
cat >"$iso/isolinux/isolinux.cfg" <<EOF
DEFAULT guest
LABEL guest
 KERNEL /vmlinuz
 INITRD /initrd
 APPEND console=ttyS0 loglevel=3 panic=-1 reboot=t nokaslr mitigations=off tsc=reliable lpj=200000 no_timer_check lsm=none audit=0 cryptomgr.notests random.trust_cpu=on clearcpuid=pku,xsaves,xsavec,fsrm,erms,aperfmperf
EOF
genisoimage -quiet -o "$work/image.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table "$iso" || fail "cannot make the boot image"
cat >"$work/bochsrc" <<EOF
config_interface: textconfig
display_library: term
plugin_ctrl: usb_uhci=0, e1000=0, speaker=0, gameport=0, parallel=0, biosdev=0, iodebug=0, extfpuirq=0, unmapped=1
memory: guest=512, host=512
romimage: file=$bios, options=fastboot
vgaromimage: file=$vgabios
cpu: model=$cpu, count=1, ips=50000000, reset_on_triple_fault=0
clock: sync=none, time0=utc
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/image.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/console
com2: enabled=1, mode=file, dev=$work/stdout
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
EOF
echo continue >"$work/debugger" # Debian's Bochs starts in its debugger
TERM=vt100 timeout -k 10 "$timeout" script -qec \
  "bochs-bin -q -f $work/bochsrc -rc $work/debugger" /dev/null </dev/null >"$work/screen" 2>&1
ended=$?
touch "$work/stdout" "$work/console"
status=$(tr -d '\r' <"$work/console" | sed -n 's/^guest-exit-status \([0-9]*\)$/\1/p' | tail -n 1)
cat "$work/stdout"
tr -d '\r' <"$work/console" | sed '/^guest-exit-status [0-9]*$/d' | sed -e '${/^$/d' -e '}' >&2
[ -z "$status" ] || exit "$status"
[ "$ended" -ne 124 ] && [ "$ended" -ne 137 ] || broke "no result after $timeout seconds"
broke "the emulator ended early: $(grep -a -h '>>PANIC<<' "$work/screen" "$work/bochs.log" 2>/dev/null | tail -n 1)"
