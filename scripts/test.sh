#!/usr/bin/env bash
# Installs, builds and tests: for threads and memory under clang's sanitizers, for Arm under qemu, for this machine,
# whose programs also run as older x86 CPUs under qemu and with AVX-512 under Bochs. Arguments name the presets to run
# instead: scripts/test.sh release
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh --tests
presets=("$@")
[ ${#presets[@]} -gt 0 ] || presets=(tsan asan-ubsan aarch64 release)
quiet=()
[ -t 1 ] || quiet=(-- --quiet)  # a log wants no line per file
for preset in "${presets[@]}"; do
  echo "== $preset"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" "${quiet[@]}"
  ctest --preset "$preset" --parallel 2
done
