#!/usr/bin/env bash
# Installs, builds and tests. With no argument every suite runs, the release build last;
# otherwise the presets named: scripts/test.sh release
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh --tests
presets=("$@")
[ ${#presets[@]} -gt 0 ] || presets=(asan-ubsan tsan aarch64 avx512 release)
quiet=()
[ -t 1 ] || quiet=(-- --quiet)  # a log wants no line per file
for preset in "${presets[@]}"; do
  echo "== $preset"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" "${quiet[@]}"
  ctest --preset "$preset" --parallel 2
done
