"""Trains and scores over MPI: `check.py PROGRAM [KILLS]`, with a program that was built with the feature `mpi`.

The bytes of the weights, of features and of scores have to be the same on 1 to 4 ranks, interrupted and resumed by others, and after any rank was killed. Ranks
that cannot go on together end within seconds, with one line. Four ranks on two cores are slow: the drawings are few and the network small.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = str(Path(sys.argv[1]).resolve())
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 6
LAUNCH = ["mpirun", "--oversubscribe", "--bind-to", "none"]
if os.getuid() == 0:
    LAUNCH.insert(1, "--allow-run-as-root")
# The time within which a job ends that one rank has left.
PATIENCE = 10.0
FOLDER = Path(tempfile.mkdtemp(prefix="inkgrad-ranks-"))
RUN = ["train", "cnn-vae", "--channels", "8,8", "--latent", "4", "--batch-size", "48", "--threads", "1", "--data", str(FOLDER / "data")]
failures = []


def check(name, holds, detail=""):
    print(f"{'ok  ' if holds else 'FAIL'} {name}{'' if holds else ': ' + str(detail)}", flush=True)
    if not holds:
        failures.append(name)


def command(ranks, *words):
    return [*LAUNCH, "-n", str(ranks), PROGRAM, *map(str, words), "--distributed", "mpi"]


def run(*words, **more):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300, **more)


def weights(path):
    return (path / "model.safetensors").read_bytes()


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("error:")]


def records(path):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def main():
    made = run(PROGRAM, "data", "synth", "--out", FOLDER / "data", "--n", 300, "--seed", 1)
    if made.returncode:
        sys.exit(f"no data: {made.stderr}")
    same_bytes()
    features()
    scores()
    evaluations()
    kills()
    stops()
    refusals()
    devices()
    shutil.rmtree(FOLDER, ignore_errors=True)
    if failures:
        sys.exit(f"{len(failures)} failed: {', '.join(failures)}")


def same_bytes():
    for parts in (4, 12):
        settings = [*RUN, "--accumulate", parts, "--steps", 6, "--log-every", 2]
        alone = FOLDER / f"alone-{parts}"
        done = run(PROGRAM, *settings, "--out", alone)
        check(f"{parts} parts, a process alone", done.returncode == 0, done.stderr)
        for ranks in (1, 2, 3, 4):
            out = FOLDER / f"{parts}-{ranks}"
            done = run(*command(ranks, *settings, "--out", out))
            same = done.returncode == 0 and weights(out) == weights(alone) and records(out) == records(alone)
            check(f"{parts} parts, {ranks} ranks: the same bytes", same, done.stderr)
            summary = [line for line in done.stdout.splitlines() if line.startswith("cnn-vae on")]
            check(f"{parts} parts, {ranks} ranks: one of them speaks", len(summary) == 1, done.stdout)
        out = FOLDER / f"{parts}-changing"
        done = run(*command(3, *RUN, "--accumulate", parts, "--steps", 2, "--log-every", 2, "--out", out))
        for ranks, steps in ((1, 3), (4, 5), (2, 6)):
            done = run(*command(ranks, "train", "--resume", out, "--steps", steps, "--threads", 1))
            if done.returncode:
                break
        check(f"{parts} parts, 3, 1, 4 and 2 ranks in turn: the same bytes", weights(out) == weights(alone), done.stderr)
        sittings = [json.loads(line)["ranks"] for line in (out / "ranks.jsonl").read_text().splitlines()]
        check(f"{parts} parts: who trained is written down", sittings == [3, 4, 2], sittings)
    alone = run(PROGRAM, *RUN, "--steps", 2, "--distributed", "mpi", "--out", FOLDER / "no-launcher")
    check("without mpirun, one rank", alone.returncode == 0, alone.stderr)


def features():
    judge = FOLDER / "judge"
    run(PROGRAM, "train", "classifier", "--data", FOLDER / "data", "--steps", 4, "--batch-size", 16, "--out", judge)
    words = ["features", "--network", "classifier", "--weights", judge, "--images", FOLDER / "data/test_images.npy", "--no-cache"]
    alone = FOLDER / "features-alone.npy"
    run(PROGRAM, *words, "--out", alone)
    for ranks in (2, 3):
        out = FOLDER / f"features-{ranks}.npy"
        done = run(*command(ranks, *words, "--out", out))
        same = done.returncode == 0 and out.read_bytes() == alone.read_bytes()
        check(f"features on {ranks} ranks: the same bytes", same, done.stderr)


def scores():
    """After `features`: of given features, of drawings and of pixels."""
    data, judge = FOLDER / "data", FOLDER / "judge"
    real, generated, logits = FOLDER / "features-alone.npy", FOLDER / "generated.npy", FOLDER / "logits.npy"
    words = ["features", "--network", "classifier", "--weights", judge, "--images", data / "train_images.npy", "--no-cache"]
    run(PROGRAM, *words, "--out", generated, "--logits", logits)
    of_drawings = ["--real", data / "test_images.npy", "--generated", data / "train_images.npy"]
    for name, words in (
        ("given features", ["--real", real, "--generated", generated, "--logits", logits, "--fid-infinity"]),
        ("drawings", [*of_drawings, "--network", "classifier", "--weights", judge, "--no-cache"]),
        ("pixels", [*of_drawings, "pixels"]),
    ):
        words = ["score", "--json", *words]
        alone = run(PROGRAM, *words)
        check(f"score of {name}: done", alone.returncode == 0 and "fid" in json.loads(alone.stdout), alone.stderr)
        for ranks in (1, 2, 3):
            done = run(*command(ranks, *words, "--threads", ranks))
            same = done.returncode == 0 and done.stdout == alone.stdout
            check(f"score of {name} on {ranks} ranks: the same bytes", same, done.stderr or done.stdout)

    # Each rank its own features under the same name.
    other = FOLDER / "other-features"
    other.mkdir()
    shutil.copy(real, other / real.name)
    shutil.copy(real, other / generated.name)
    done = apart(FOLDER, other, command(3, "score", "--real", real.name, "--generated", generated.name))
    named = len(errors(done)) == 1 and "rank 1 on " in errors(done)[0] and "has other generated drawings: SHA-256" in errors(done)[0]
    check("score of other features at rank 1: refused", done.returncode == 2 and named, done.stderr)
    shutil.rmtree(other)
    done = apart(FOLDER, other, command(3, "score", "--real", real.name, "--generated", "nowhere.npy"))
    check("score of no file: one line", done.returncode == 2 and len(errors(done)) == 1, done.stderr)


def evaluations():
    trained = FOLDER / "evaluated"
    words = ["train", "cvae", "--channels", "8,8", "--latent", "4", "--data", FOLDER / "data", "--steps", 4, "--batch-size", 16]
    run(PROGRAM, *words, "--out", trained)

    def evaluate(start, out, *more, place=None):
        # Without a judge that another evaluation has kept.
        env = {**os.environ, "XDG_CACHE_HOME": str(place or FOLDER / f"cache-{out.name}")}
        return run(*start("evaluate", "--run", trained, "--samples", 60, "--out", out, *more), env=env)

    for name, more in (("the prior", []), ("a mixture", ["--sampler", "gmm:2"])):
        alone = FOLDER / "evaluation-alone.json"
        done = evaluate(lambda *words: [PROGRAM, *words], alone, *more)
        check(f"evaluate, {name}: done", done.returncode == 0, done.stderr)
        for ranks in (1, 2, 3):
            # Fitted anew.
            for kept in trained.glob("*sampler*"):
                kept.unlink()
            out = FOLDER / f"evaluation-{ranks}.json"
            done = evaluate(lambda *words: command(ranks, *words), out, *more)
            same = done.returncode == 0 and out.read_bytes() == alone.read_bytes()
            check(f"evaluate, {name}, on {ranks} ranks: the same bytes", same, done.stderr)
            lines = [line for line in done.stderr.splitlines() if "rank 0 alone" in line]
            check(f"evaluate, {name}, on {ranks} ranks: whose map it is", len(lines) == (ranks > 1), done.stderr)
    judges = [len(list((FOLDER / f"cache-evaluation-{ranks}.json").rglob("*.safetensors"))) for ranks in (1, 2, 3)]
    check("evaluate: one judge is kept", judges == [1, 1, 1], judges)

    done = evaluate(lambda *words: command(2, *words), trained)
    check("evaluate into a folder: refused", done.returncode == 2 and len(errors(done)) == 1, done.stderr)
    mixed = [*command(1, "evaluate", "--run", trained, "--samples", 60, "--out", FOLDER / "no.json")]
    done = run(*mixed, ":", *mixed[mixed.index("-n") :], "--seed", 7)
    named = len(errors(done)) == 1 and "rank 1 on " in errors(done)[0] and "has another setting: seed = 7" in errors(done)[0]
    check("evaluate from other seeds: refused", done.returncode == 2 and named and not (FOLDER / "no.json").exists(), done.stderr)


def apart(here, there, words):
    """Runs a job whose rank 1 is in another folder."""
    script = f'cd "{there}" 2>/dev/null && [ "$OMPI_COMM_WORLD_RANK" = 1 ] || cd "{here}"; exec "$@"'
    at = words.index(PROGRAM)
    return run(*words[:at], "sh", "-c", script, "sh", *words[at:])


def pids(ranks, out):
    """The processes of a job, once all are there."""
    for _ in range(200):
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if line[0] == PROGRAM.encode() and str(out).encode() in line:
                    found.append(int(entry.name))
        if len(found) == ranks:
            return found
        time.sleep(0.02)
    return []


def kills():
    """Any rank killed at any moment ends the job, and the run goes on to the bytes that it would have had."""
    settings = [*RUN, "--accumulate", 4, "--steps", 40, "--log-every", 4, "--checkpoint-minutes", 0.005]
    alone = FOLDER / "kill-alone"
    started = time.time()
    run(*command(2, *settings, "--out", alone))
    whole = time.time() - started
    draw = random.Random(5)
    slowest, same, told = 0.0, 0, 0
    for number in range(KILLS):
        out = FOLDER / f"kill-{number}"
        job = subprocess.Popen(command(2, *settings, "--out", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        processes = pids(2, out)
        time.sleep(draw.random() * whole)
        for victim in draw.sample(processes, min(1, len(processes))):
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        killed = time.time()
        job.communicate(timeout=60)
        slowest = max(slowest, time.time() - killed)
        if job.returncode == 0:
            told += 1
        resume = command(draw.choice((1, 2, 3)), "train", "--resume", out)
        if not (out / "config.toml").exists():
            shutil.rmtree(out, ignore_errors=True)
            resume = command(2, *settings, "--out", out)
        done = run(*resume)
        if done.returncode == 0 and weights(out) == weights(alone):
            same += 1
        else:
            print(done.stderr)
    check(f"{KILLS} kills of a rank ({told} after its end): the job ends within {PATIENCE:.0f} s", slowest < PATIENCE, f"{slowest:.1f} s")
    check(f"{KILLS} kills of a rank: resumed to the same bytes", same == KILLS, f"{same} of {KILLS}")
    print(f"     the slowest end took {slowest:.2f} s, the whole run {whole:.1f} s")


def stops():
    """A scheduler's warning to one rank stops all of them, and they save."""
    out = FOLDER / "stopped"
    settings = [*RUN, "--accumulate", 4, "--steps", 100000, "--log-every", 1000]
    job = subprocess.Popen(command(2, *settings, "--out", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    processes = pids(2, out)
    for _ in range(300):
        if (out / "metrics.jsonl").exists():
            break
        time.sleep(0.1)
    time.sleep(3.0)
    # The last one has no say in what is printed.
    for victim in processes[-1:]:
        os.kill(victim, signal.SIGTERM)
    asked = time.time()
    _, said = job.communicate(timeout=60)
    lines = [line for line in said.splitlines() if line.startswith("stopped after step")]
    check("SIGTERM to one rank stops and saves all", len(lines) == 1 and (out / "state.safetensors").exists(), said)
    check("SIGTERM: within 10 s", time.time() - asked < PATIENCE)
    done = run(PROGRAM, "runs", FOLDER, "--json")
    check("the stopped run is a run", done.returncode == 0, done.stderr)


def refusals():
    out = FOLDER / "refused"
    done = run(*command(3, *RUN, "--accumulate", 2, "--steps", 2, "--out", out))
    line = "error: --accumulate: 2, expected at least 3: a step has a part for each of the 3 ranks"
    check("more ranks than parts", (done.returncode, errors(done)) == (2, [line]), done.stderr)

    done = run(*LAUNCH, "-n", 2, PROGRAM, *RUN, "--steps", 2, "--out", out)
    refused = all("--distributed: not given to 2 processes started together" in line for line in errors(done))
    check("processes that are not told of each other", done.returncode == 2 and errors(done) and refused, done.stderr)

    # Each rank its own folder of drawings under the same name.
    other = FOLDER / "other"
    run(PROGRAM, "data", "synth", "--out", other / "data", "--n", 300, "--seed", 2)
    done = apart(FOLDER, other, command(2, *RUN[:-1], "data", "--steps", 2, "--out", out))
    said = errors(done)
    named = len(said) == 1 and "rank 1 on " in said[0] and "has other data: SHA-256" in said[0]
    check("ranks that see different files", done.returncode == 2 and named and not out.exists(), done.stderr)

    # A disk that is full for rank 0: no file may be larger.
    full = FOLDER / "full"
    limit = '[ "$OMPI_COMM_WORLD_RANK" = 0 ] && ulimit -f 40; exec "$@"'
    words = command(2, *RUN, "--steps", 4, "--log-every", 2, "--out", full)
    at = words.index(PROGRAM)
    started = time.time()
    done = run(*words[:at], "sh", "-c", limit, "sh", *words[at:])
    said = errors(done)
    ended = time.time() - started
    check("a full disk at rank 0: one line", done.returncode == 2 and len(said) == 1 and "too large" in said[0].lower(), done.stderr)
    check("a full disk at rank 0: all end", ended < 30, f"{ended:.1f} s")


def devices():
    """Gradients of emulated GPUs, one a rank."""
    data = FOLDER / "few"
    run(PROGRAM, "data", "synth", "--out", data, "--n", 20, "--seed", 1)
    words = ["train", "cvae", "--channels", "4,4", "--latent", "4", "--batch-size", 6, "--threads", "1", "--data", data]
    words += ["--device", "emulated", "--accumulate", 3, "--steps", 2]
    alone = FOLDER / "device-alone"
    done = run(PROGRAM, *words, "--out", alone)
    check("a device, a process alone", done.returncode == 0, done.stderr)
    for ranks in (2, 3):
        out = FOLDER / f"device-{ranks}"
        done = run(*command(ranks, *words, "--out", out))
        same = done.returncode == 0 and weights(out) == weights(alone)
        check(f"devices of {ranks} ranks: the same bytes", same, done.stderr)


main()
