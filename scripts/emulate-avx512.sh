#!/bin/sh
# Runs tests of the native device on the AVX-512 kernels with their instructions emulated: slow, and on any x86 machine with AVX2.
#   scripts/emulate-avx512.sh [test files and vitest options]      default: tests/ops tests/kernels tests/compiler
set -eu
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then set -- tests/ops tests/kernels tests/compiler; fi

headers="$(node -p 'require("node:path").join(require("node:path").dirname(process.execPath), "..", "include", "node")')"
common="-std=c++20 -O2 -fPIC -fwrapv -fno-math-errno -fno-trapping-math -fno-exceptions -fno-rtti -Wno-psabi -Wno-ignored-attributes -Isrc/kernels -I$headers"
tier=emulated_avx512
out="build/emulate-avx512"
mkdir -p "$out"
if [ ! -f "$out/$tier.node" ] || [ -n "$(find src/kernels scripts/emulate-avx512.h scripts/emulate-avx512.sh -newer "$out/$tier.node")" ]; then
  # shellcheck disable=SC2086
  g++ $common -mavx2 -mfma -mf16c -include scripts/emulate-avx512.h "-DHEED_TIER=$tier" -c src/kernels/tier.cpp -o "$out/tier.o" &
  kernels=$!
  for unit in addon run threads memory peak; do
    # shellcheck disable=SC2086
    g++ $common "-DHEED_ONLY_TIER=$tier" -c "src/kernels/$unit.cpp" -o "$out/$unit.o"
  done
  wait "$kernels"
  g++ -shared "$out"/*.o -o "$out/$tier.node"
fi
HEED_ADDON="$PWD/$out/$tier.node" HEED_DEVICES=native exec node node_modules/vitest/vitest.mjs run "$@"
