#!/usr/bin/env bash
# Installs a fresh copy of this checkout on a machine that seems to have no C++ compiler: the installation must succeed, and the
# WASM device must serve. Leaves nothing behind.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# every program of the PATH but compilers and build tools
mkdir "$work/bin"
IFS=: read -ra folders <<<"$PATH"
for folder in "${folders[@]}"; do
  [ -d "$folder" ] || continue
  for program in "$folder"/*; do
    name=$(basename "$program")
    case "$name" in
      make | gmake | ninja | cc | c++ | c89* | c99* | gcc* | g++* | clang* | *-gcc* | *-g++* | python*) continue ;;
    esac
    [ -e "$work/bin/$name" ] || ln -s "$program" "$work/bin/$name"
  done
done
export PATH="$work/bin"
if command -v g++ || command -v make; then
  echo "a compiler can still be found" >&2
  exit 1
fi

mkdir "$work/heed"
git -C "$root" archive HEAD | tar -x -C "$work/heed"
cd "$work/heed"
npm ci --no-audit --no-fund >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
[ ! -e build/Release/heed.node ] || { echo "a native device was built without a compiler" >&2; exit 1; }
node dist/cli/main.js devices --json >"$work/devices.json"
node -e '
  const { chosen } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"))
  if (chosen?.name !== "wasm") throw new Error(`expected wasm to serve, but got ${JSON.stringify(chosen)}`)
  console.log(`without a compiler: ${chosen.name} (${chosen.tier}, ${chosen.threads} threads): ${chosen.why}`)
' "$work/devices.json"
node dist/cli/main.js train --steps 3 --layers 1 --width 32 --heads 2 --context 16 --batch-size 4 --stories 50 --eval-batches 1 --out "$work/run"
