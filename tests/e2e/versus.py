#!/usr/bin/env python3
"""Compares clawgate and ccusage on the same logs: differences from the oracle, and run time.

    npm install ccusage            (any version; --ccusage is the path of its native binary)
    python3 tests/e2e/versus.py --clawgate target/release/clawgate --ccusage node_modules/@ccusage/…/bin/ccusage \
        --generator PATH/gen_usage.py --mb 8 --seed 3 [--speed 100,1000]

Prints two Markdown tables. Deviations are in percent of the oracle's figure. 0 means that the figures are equal.
"""
import argparse, json, os, resource, shutil, subprocess, sys, tempfile, time

KINDS = [("input", "inputTokens", "input"), ("output", "outputTokens", "output"), ("cache read", "cacheReadTokens", "cache_read")]


def run(command, home, own=None):
    env = {"HOME": home, "CLAWGATE_HOME": own or home + "/.own", "PATH": os.environ["PATH"], "NO_COLOR": "1"}
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: exit {process.returncode}")
    return out, usage.ru_utime + usage.ru_stime, time.time() - clock, usage.ru_maxrss / 1024


def deviation(got, want):
    if got == want:
        return "0"
    return "new" if not want else f"{(got - want) / want * 100:+.2f} %"


def tree(args, home, mb, agents, traps):
    truth = home + ".json"
    subprocess.run([sys.executable, args.generator, "--out", home, "--mb", str(mb), "--seed", str(args.seed), "--agents", agents,
                    "--traps", traps, "--oracle", truth], check=True, stdout=subprocess.DEVNULL)
    with open(truth) as file:
        oracle = json.load(file)
    os.remove(truth)
    return oracle


def ours(args, home, agent):
    rows = json.loads(run([args.clawgate, "cost", "--json", "--by", "agent"], home)[0])["rows"]
    row = next((r for r in rows if r["key"] == agent), None) or {}
    writes = row.get("cache_write_5m", 0) + row.get("cache_write_1h", 0)
    return [row.get(k[2], 0) for k in KINDS] + [writes, row.get("cost_picousd", 0)]


def theirs(args, home, agent):
    report = json.loads(run([args.ccusage, agent, "daily", "--json", "--offline"], home)[0] or b"{}")
    t = report.get("totals") or {}
    cost = t.get("totalCost", t.get("costUSD", 0))
    return [t.get(k[1], 0) for k in KINDS] + [t.get("cacheCreationTokens", 0), round(cost * 1e12 / 1e6) * 10**6]


def main():
    parser = argparse.ArgumentParser()
    for name in ("clawgate", "ccusage", "generator"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--mb", type=float, default=8)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--speed", default="")
    args = parser.parse_args()
    for name in ("clawgate", "ccusage", "generator"):
        setattr(args, name, os.path.abspath(getattr(args, name)))
    known = {}
    exec(open(args.generator).read().rsplit("\nmain()", 1)[0], {"__name__": "gen", "__file__": args.generator}, known)
    print("| agent | trap | clawgate | ccusage: input | output | cache read | cache write | cost |\n|---|---|---|---|---|---|---|---|")
    for agent, traps in known["ALL_TRAPS"].items():
        for trap in ["none", *traps, "all"]:
            home = tempfile.mkdtemp(prefix="versus-")
            try:
                oracle = tree(args, home, args.mb, agent, trap if trap in ("none", "all") else f"{agent}.{trap}")
                o = oracle["agent"][agent]
                want = [o["input"], o["output"], o["cache_read"], o["cw5"] + o["cw1h"], o["cost_pusd"]]
                mine = ours(args, home, agent)
                other = theirs(args, home, agent)
                # ccusage computes with floating point, so a difference of up to a millionth of a dollar counts as equal.
                want_rounded = want[:4] + [round(want[4] / 1e6) * 10**6]
                if abs(other[4] - want_rounded[4]) <= 10**6:
                    other[4] = want_rounded[4]
                same = "equal" if mine == want else "DIFFERS"
                cells = [deviation(a, b) for a, b in zip(other, want_rounded)]
                print(f"| {agent} | {trap} | {same} | " + " | ".join(cells) + " |", flush=True)
            finally:
                shutil.rmtree(home, ignore_errors=True)
    if not args.speed:
        return
    print("\n| tree | command | CPU s | wall s | MiB resident |\n|---|---|---|---|---|")
    for mb in args.speed.split(","):
        home = tempfile.mkdtemp(prefix="versus-")
        try:
            tree(args, home, float(mb), "claude,codex,openclaw", "all")
            report = [args.clawgate, "cost", "--json"]
            rows = [("clawgate, first report", lambda n: run(report, home, f"{home}/.own{n}"))]
            rows.append(("clawgate, nothing new", lambda n: run(report, home, f"{home}/.own0")))
            rows.append(("clawgate cost --by session", lambda n: run(report + ["--by", "session"], home, f"{home}/.own0")))
            rows.append(("ccusage daily", lambda n: run([args.ccusage, "daily", "--json", "--offline"], home)))
            rows.append(("ccusage session", lambda n: run([args.ccusage, "session", "--json", "--offline"], home)))
            for name, work in rows:
                times = sorted(work(n)[1:] for n in range(5))
                cpu, wall, rss = times[2]
                print(f"| {mb} MB | {name} | {cpu:.3f} | {wall:.3f} | {rss:.0f} |", flush=True)
        finally:
            shutil.rmtree(home, ignore_errors=True)


main()
