"""Times PyTorch's training step: zero_grad, forward, backward, Adam, reading the loss.

Speaks the protocol of `inkgrad bench --paced`, so that compare.py can alternate the two. After building and warming up
it prints {"ready": true, "torch": …, "threads": n, "peak_rss_mib": …}. For each line with an integer K it runs K steps
and prints {"ms": [K times]}. At an empty line or the end of input it prints {"peak_rss_mib": …} and ends.
"""

import argparse
import json
import re
import statistics
import sys
import time

import torch

from torch_models import CLASSES, MODELS

IMAGES = 4096
WARM_UP = 3


def peak_rss_mib():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1]) / 1024


def say(message):
    print(json.dumps(message), flush=True)


def drawings(generator):
    """About a fifth of the pixels inked, as in the real drawings."""
    grey = torch.rand(IMAGES, 1, 28, 28, generator=generator)
    return grey.mul_(torch.rand(IMAGES, 1, 28, 28, generator=generator) < 0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--batch", type=int, help="default: 256 for the autoencoders, 128 for the others")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true", help="weights and images as NHWC")
    parser.add_argument("--bf16", action="store_true", help="under autocast to bfloat16")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="torch.compile; CUDA graphs on a GPU")
    parser.add_argument("--steps", type=int, help="run this many steps, print their median and stop")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    spec = MODELS[args.model]
    batch = args.batch or spec.batch
    generator = torch.Generator().manual_seed(0)
    images = drawings(generator)
    labels = torch.randint(CLASSES, (IMAGES,), generator=generator)
    model = spec.build()
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    model, images, labels = (x.to(args.device) for x in (model, images, labels))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def loss_of(images, labels):
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.bf16):
            return spec.loss(model, images, labels, None)[0]

    if args.compile:
        loss_of = torch.compile(loss_of, mode="reduce-overhead" if args.device == "cuda" else "default")

    def step():
        rows = torch.randint(IMAGES, (batch,), generator=generator).to(args.device)
        optimiser.zero_grad()
        loss = loss_of(images[rows], labels[rows])
        loss.backward()
        optimiser.step()
        return loss.item()

    def timed(steps):
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        return times

    timed(WARM_UP)
    if args.steps:
        ms = timed(args.steps)
        summary = {"ms_median": statistics.median(ms), "ms_min": min(ms), "ms_max": max(ms)}
        say({"model": args.model, "batch": batch, **summary, "peak_rss_mib": peak_rss_mib()})
        return
    say({"ready": True, "torch": torch.__version__, "threads": torch.get_num_threads(), "peak_rss_mib": peak_rss_mib()})
    for line in sys.stdin:
        if not line.strip():
            break
        say({"ms": timed(int(line))})
    say({"peak_rss_mib": peak_rss_mib()})


if __name__ == "__main__":
    main()
