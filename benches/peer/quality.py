"""Trains one model in PyTorch on a folder in the course layout and prints the losses as JSON, a line an epoch.

    quality.py --model cnn-vae --data ../shared/data/large_subset --epochs 10
    quality.py --model cnn-ae --data ../shared/data/large_subset --steps 1000

With --epochs the training set is shuffled each epoch; with --steps, as for the autoencoders, each batch is drawn from
90 % of it without replacement, and the one line has the mean of the last 50 losses. A VAE's losses are per image, its
z drawn in testing as in training.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from torch_models import MODELS


def load(folder, split):
    images = np.load(folder / f"{split}_images.npy")
    images = torch.from_numpy(images.reshape(-1, 1, 28, 28).astype(np.float32))
    labels = torch.from_numpy(np.load(folder / f"{split}_labels.npy").reshape(-1).astype(np.int64))
    return images / 255 if images.max() > 1 else images, labels


class Mean:
    """The mean of every reported number over images."""

    def __init__(self):
        self.images, self.sums = 0, {}

    def add(self, reported, outputs, labels):
        count = len(labels)
        if "logits" in outputs:
            reported = {**reported, "accuracy": (outputs["logits"].argmax(1) == labels).float().mean()}
        for key, value in reported.items():
            self.sums[key] = self.sums.get(key, 0.0) + value.item() * count
        self.images += count

    def get(self):
        return {key: total / self.images for key, total in self.sums.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--data", required=True, type=Path)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--epochs", type=int)
    length.add_argument("--steps", type=int)
    parser.add_argument("--max-batches", type=int, help="stop each epoch's training and testing after so many batches")
    parser.add_argument("--batch", type=int, help="default: 256 for the autoencoders, 128 for the others")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--bf16", action="store_true", help="under autocast to bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    spec = MODELS[args.model]
    batch = args.batch or spec.batch
    train, test = load(args.data, "train"), load(args.data, "test")
    model = spec.build()
    optimiser = torch.optim.Adam(model.parameters(), lr=args.lr)

    def run(data, rows, mean):
        images, labels = (part[rows] for part in data)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            loss, reported, outputs = spec.loss(model, images, labels, None)
        mean.add(reported, outputs, labels)
        return loss

    def update(rows, mean):
        optimiser.zero_grad()
        run(train, rows, mean).backward()
        optimiser.step()

    def tested():
        mean = Mean()
        with torch.no_grad():
            for rows in torch.arange(len(test[1])).split(batch)[: args.max_batches]:
                run(test, rows, mean)
        return mean.get()

    start = time.perf_counter()

    def report(key, value, train_mean):
        seconds = round(time.perf_counter() - start, 1)
        print(json.dumps({key: value, "train": train_mean.get(), "test": tested(), "seconds": seconds}), flush=True)

    if args.epochs:
        for epoch in range(args.epochs):
            mean = Mean()
            for rows in torch.randperm(len(train[1])).split(batch)[: args.max_batches]:
                update(rows, mean)
            report("epoch", epoch + 1, mean)
    else:
        drawn_from = torch.randperm(len(train[1]))[: len(train[1]) * 9 // 10]
        last = Mean()
        for step in range(args.steps):
            rows = drawn_from[torch.randperm(len(drawn_from))[:batch]]
            update(rows, last if step >= args.steps - 50 else Mean())
        report("steps", args.steps, last)


if __name__ == "__main__":
    main()
