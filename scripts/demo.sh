#!/usr/bin/env bash
# Installs, builds, converts the bundled ternary checkpoint and lets it tell a story.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh
cmake --preset demo >/dev/null
cmake --build --preset demo --target tern

tern=build/demo/apps/tern
"$tern" convert demo -o build/demo.tern --force --quiet
"$tern" run -m build/demo.tern -p "Once upon a time" -n 200 --temp 0.7 --seed 2
