#!/usr/bin/env bash
# The real agents against `clawgate mcp`, their models scripted: a model that hurries past every step gets nowhere.
# agents.sh BIN TOOLS [PREFIX]   (TOOLS: the folder of drive.py; PREFIX: where the agents are installed from npm)
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
  python3 - "$world/report.json" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
print(f"{r['agent']} {(r['client'] or {}).get('version')}: exit {r['exit_status']}, {r['seconds']} s; {r['final_text']!r}")
for c in r["tool_calls"]:
    a = (c["result"] or {}).get("structuredContent") or {}
    said = a.get("error", {}).get("message") or f"state {a.get('state')}, next {(a.get('next') or {}).get('tool')}"
    print(f"  {c['tool']:<16} {'refused' if c['is_error'] else 'done   '}  {said[:170]}")
for bad in r["failed_expectations"]:
    print("  FAIL", bad)
PY
  case $(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["final_text"])' "$world/report.json") in
    *"exit=4"* | *": 4"* | *": 3"*) ;; # 3: the step that is due comes first
    *) echo "  FAIL sign in the agent's shell did not exit 3 or 4"; failed=1 ;;
  esac
done
exit $failed
