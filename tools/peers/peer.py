"""`Peer`: what tools/compare has to know of a tool."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


class Missing(Exception):
    """Why a tool or a set cannot be had."""


class Peer:
    name = ""
    models: tuple[str, ...] = ("linear",)  # what it can learn of those that sets are for

    def __init__(self, home: Path):
        """Finds or installs the tool; what is installed and not Debian's goes below `home`. Raises Missing."""

    def settings(self, data) -> list[str]:
        """The settings that are tried on a set, the most sensible first. None: the tool does not do such a set."""
        raise NotImplementedError

    def train(self, data, setting: str, model: Path, threads: int) -> list[list[str]]:
        """The commands that make a model of the train file. They run in an empty folder."""
        raise NotImplementedError

    def settle(self, said: str, setting: str) -> str:
        """The setting to learn all rows with, once this one was tried: by what the tool printed, if it watched the tuning part."""
        return setting

    def predict(self, data, setting: str, model: Path, out: Path) -> list[str]:
        """The command that writes to `out`, or prints, what the model says of the rows of the test file."""
        raise NotImplementedError

    def scores(self, data, lines: list[str]) -> list[float]:
        """A probability of the positive class for each row, a class where there are several, or a rating."""
        return [float(line.split()[0]) for line in lines]

    def passes(self, said: str, setting: str):
        """How many passes were made and the seconds of the passes alone, if the tool tells in what it prints."""
        return None


def option(setting: str, name: str, usual: str) -> str:
    """The value of an option in a setting."""
    words = setting.split()
    return words[words.index(name) + 1] if name in words else usual


def with_option(setting: str, name: str, value: str) -> str:
    """A setting in which an option has another value."""
    words = setting.split()
    words[words.index(name) + 1] = value
    return " ".join(words)


def given(variable: str) -> str:
    """The program whose path is in an environment variable."""
    path = os.environ.get(variable)
    if not path:
        raise Missing(f"no registry has the program; say {variable}=PATH")
    found = shutil.which(path)
    if not found:
        raise Missing(f"{variable}={path} is no program")
    return str(Path(found).absolute())  # not resolved: an environment of Python is known by its link


def debian(package: str, *programs: str) -> list[str]:
    """Programs of a Debian package, which is installed where that is possible."""
    if not all(map(shutil.which, programs)):
        if os.getuid() != 0 or not shutil.which("apt-get"):
            raise Missing(f"not installed; it is in Debian's {package}")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *command], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
    found = list(map(shutil.which, programs))
    if not all(found):
        raise Missing(f"Debian's {package} cannot be installed")
    return found


def python(home: Path, module: str, package: str) -> str:
    """A Python of an environment that has a package of PyPI, which is installed if it is not there."""
    environment = home / "python"
    python = environment / "bin/python"

    def run(*command):
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    if not python.exists() and run(sys.executable, "-m", "venv", str(environment)).returncode != 0:
        shutil.rmtree(environment, ignore_errors=True)
        raise Missing("python3 -m venv makes no environment (Debian: python3-venv)")
    if run(str(python), "-c", f"import {module}").returncode != 0:
        made = run(str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--retries", "1", package)
        if made.returncode != 0:
            raise Missing(f"pip installs no {package}: {(made.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return str(python)
