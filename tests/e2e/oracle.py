#!/usr/bin/env python3
"""Compares `clawgate cost` with the oracle of a log generator: with each trap alone, with none and with all.

    python3 tests/e2e/oracle.py --clawgate target/release/clawgate --generator PATH/gen_usage.py
        [--seeds 1-10] [--mb 1] [--jobs 2] [--agents claude,codex,openclaw]

Compares ten integers by total, agent, model, project and session, and by day in four time zones. Also checks that
`cost verify` finds no difference and that every dimension sums to the total. Prints one line; exits with 1 on any difference.
"""
import argparse, collections, concurrent.futures, importlib.util, json, os, shutil, subprocess, sys, tempfile

FIGURES = ["requests", "input", "output", "reasoning", "cache_read", "cache_write_5m", "cache_write_1h", "web_search",
           "cost_picousd", "unpriced_tokens"]
ORACLE = ["requests", "input", "output", "reasoning", "cache_read", "cw5", "cw1h", "web", "cost_pusd", "unpriced_tokens"]
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Europe/Berlin"]
SUMMED = ["week", "month", "block", "tool", "subagent", "skill", "provider", "device"]


def run(args, home, *words):
    env = {"HOME": home, "CLAWGATE_HOME": home + "/.own", "PATH": os.environ["PATH"]}
    done = subprocess.run([args.clawgate, *words], env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words}: exit {done.returncode}: {done.stderr[-300:]}{done.stdout[-600:]}")
    return json.loads(done.stdout)


def one(job):
    args, seed, agents, traps = job
    home = tempfile.mkdtemp(prefix="oracle-")
    try:
        truth = home + ".json"
        subprocess.run([sys.executable, args.generator, "--out", home, "--mb", str(args.mb), "--seed", str(seed), "--agents",
                        agents, "--traps", traps, "--oracle", truth], check=True, stdout=subprocess.DEVNULL)
        with open(truth) as file:
            oracle = json.load(file)
        os.remove(truth)
        wrong, checks = [], 0

        def add(key_of, table):
            sums = collections.defaultdict(lambda: [0] * len(ORACLE))
            for key, value in table.items():
                for i, name in enumerate(ORACLE):
                    sums[key_of(key)][i] += value[name]
            return {k: v for k, v in sums.items() if v[0]}

        def rows(*words):
            nonlocal checks
            report = run(args, home, "cost", "--json", *words)
            # A second report reads the stored ledger and must be equal.
            checks += 1
            if run(args, home, "cost", "--json", *words) != report:
                wrong.append(f"seed {seed} {traps} {' '.join(words)}: the second report differs")
            return report, {r["key"]: [r[f] for f in FIGURES] for r in report["rows"]}

        def compare(what, got, want):
            nonlocal checks
            for key in sorted(set(got) | set(want)):
                checks += len(FIGURES)
                if got.get(key) != want.get(key):
                    wrong.append(f"seed {seed} {traps} {what} {key}: {got.get(key)}, expected {want.get(key)}")

        total, got = rows("--by", "total")
        compare("total", got, add(lambda _: "total", oracle["total"]))
        compare("agent", rows("--by", "agent")[1], add(lambda k: k, oracle["agent"]))
        compare("model", rows("--by", "model")[1], add(lambda k: k.split("|", 1)[1], oracle["model"]))
        compare("session", rows("--by", "session")[1], add(lambda k: k.replace("|", ":"), oracle["session"]))
        # The oracle of OpenClaw names projects by agent, but the log's records name them by directory.
        place = lambda k: "/home/dev/clawd" if k.startswith("openclaw|") else "/home/dev/" + k.split("|", 1)[1]
        compare("project", rows("--by", "project")[1], add(place, oracle["project"]))
        for zone in ZONES:
            day = add(lambda k: k.split("|", 1)[1], oracle["day " + zone])
            compare("day " + zone, rows("--by", "day", "--timezone", zone)[1], day)
        for by in SUMMED:
            sums = [sum(column) for column in zip(*rows("--by", by)[1].values())]
            checks += 1
            if sums and sums != [total["total"][f] for f in FIGURES]:
                wrong.append(f"seed {seed} {traps}: by {by} does not sum to the total")
        if traps in ("all", "none"):
            verified = run(args, home, "cost", "verify", "--json", "--timezone", ZONES[1])
            checks += verified["compared"]
            wrong += [] if verified["same"] else [f"seed {seed} {traps}: verify differs"]
        return checks, wrong, oracle["total"].get("all", {}).get("requests", 0)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clawgate", default="target/release/clawgate")
    parser.add_argument("--generator", required=True)
    parser.add_argument("--seeds", default="1-10")
    parser.add_argument("--mb", type=float, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--agents", default="claude,codex,openclaw")
    args = parser.parse_args()
    args.clawgate, args.generator = os.path.abspath(args.clawgate), os.path.abspath(args.generator)
    spec = importlib.util.spec_from_file_location("gen", args.generator)
    source = open(args.generator).read().rsplit("\nmain()", 1)[0]
    known = {}
    exec(compile(source, spec.origin, "exec"), {"__name__": "gen", "__file__": args.generator}, known)
    first, last = (args.seeds.split("-") * 2)[:2]
    jobs = []
    for seed in range(int(first), int(last) + 1):
        jobs += [(args, seed, args.agents, traps) for traps in ("none", "all")]
        for agent in args.agents.split(","):
            jobs += [(args, seed, agent, f"{agent}.{trap}") for trap in known["ALL_TRAPS"][agent]]
    checks = requests = 0
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done, bad, n in pool.map(one, jobs):
            checks, requests, wrong = checks + done, requests + n, wrong + bad
    for line in wrong[:20]:
        print(line)
    print(f"{len(jobs)} trees, {requests} requests, {checks} figures compared, {len(wrong)} lines differ")
    sys.exit(bool(wrong))


main()
