#!/bin/sh
# Runs tests of the native device with its kernels under AddressSanitizer + UndefinedBehaviorSanitizer, then under ThreadSanitizer.
#   scripts/sanitize.sh [--address | --thread] [test files and vitest options]      default: tests/runtime/device.test.ts tests/ops
# HEED_SANITIZE_TIER chooses the instruction tier (default: the best of this machine). Needs g++ with libasan, libubsan and libtsan.
set -eu
cd "$(dirname "$0")/.."

modes="address thread"
case "${1:-}" in
  --address) modes=address; shift ;;
  --thread) modes=thread; shift ;;
esac
if [ $# -eq 0 ]; then
  set -- tests/runtime/device.test.ts
  if [ -d tests/ops ]; then set -- "$@" tests/ops; fi
fi

tier=${HEED_SANITIZE_TIER:-}
flags_of() {
  case "$1" in
    avx512) echo "-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16" ;;
    avx2) echo "-mavx2 -mfma -mf16c" ;;
    *) echo "" ;;
  esac
}
if [ -z "$tier" ]; then
  case "$(uname -m)" in
    x86_64)
      tier=baseline
      if grep -q -w avx2 /proc/cpuinfo; then tier=avx2; fi
      if grep -q -w avx512_bf16 /proc/cpuinfo && grep -q -w avx512_vnni /proc/cpuinfo; then tier=avx512; fi
      ;;
    aarch64) tier=neon ;;
    *) tier=baseline ;;
  esac
fi

headers="$(node -p 'require("node:path").join(require("node:path").dirname(process.execPath), "..", "include", "node")')"
common="-std=c++20 -g -O1 -fPIC -fno-omit-frame-pointer -fno-math-errno -fno-trapping-math -fno-exceptions -fno-rtti -Wno-psabi -Isrc/kernels -I$headers"

for mode in $modes; do
  case "$mode" in
    address) sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined"; library=libasan.so ;;
    thread) sanitizers="-fsanitize=thread"; library=libtsan.so ;;
  esac
  out="build/sanitize-$mode"
  mkdir -p "$out"
  if [ ! -f "$out/$tier.node" ] || [ -n "$(find src/kernels scripts/sanitize.sh -newer "$out/$tier.node")" ]; then
    echo "sanitize: building the $tier kernels with $sanitizers"
    # shellcheck disable=SC2046,SC2086
    g++ $common $sanitizers $(flags_of "$tier") "-DHEED_TIER=$tier" -c src/kernels/tier.cpp -o "$out/tier.o" &
    kernels=$!
    for unit in addon run threads memory peak; do
      # shellcheck disable=SC2086
      g++ $common $sanitizers "-DHEED_ONLY_TIER=$tier" -c "src/kernels/$unit.cpp" -o "$out/$unit.o"
    done
    wait "$kernels"
    # shellcheck disable=SC2086
    g++ -shared $sanitizers "$out"/*.o -o "$out/$tier.node"
  fi
  echo "sanitize: $* under $mode"
  # The runtime comes before Node itself; leaks are V8's business. ThreadSanitizer needs a fixed address layout.
  runner=""
  if [ "$mode" = thread ] && command -v setarch > /dev/null; then runner="setarch $(uname -m) -R"; fi
  log="$PWD/$out/report"
  rm -f "$log".*
  status=0
  HEED_ADDON="$PWD/$out/$tier.node" \
    ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:log_path=$log" UBSAN_OPTIONS="print_stacktrace=1:log_path=$log" \
    TSAN_OPTIONS="log_path=$log:exitcode=0" \
    LD_PRELOAD="$(g++ -print-file-name="$library")" \
    $runner node node_modules/vitest/vitest.mjs run --maxWorkers 1 "$@" || status=$?
  # A report counts when a frame of ours is in it: Node is not instrumented, so ThreadSanitizer misreads V8's own threads.
  found=$(cat "$log".* 2> /dev/null | awk 'BEGIN { RS = "==================" }
    /(ERROR: |WARNING: ThreadSanitizer|runtime error: )/ && /(src\/kernels\/|'"$tier"'\.node\+)/ { print }' | head -c 20000)
  if [ -n "$found" ]; then
    printf '%s\n' "$found"
    # ThreadSanitizer leaves frames of a loaded library without names.
    printf '%s\n' "$found" | grep -o "$tier\.node+0x[0-9a-f]*" | sort -u | sed 's/.*+//' | head -40 |
      xargs -r addr2line -a -f -C -p -e "$out/$tier.node"
    echo "sanitize: $mode found the above" >&2
    exit 1
  fi
  if [ "$status" -ne 0 ]; then exit "$status"; fi
done
echo "sanitize: clean"
