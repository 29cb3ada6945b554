"""Measures scaling over MPI on this machine, beside PyTorch's: `measure.py PROGRAM [--models M,…] [--rounds N]`.

PROGRAM was built with the feature `mpi`; the Python that runs this has torch. All ways take turns, N times over, and the median of
their medians stands in the table. Writes the raw numbers to benches/results and prints docs/scaling.md's tables.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAUNCH = ["mpirun", "--oversubscribe", "--bind-to", "none"]
if os.getuid() == 0:
    LAUNCH.insert(1, "--allow-run-as-root")
BATCHES = {"lstm-ae": 512, "cnn-ae": 512, "rnn-vae": 256, "cnn-vae": 256, "cvae": 256, "classifier": 256}


def output(words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(program, model, ranks, threads, batch, steps):
    words = [program, "bench", "--model", model, "--batch-size", batch, "--steps", steps, "--threads", threads, "--json",
             "--distributed", "mpi"]
    return output([*LAUNCH, "-n", ranks, *words] if ranks > 1 else words)


def torch_alone(model, batch, steps):
    return output([sys.executable, HERE.parent / "peer/torch_step.py", "--model", model, "--batch", batch, "--threads", 2,
                   "--steps", steps])["ms_median"]


def torch_ranks(model, batch, steps, way):
    return output([sys.executable, HERE / "torch_ddp.py", "--model", model, "--batch", batch, "--steps", steps, "--way", way])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=lambda path: Path(path).resolve())
    parser.add_argument("--models", default=",".join(BATCHES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--note", default="", help="of the machine's state, for the raw numbers")
    args = parser.parse_args()
    raw = []
    names = ["ours 1x2", "ours 2x1", "ours 1x1, half", "torch 1x2", "torch ddp 2x1", "torch all-reduce 2x1"]
    print("| model (global batch) | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    messages = None
    for model in args.models.split(","):
        batch, times = BATCHES[model], {name: [] for name in names}
        for _ in range(args.rounds):
            one = ours(args.program, model, 1, 2, batch, args.steps)["results"][0]
            two = ours(args.program, model, 2, 1, batch, args.steps)
            half = ours(args.program, model, 1, 1, batch // 2, args.steps)["results"][0]
            messages = messages or two
            times["ours 1x2"].append(one["ms_per_step"])
            times["ours 2x1"].append(two["results"][0]["ms_per_step"])
            times["ours 1x1, half"].append(half["ms_per_step"])
            times["torch 1x2"].append(torch_alone(model, batch, args.steps))
            times["torch ddp 2x1"].append(torch_ranks(model, batch, args.steps, "ddp")["ms_per_step"])
            times["torch all-reduce 2x1"].append(torch_ranks(model, batch, args.steps, "all-reduce")["ms_per_step"])
            raw.append({"model": model, "batch_size": batch, "one": one, "two": two["results"][0], "half": half})
        medians = [statistics.median(times[name]) for name in names]
        raw.append({"model": model, "batch_size": batch, "ms": times})
        print(f"| {model} ({batch}) | " + " | ".join(f"{ms:.1f}" for ms in medians) + " |", flush=True)
    print()
    print(f"a message of a byte to all, 2 ranks: {messages['latency_us']:.1f} µs")
    for message in messages["messages"]:
        print(f"{message['mib']:8.3f} MiB: exchange {message['exchange_ms']:.3f} ms, all-gather {message['all_gather_ms']:.3f} ms")
    now = datetime.datetime.now()
    path = HERE.parent / f"results/{now:%Y-%m-%d-%H%M}-ranks-beside-pytorch.json"
    path.write_text(json.dumps({"note": args.note, "cores": os.cpu_count(), "messages": messages, "measured": raw}, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
