#!/usr/bin/env bash
# Runs the real agents, with scripted models, against `clawgate mcp`. Checks that a model that skips steps is refused at
# each of them, and that a model that reviews without reading does not count as a reader.
# agents.sh BIN TOOLS [PREFIX]   (TOOLS: the folder of drive.py; PREFIX: the folder in which npm installs the agents)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(realpath "$1")
tools=$(realpath "$2")
export AGENT_KIT_PREFIX=${3:-$here/../../target/ci/agents}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
for agent in claude codex; do
  [ -d "$AGENT_KIT_PREFIX/$agent/node_modules" ] || python3 "$tools/drive.py" install "$agent" >/dev/null
  world=$scratch/$agent
  mkdir -p "$world/home" "$world/agent"
  cp -r "$here/../fixtures/agents/claude-2.1.329/HOME/." "$here/../fixtures/agents/codex-0.169.0/HOME/." "$world/home/"
  sed "s|CLAWGATE_BIN|HOME=$world/home CLAWGATE_HOME=$world/state $bin|" "$here/scenarios/eager.json" >"$world/eager.json"
  python3 "$tools/drive.py" run "$agent" --home "$world/agent" --server "$bin mcp" --name clawgate \
    --server-env "HOME=$world/home" --server-env "CLAWGATE_HOME=$world/state" --server-env "HF_ENDPOINT=http://127.0.0.1:9" \
    --scenario "$world/eager.json" >"$world/report.json" || failed=1
  python3 - "$world/report.json" <<'PY' || failed=1
import json, sys
r = json.load(open(sys.argv[1]))
print(f"{r['agent']}: exit {r['exit_status']}, {r['seconds']} s; {r['final_text']!r}")
for c in r["tool_calls"]:
    a = (c["result"] or {}).get("structuredContent") or {}
    answer = a.get("error", {}).get("message") or f"state {a.get('state')}, next {(a.get('next') or {}).get('tool')}"
    print(f"  {c['tool']:<16} {'refused' if c['is_error'] else 'ok     '}  {answer[:170]}")
published = [c for c in r["tool_calls"] if c["tool"] == "publish"]
if not published or not all(c["is_error"] for c in published):
    r["failed_expectations"].append("a publish was not refused")
for bad in r["failed_expectations"]:
    print("  FAIL", bad)
sys.exit(bool(r["failed_expectations"]))
PY
done
exit $failed
