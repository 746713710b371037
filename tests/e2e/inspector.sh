#!/usr/bin/env bash
# Runs the MCP Inspector against `clawgate mcp`: the schema lint in both eras of the protocol, and a load test.
# inspector.sh BIN NODE_BIN_DIR   (the .bin folder with `inspector` and node 22 or newer)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(realpath "${1:-$here/../../target/release/clawgate}")
export PATH=${2:-$here/../../target/ci/node/node_modules/.bin}:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/home"
cp -r "$here/../fixtures/agents/codex-0.169.0/HOME/." "$scratch/home/"
# The inspector passes only a few variables to the server. HOME is one of them, and the archive is below HOME by default.
export HOME=$scratch/home CI=true NO_COLOR=1
unset CLAWGATE_HOME HF_TOKEN
node --version
for era in legacy modern; do
  inspector --cli "$bin" mcp --protocol-era "$era" --method tools/list --strict >"$scratch/$era.json" 2>"$scratch/$era.err" </dev/null ||
    { code=$?; cat "$scratch/$era.err" "$scratch/$era.json" | head -60; echo "tools/list --strict ($era): exit $code"; exit 1; }
  tools=$(node -e 'const t=JSON.parse(require("fs").readFileSync(process.argv[1]));console.log((t.tools||t.result.tools).map(x=>x.name).join(" "))' "$scratch/$era.json")
  echo "tools/list --strict ($era): exit 0; $(echo "$tools" | wc -w) tools: $tools"
  grep -iE 'warn|error' "$scratch/$era.err" | head -20 || true
done
inspector --cli "$bin" mcp --method tools/call --tool-name scan --tool-args-json '{}' </dev/null >"$scratch/scan.json"
grep -q '"sessions"' "$scratch/scan.json" && echo "tools/call scan: exit 0"
inspector --cli "$bin" mcp --method tools/call --tool-name status --load --load-requests 500 --load-concurrency 10 \
  </dev/null >"$scratch/load" 2>&1 || { code=$?; head -60 "$scratch/load"; echo "load: exit $code"; exit 1; }
echo "load test, 500 calls of status:"
sed 's/^/  /' "$scratch/load" | head -40
