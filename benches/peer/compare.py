"""Alternates PyTorch's training step, eager and compiled, with inkgrad's and prints a table (see README.md here).

Each side is a process that speaks the protocol of torch_step.py. They take turns in short blocks with a pause between,
so that all meet the same clock speed, temperature and neighbours, and none is disturbed by another's threads
spinning for more work; who goes first changes from round to round. A turn takes the fastest side 50 ms at least: threads
that wake up on one core share it for some 10 ms until the system moves one, and in training they wake up once. The ratio
is to the faster of PyTorch's two. Afterwards, `inkgrad bench --profile` tells where our step's time goes, and what the same
threads reach with multiply-adds alone: the peak that a step's GFLOP/s are a share of.
"""

import argparse
import contextlib
import datetime
import json
import math
import os
import re
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODELS = {"lstm-ae": 256, "cnn-ae": 256, "rnn-vae": 128, "cnn-vae": 128, "cvae": 128, "classifier": 128}
PROGRAM = str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "inkgrad"))
PEERS = {"eager": [], "compiled": ["--compile"]}
OURS = "inkgrad bench --model {model} --batch-size {batch} --threads {threads} --paced"


class Worker:
    def __init__(self, side, command, threads):
        self.side = side
        # OpenMP reads this before PyTorch is told its number of threads.
        env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
            )
        except OSError as error:
            sys.exit(f"error: {side}: cannot start `{command[0]}`: {error.strerror}")
        self.ms = []

    def __enter__(self):
        self.ready = self.read("ready")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def read(self, key):
        line = self.process.stdout.readline()
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            message = None
        if isinstance(message, dict) and key in message:
            return message
        found = f"`{line.strip()}`" if line else f"the end of its output, exit status {self.process.wait()}"
        sys.exit(f"error: {self.side}: found {found}, expected a JSON object with `{key}`")

    def ask(self, line, key):
        try:
            print(line, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # `read` says how it ended.
        return self.read(key)

    def run(self, steps):
        ms = self.ask(steps, "ms")["ms"]
        if len(ms) != steps:
            sys.exit(f"error: {self.side}: found {len(ms)} times, expected {steps}")
        self.ms += ms

    def warm_up(self, steps):
        """The median of so many steps that don't count."""
        return statistics.median(self.ask(steps, "ms")["ms"])

    def finish(self):
        """The worker's numbers; it ends after this."""
        peak = self.ask("", "peak_rss_mib")["peak_rss_mib"]
        return {
            "ms": [round(ms, 4) for ms in self.ms],
            "ms_median": statistics.median(self.ms),
            "ms_min": min(self.ms),
            "ms_max": max(self.ms),
            "peak_rss_mib": peak,
        }


def compare(model, threads, args):
    batch = args.batch or MODELS[model]
    torch_command = [sys.executable, str(HERE / "torch_step.py"), "--model", model, "--batch", str(batch)]
    torch_command += ["--threads", str(threads)] + ["--channels-last"] * args.channels_last + ["--bf16"] * args.bf16
    ours_command = shlex.split(args.ours.format(model=model, batch=batch, threads=threads))
    if args.ours == OURS:
        ours_command[0] = PROGRAM
        ours_command += ["--precision", "bf16"] * args.bf16

    with contextlib.ExitStack() as stack:
        start = lambda side, command: stack.enter_context(Worker(side, command, threads))
        pytorch = {peer: start(f"PyTorch, {peer}", torch_command + PEERS[peer]) for peer in args.peers}
        ours = start("inkgrad", ours_command)
        order = [*pytorch.values(), ours]
        fastest = min(worker.warm_up(args.block) for worker in order)
        block = max(args.block, math.ceil(args.turn / fastest))
        for _ in range(math.ceil(args.steps / args.block)):
            for worker in order:
                time.sleep(args.pause)
                worker.run(block)
            order = order[1:] + order[:1]
        result = {"model": model, "batch": batch, "threads": threads, "torch": pytorch[args.peers[0]].ready["torch"]}
        result |= {peer: worker.finish() for peer, worker in pytorch.items()} | {"inkgrad": ours.finish()}
    result["ratio"] = min(result[peer]["ms_median"] for peer in args.peers) / result["inkgrad"]["ms_median"]
    if args.ours == OURS:
        result["profile"] = profile(model, batch, threads, args.bf16)
        result["gflops"] = sum(result["profile"]["gflop"].values()) / result["inkgrad"]["ms_median"] * 1e3
    return result


def profiled(model, threads, *more):
    """The answer of `inkgrad bench --profile`."""
    command = [PROGRAM, "bench", "--json", "--profile", "--model", model, "--threads", str(threads), *more]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"error: inkgrad bench --profile: exit status {run.returncode}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def profile(model, batch, threads, bf16):
    """GFLOP and milliseconds of a step by operation, and the peak of the same threads."""
    found = profiled(model, threads, "--batch-size", str(batch), "--steps", "10", *["--precision", "bf16"] * bf16)
    ms, gflop = {"batch, Adam, loss": found["other_ms"]}, {}
    for op in found["operations"]:
        for way in ("forward", "backward"):
            ms[op["op"]] = ms.get(op["op"], 0) + op[f"{way}_ms"]
            gflop[op["op"]] = gflop.get(op["op"], 0) + op[f"{way}_gflops"] * op[f"{way}_ms"] / 1e3
    return {"peak_gflops": found["peak_gflops"], "ms": ms, "gflop": gflop}


def phases(result):
    """The operations that take at least a hundredth of a step: share of its time, GFLOP/s."""
    ms, gflop = result["profile"]["ms"], result["profile"]["gflop"]
    total = sum(ms.values())
    for op in sorted((op for op in ms if ms[op] >= total / 100), key=ms.get, reverse=True):
        speed = f"{gflop[op] / ms[op] * 1e3:.1f}" if gflop.get(op) else "-"
        yield [result["model"], result["threads"], op, f"{ms[op]:.4g}", f"{ms[op] / total:.0%}", speed]


def row(r, peers):
    cells = [r["model"], r["batch"], r["threads"]]
    for side in (*peers, "inkgrad"):
        cells.append(f"{r[side]['ms_median']:.4g} ({r[side]['ms_min']:.4g} to {r[side]['ms_max']:.4g})")
    cells.append(f"{r['ratio']:.2f}")
    cells += [f"{r[side]['peak_rss_mib']:.0f}" for side in (*peers, "inkgrad")]
    if "profile" in r:
        cells += [f"{r['gflops']:.1f}", f"{r['gflops'] / r['profile']['peak_gflops']:.0%}"]
    return cells


def columns(peers):
    times = [f"PyTorch {peer}, ms (min to max)" for peer in peers] + ["inkgrad, ms (min to max)"]
    memory = [f"PyTorch {peer}, MiB" for peer in peers] + ["inkgrad, MiB"]
    return ["model", "batch", "threads", *times, "ratio to the faster" if len(peers) > 1 else "ratio", *memory]


def table_line(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


PROFILE_COLUMNS = ["inkgrad, GFLOP/s", "of peak"]
PHASES = ["model", "threads", "operation, both ways", "ms", "of the step", "GFLOP/s"]


def machine():
    """The processor's name, the widest vectors it has (a virtual machine's name may not tell), and the cores seen."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text()
    except OSError:
        cpuinfo = ""
    name = re.search(r"^model name\s*: (.*)$", cpuinfo, re.M)
    vectors = [v for v in ("avx512f", "avx2", "asimd") if re.search(rf"\b{v}\b", cpuinfo)]
    return {
        "cpu": name[1].strip() if name else os.uname().machine,
        "vectors": vectors[0] if vectors else None,
        "cores": os.cpu_count(),
    }


def revision():
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return git.stdout.strip() or None


def result_path(when, torch, threads, models, bf16):
    """A file of benches/results whose name says what was measured, and when."""
    threads = "-and-".join(map(str, threads)) + ("-thread" if threads == [1] else "-threads")
    name = f"{when:%Y-%m-%d-%H%M}-step-beside-pytorch-{torch.split('+')[0]}{'-bf16' * bf16}-{threads}"
    if set(models) != set(MODELS):
        name += "-" + "-".join(models)
    folder = ROOT / "benches" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda kind: lambda text: [kind(item) for item in text.split(",")]
    parser.add_argument("--models", type=listed(str), default=list(MODELS), help="comma-separated; default: all")
    parser.add_argument("--threads", type=listed(int), default=[2], help="comma-separated; default: 2")
    parser.add_argument("--batch", type=int, help="default: 256 for the autoencoders, 128 for the others")
    parser.add_argument("--steps", type=int, default=30, help="of each side, at least; default: 30")
    parser.add_argument("--block", type=int, default=5, help="steps in one turn, at least; default: 5")
    parser.add_argument("--turn", type=float, default=50, help="milliseconds of a turn, at least; default: 50")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds before each turn; default: 0.2")
    parser.add_argument("--peers", type=listed(str), default=list(PEERS), help="of eager, compiled; default: both")
    parser.add_argument("--channels-last", action="store_true", help="PyTorch with NHWC weights and images")
    parser.add_argument("--bf16", action="store_true", help="ours with --precision bf16, PyTorch under autocast to bfloat16")
    parser.add_argument("--ours", default=OURS, help="our side's command; default: the release build's %(default)s")
    args = parser.parse_args()
    if unknown := [model for model in args.models if model not in MODELS]:
        parser.error(f"--models: found {', '.join(unknown)}, expected some of {', '.join(MODELS)}")
    if not args.peers or (unknown := [peer for peer in args.peers if peer not in PEERS]):
        parser.error(f"--peers: found {', '.join(unknown)}, expected some of {', '.join(PEERS)}")
    if min(args.threads + [args.steps, args.block]) < 1:
        parser.error("--threads, --steps and --block: expected 1 or more")

    now, load = datetime.datetime.now(datetime.timezone.utc), round(os.getloadavg()[0], 2)
    if load > 0.5:
        print(f"note: the machine is busy (load average {load}), so take these times as rough", file=sys.stderr)
    results = []
    heading = columns(args.peers) + PROFILE_COLUMNS * (args.ours == OURS)
    print(table_line(heading), "|---" * len(heading) + "|", sep="\n", flush=True)
    for threads in args.threads:
        for model in args.models:
            results.append(compare(model, threads, args))
            print(table_line(row(results[-1], args.peers)), flush=True)
    means = {}
    for threads in args.threads:
        ratios = [r["ratio"] for r in results if r["threads"] == threads]
        means[threads] = math.exp(statistics.fmean(map(math.log, ratios)))
        print(f"\nGeometric mean of the ratios at {threads} thread{'s' * (threads > 1)}: {means[threads]:.2f}")

    if args.ours == OURS:
        print("", table_line(PHASES), "|---" * len(PHASES) + "|", sep="\n")
        print(*(table_line(cells) for result in results for cells in phases(result)), sep="\n")

    host = machine()
    record = {"date": now.isoformat(timespec="seconds"), **host, "load_before": load, "revision": revision()}
    record |= {"torch": results[0]["torch"], "peers": args.peers, "channels_last": args.channels_last, "bf16": args.bf16, "ours": args.ours}
    record |= {"block": args.block, "pause_s": args.pause, "geometric_mean": means, "results": results}
    path = result_path(now, results[0]["torch"], args.threads, args.models, args.bf16)
    path.write_text(json.dumps(record) + "\n")
    print(f"\nRaw numbers: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
