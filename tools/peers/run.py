"""`run`: a command, its seconds and its peak memory, on the first processors of those that are ours."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

STARTER = Path(__file__).with_name("start.py")


@dataclass
class Cost:
    seconds: float  # from the command to its end
    peak: int  # resident bytes
    said: str  # stdout, then stderr


class Failed(Exception):
    """A command that did not end well."""


def run(commands: list[list[str]], folder: Path, threads: int) -> Cost:
    """Runs commands one after another in a folder; seconds are added up."""
    total = Cost(0.0, 0, "")
    for command in commands:
        starter = [sys.executable, "-S", "-E", str(STARTER), str(threads), *command]
        done = subprocess.run(starter, cwd=folder, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        texts = [(folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        try:
            cost = json.loads(done.stdout)
        except ValueError:
            raise Failed(f"{command[0]} cannot be started") from None
        if cost["code"] != 0:
            last = (texts[1].strip() or texts[0].strip() or "it said nothing").splitlines()[-1]
            raise Failed(f"{Path(command[0]).name} ended with {cost['code']}: {last}")
        total = Cost(total.seconds + cost["seconds"], max(total.peak, cost["peak"]), texts[0] + texts[1])
    return total
