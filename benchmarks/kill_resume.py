"""Kill `detect` at random moments, call it again, and hold the outcome against that of a run nobody disturbed.

    python benchmarks/kill_resume.py NOTES [--kills 50] [--limit 2000] [--model lexicon] [--workers N]

Of each format in turn, runs are killed (SIGKILL) after a random time until as many kills as asked for have hit a run
that was at work; then one goes on to its end, and output and rejects must be byte for byte those of the reference.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("jsonl", "csv", "tsv", "parquet", "ndjson", "jsonl.gz", "csv.zst")
KILLS_A_ROUND = 3


def main() -> int:
    """Kill and compare; the exit code is 1 if any outcome differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--model", default="lexicon")
    parser.add_argument("--workers", type=int, default=1, help="of the runs that are killed; the reference has one")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)  # noqa: S311 - no secret
    n_kills = n_went_on = n_rounds = n_same = 0
    while n_kills < asked.kills:
        suffix = FORMATS[n_rounds % len(FORMATS)]
        with tempfile.TemporaryDirectory() as folder:
            command = command_for(asked.notes, asked.model, asked.limit)
            begin = time.monotonic()
            finish([*command, "--workers", "1", "-o", f"{folder}/whole.{suffix}"])
            seconds = time.monotonic() - begin
            output = Path(folder, f"out.{suffix}")
            killed = [*command, "--workers", str(asked.workers), "-o", str(output)]
            for _ in range(min(KILLS_A_ROUND, asked.kills - n_kills)):
                n_kills += kill_after(seconds * chance.uniform(0.1, 0.95), killed)
            n_went_on += "going on after" in finish(killed)
            same = all(
                read(Path(folder, f"whole.{name}")) == read(Path(folder, f"out.{name}"))
                for name in (suffix, f"{suffix}.rejects.jsonl")
            )
            left = {path.name for path in Path(folder).iterdir() if path.name.startswith(".")}
            n_rounds, n_same = n_rounds + 1, n_same + (same and not left)
            found = "same" if same and not left else f"DIFFERENT {sorted(left)}"
            print(f"{suffix}: {seconds:.1f} s a run, {n_kills} kills so far: {found}", flush=True)
    print(f"{n_kills} kills in {n_rounds} runs, {n_went_on} went on from a checkpoint: {n_same} byte-identical")
    return int(n_same < n_rounds)


def command_for(notes: Path, model: str, limit: int) -> list[str]:
    """Return the command without its output."""
    program = "from detect_icd10cm.cli import main; main()"
    return [sys.executable, "-c", program, "detect", str(notes), "--model", model, "--limit", str(limit)]


def finish(command: list[str]) -> str:
    """Run a command to its end and return what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "written to" not in done.stderr:
        raise SystemExit(done.stderr)
    return done.stderr


def kill_after(seconds: float, command: list[str]) -> int:
    """Kill a command after a time; return 0 if it had come to its end by then."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        ended = process.poll() is not None
        process.kill()
    return int(not ended)


def read(path: Path) -> bytes | None:
    """Return a file's content, None if there is none."""
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
