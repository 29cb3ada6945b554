"""Trains cnn-vae with each objective in PyTorch and by inkgrad, on the same drawings by the same protocol, and prints a table of
-ln p of test drawings by importance samples, mean ± standard deviation over seeds.

    likelihoods.py --data ../shared/data/large_subset --results benches/results/DATE-likelihoods-beside-pytorch.jsonl

Formulas are those of tests/fixtures/objectives.py, which the engine's gradients are compared with. What PyTorch has trained is imported
into a run, so that one program measures both: `inkgrad evaluate --nll`. A line of the results is a run; those that are there are not
trained again, so that the same command goes on where it stopped. --objectives and --seeds choose. --losses trains nothing and prints the
loss of each run of --work on the test drawings, by its own objective, with PyTorch's formulas and the same noise for all.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "fixtures"))
import objectives as fixtures  # noqa: E402  (the folder has to be known first)
from quality import load  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch_models import CnnEncoder, Vae  # noqa: E402

OBJECTIVES = {
    "elbo": {},
    "free-bits": {"free_bits": "0.1"},
    "warm-up": {"kl_warmup": "10:linear"},
    "iwae": {"objective": "iwae", "importance_samples": "5"},
    "iwae-50": {"objective": "iwae", "importance_samples": "50"},
    "wae-mmd": {"objective": "wae-mmd", "beta": "100"},
    "beta-tc": {"objective": "beta-tc", "beta": "2"},
    "vamp": {"objective": "vamp", "pseudo_inputs": "128"},
    "ladder": {"objective": "ladder", "top_latent": "16", "kl_warmup": "10:linear"},
}
BATCH = 128
LATENT = 32


def train_torch(args, options, seed, path):
    """Adam at 1e-3, all drawings in a new order each epoch, the last batch smaller."""
    torch.manual_seed(seed)
    images, _ = load(args.data, "train")
    model = Vae(CnnEncoder(**fixtures.SIZES), **fixtures.SIZES)
    bounds = fixtures.add_own(model, options, torch.float32)
    params = dict(model.named_parameters())
    with torch.no_grad():
        for name, bound in bounds.items():
            params[name].normal_() if name == "pseudo_inputs" else params[name].uniform_(-bound, bound)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps = math.ceil(len(images) / BATCH)
    for epoch in range(args.epochs):
        for step, rows in enumerate(torch.randperm(len(images)).split(BATCH)):
            optimiser.zero_grad()
            noise = lambda _, shape: torch.randn(shape)
            loss, _ = fixtures.loss(model, images[rows], noise, options, epoch + step / steps)
            (loss / len(rows)).backward()
            optimiser.step()
    torch.save(model.state_dict(), path)


def ink(args, *words):
    threads = ["--threads", str(args.threads)]
    done = subprocess.run([args.ink, *map(str, words), *threads], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def measure(args, side, name, seed):
    options, work = OBJECTIVES[name], args.work / f"{side}-{name}-{seed}"
    started = time.perf_counter()
    if side == "inkgrad":
        given = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
        train = ["train", "cnn-vae", "--data", args.data, "--epochs", args.epochs, "--seed", seed, "--out", work]
        ink(args, *train, *given, "--force")
    else:
        weights = work.with_suffix(".pth")
        train_torch(args, options, seed, weights)
    seconds = time.perf_counter() - started
    if side != "inkgrad":
        words = ["import", "--model", "cnn-vae", "--weights", weights, "--data", args.data, "--out", work, "--force"]
        subprocess.run([args.ink, *map(str, words)], check=True, capture_output=True)
    scores = work.with_suffix(".json")
    scores.unlink(missing_ok=True)
    ink(args, "evaluate", "--run", work, "--data", args.data, "--samples", 1000, "--nll", args.nll, "--out", scores)
    found = json.loads(scores.read_text())
    return {"side": side, "objective": name, "seed": seed, "seconds": round(seconds, 1), **likelihood(found)}


def own_loss(args, images, side, name, seed):
    """The loss a drawing of a run that is there, by its own objective once it has warmed up."""
    options = OBJECTIVES[name]
    model = Vae(CnnEncoder(**fixtures.SIZES), **fixtures.SIZES)
    fixtures.add_own(model, options, torch.float32)
    model.load_state_dict(load_file(args.work / f"{side}-{name}-{seed}" / "model.safetensors"))
    torch.manual_seed(9)
    # Whole batches alone: some objectives compare the drawings of a batch.
    batches = [rows for rows in torch.arange(len(images)).split(BATCH) if len(rows) == BATCH]
    noise = lambda _, shape: torch.randn(shape)
    with torch.no_grad():
        total = sum(fixtures.loss(model, images[rows], noise, options, args.epochs)[0].item() for rows in batches)
    return total / (len(batches) * BATCH)


def losses(args, names, seeds):
    images, _ = load(args.data, "test")
    for name in names:
        found = {side: [own_loss(args, images, side, name, seed) for seed in seeds] for side in ("pytorch", "inkgrad")}
        pytorch, inkgrad = map(statistics.mean, found.values())
        print(f"{name}: {found}, {100 * (inkgrad / pytorch - 1):+.2f} %", flush=True)


def likelihood(found):
    """The entry of the scores that has the likelihood."""
    entry = found["likelihood"]
    return {key: entry[key] for key in ("n", "samples", "nll", "elbo", "standard_error")}


def table(results):
    for name in OBJECTIVES:
        cells = []
        for side in ("pytorch", "inkgrad"):
            values = [r["nll"] for r in results if r["objective"] == name and r["side"] == side]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread} ({len(values)})" if values else "–")
        print(f"| {name} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--results", type=Path, help="where each run has a line")
    parser.add_argument("--losses", action="store_true", help="print losses of the runs that are there")
    parser.add_argument("--ink", default="target/release/inkgrad")
    parser.add_argument("--work", type=Path, default=Path("target/likelihoods"))
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--nll", default="425:5000")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.results is None and not args.losses:
        parser.error("--results or --losses")
    torch.set_num_threads(args.threads)
    fixtures.LATENT = LATENT
    fixtures.SIZES = {"latent": LATENT, "channels": (32, 64, 128), "image": (1, 28, 28)}
    names, seeds = args.objectives.split(","), list(map(int, args.seeds.split(",")))
    if args.losses:
        losses(args, names, seeds)
        return
    args.work.mkdir(parents=True, exist_ok=True)
    results = [json.loads(line) for line in args.results.read_text().splitlines()] if args.results.exists() else []
    done = {(r["side"], r["objective"], r["seed"]) for r in results}
    for seed in seeds:
        for name in names:
            for side in ("inkgrad", "pytorch"):
                if (side, name, seed) not in done:
                    results.append(measure(args, side, name, seed))
                    with args.results.open("a") as file:
                        file.write(json.dumps(results[-1]) + "\n")
                    print(results[-1], flush=True)
    table(results)


if __name__ == "__main__":
    main()
