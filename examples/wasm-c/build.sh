#!/bin/sh
# Makes hello.wasm of hello.c with a compiler from pip and a packer from npm.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ziglang==0.15.2
npm install --silent --prefix "$work" @bytecodealliance/jco@1.15.1

"$work/venv/bin/python" -m ziglang cc -target wasm32-freestanding -Os -nostdlib \
  -Wl,--no-entry -Wl,--strip-all -o "$work/core.wasm" hello.c

# What the component imports and exports. The WIT of wasi:http is part of the crate
# wasmtime-wasi-http; two of its lines name an interface that is not stable yet.
cargo fetch --quiet --manifest-path ../../Cargo.toml
crate=$(cargo metadata --quiet --format-version 1 --manifest-path ../../Cargo.toml |
  python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "wasmtime-wasi-http":
        print(package["manifest_path"].rsplit("/", 1)[0])')
mkdir -p "$work/wit/deps"
cp "$crate"/wit/deps/*.wit "$work/wit/deps/"
sed -i '/@unstable(feature = clocks-timezone)/{N;d}' "$work/wit/deps/cli.wit"
cat > "$work/wit/world.wit" <<'WIT'
package example:hello;
world hello { include wasi:http/proxy@0.2.12; }
WIT

jco="$work/node_modules/.bin/jco"
"$jco" embed "$work/core.wasm" --wit "$work/wit" --world-name hello -o "$work/embedded.wasm"
"$jco" new "$work/embedded.wasm" -o hello.wasm
