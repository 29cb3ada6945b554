#!/usr/bin/env python3
"""How the time of a training step grows with threads, with the batch and with the drawings in memory.

    cargo build --release
    benches/scaling.py [--models cnn-vae,lstm-ae] [--batches 32,128,512,2048] [--drawings 1024,4096,16384]

Prints Markdown tables and writes every number to `benches/results/<date>-<time>-step-time-by-batch-and-threads.json`. The
gain of more cores is Amdahl's law with the serial share that one and two threads show, s = 2·t₂/t₁ − 1: it knows nothing of memory's limits, so
it is a bound. Run it on an idle machine.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = ["lstm-ae", "cnn-ae", "rnn-vae", "cnn-vae", "cvae", "classifier"]
FORECAST = [4, 8, 16]


def bench(model, threads, steps, batch=None, drawings=None):
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "inkgrad")
    command = [program, "bench", "--json", "--model", model, "--threads", str(threads), "--steps", str(steps)]
    if batch:
        command += ["--batch-size", str(batch)]
    if drawings:
        command += ["--drawings", str(drawings)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"error: {model}: exit status {run.returncode}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def line(cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(*cells):
    print()
    line(cells)
    print("|---" * len(cells) + "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda kind: lambda text: [kind(item) for item in text.split(",")]
    parser.add_argument("--models", type=listed(str), default=MODELS, help="comma-separated; default: all")
    parser.add_argument("--batches", type=listed(int), default=[32, 128, 512, 2048], help="comma-separated")
    parser.add_argument("--drawings", type=listed(int), default=[1024, 4096, 16384], help="comma-separated")
    parser.add_argument("--batch-model", default="cnn-vae", help="the model of the last two tables; default: cnn-vae")
    parser.add_argument("--steps", type=int, default=15, help="of each measurement; default: 15")
    args = parser.parse_args()

    now, load = datetime.datetime.now(datetime.timezone.utc), round(os.getloadavg()[0], 2)
    if load > 0.5:
        print(f"note: the machine is busy (load average {load}), so take these times as rough", file=sys.stderr)
    results = []
    head("model", "1 thread, ms", "2 threads, ms", "speedup", "of peak, 1", "of peak, 2", *(f"{n} by Amdahl" for n in FORECAST))
    for model in args.models:
        one, two = (bench(model, threads, args.steps) for threads in (1, 2))
        results += [one, two]
        speedup = one["ms_per_step"] / two["ms_per_step"]
        serial = min(max(2 / speedup - 1, 0), 1)
        shares = [f"{r['gflops'] / r['peak_gflops']:.0%}" for r in (one, two)]
        forecast = [f"{1 / (serial + (1 - serial) / n):.1f} ×" for n in FORECAST]
        line([model, f"{one['ms_per_step']:.4g}", f"{two['ms_per_step']:.4g}", f"{speedup:.2f} ×", *shares, *forecast])

    head("batch", f"{args.batch_model}, ms a step", "µs a drawing", "GFLOP/s", "peak MiB")
    for batch in args.batches:
        r = bench(args.batch_model, 2, args.steps, batch)
        results.append(r)
        memory = f"{r['peak_rss_mib']:.0f}" if r["peak_rss_mib"] else "?"
        line([batch, f"{r['ms_per_step']:.4g}", f"{r['ms_per_step'] * 1e3 / batch:.4g}", f"{r['gflops']:.1f}", memory])

    head("drawings in memory", f"{args.batch_model}, ms a step", "peak MiB")
    for drawings in args.drawings:
        r = bench(args.batch_model, 2, args.steps, drawings=drawings)
        results.append({"drawings": drawings, **r})
        line([f"{drawings:,}", f"{r['ms_per_step']:.4g}", f"{r['peak_rss_mib']:.0f}" if r["peak_rss_mib"] else "?"])

    path = ROOT / "benches" / "results" / f"{now:%Y-%m-%d-%H%M}-step-time-by-batch-and-threads.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"date": now.isoformat(timespec="seconds"), "cores": os.cpu_count(), "load_before": load, "results": results}
    path.write_text(json.dumps(record) + "\n")
    print(f"\nRaw numbers: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
