"""Compares `inkgrad features --network inception` with torchvision's inception_v3, alternating on the same machine.

    cargo build --release && pip install torch torchvision safetensors numpy
    python benches/peer/inception.py [--threads 2] [--rounds 5]

Random weights. Ours is what the command reports for 48 drawings (by eight), with enlarging them, in a process of its own; torchvision's
is three batches of 16 random pictures after two to warm up. Prints images per second, the median of the ratios, and the peak memory of
our process.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
BATCH = 16
BATCHES = 3

# Prints the peak memory of the command that it runs, in MiB, to standard error.
MEASURE = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); " + (
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, file=sys.stderr)"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--channels-last", action="store_true", help="torchvision with weights and pictures as NHWC")
    parser.add_argument("--compile", action="store_true", help="torchvision's through torch.compile")
    parser.add_argument("--ours", default=str(ROOT / "target" / "release" / "inkgrad"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = torchvision.models.Inception3(aux_logits=False, transform_input=False, init_weights=False).eval()
    x = torch.rand(BATCH, 3, 299, 299)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        folder = Path(folder)
        save_file(model.state_dict(), folder / "w.safetensors")
        np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 256, (BATCH * BATCHES, 28, 28), dtype=np.uint8))
        if args.channels_last:
            model, x = (value.to(memory_format=torch.channels_last) for value in (model, x))
        command = ["python3", "-c", MEASURE, args.ours, "features", "--network", "inception", "--json", "--no-cache"]
        command += ["--weights", folder / "w.safetensors", "--images", folder / "x.npy", "--out", folder / "f.npy"]
        command += ["--threads", str(args.threads)]

        if args.compile:
            model = torch.compile(model)
        for _ in range(2):
            model(x)
        ratios = []
        for _ in range(args.rounds):
            start = time.perf_counter()
            for _ in range(BATCHES):
                model(x)
            theirs = (time.perf_counter() - start) / (BATCH * BATCHES)
            ended = subprocess.run(command, check=True, capture_output=True, text=True)
            ours = json.loads(ended.stdout)["seconds"] / (BATCH * BATCHES)
            ratios.append(theirs / ours)
            memory = float(ended.stderr.split()[-1])
            print(f"torchvision {1 / theirs:6.2f} images/s, ours {1 / ours:6.2f}: {ratios[-1]:.2f}, {memory:.0f} MiB", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
