"""The sets of tools/compare: a file to learn and a file to measure with, in every format that a tool reads, made once and kept.

Labels are 1 and -1, classes from 1 on, or ratings; rows and their order are the same in all formats. A quick set is the beginning of
a set. Settings are chosen by `Data.tuning_part`, which has no row of the file to measure with.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path

from .peer import Missing, python

# The data that models other than linear ones are made of, the model, and its factors, units or dimensions.
MODELS = {
    "pctr-fm": ("pctr", "fm", 4),
    "pctr-ffm": ("pctr", "ffm", 4),
    "prat": ("prat", "fm", 8),
    "mnist-mlp": ("mnist", "mlp", 128),
    "news20-text": ("news20", "text", 50),
}
NAMES = ["adult", "p16", "p20", "pctr", "news20", "mnist", *MODELS]
ENDINGS = ["svm", "vw", "ffm", "mf", "fm", "txt"]  # of the files that a tool reads
ROOT = Path(__file__).resolve().parents[2]
QUICK = 2000  # rows to learn of a quick set; a quarter of them to measure with


@dataclass
class Data:
    folder: Path
    kind: str  # the data: how its files begin
    rows: int
    nonzeros: int
    features: int  # the largest key
    classes: int  # 0: labels are ratings
    model: str = "linear"  # or fm, ffm, mlp, text: what is learned of it
    rank: int = 0  # factors of such a model, units of its hidden layer, or dimensions of its words
    tuning: bool = False  # whether the file to measure with is there to choose settings

    @property
    def name(self) -> str:
        return next((name for name, of in MODELS.items() if of[:2] == (self.kind, self.model)), self.kind)

    def file(self, part: str, ending: str) -> Path:
        return self.folder / f"{self.kind}.{part}.{ending}"

    def labels(self) -> list[float]:
        """Those of the rows to measure with."""
        with open(self.file("test", "svm")) as file:
            return [float(line.split(None, 1)[0]) for line in file]

    def tuning_part(self) -> "Data":
        """The rows to learn from as a set of their own: the last tenth of them is what is measured with."""
        folder, learn = self.folder / "tuning", self.rows - max(self.rows // 10, 1)
        if not folder.exists():
            draft = self.folder / "tuning.draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for ending in ENDINGS:
                if self.file("train", ending).exists():
                    with open(self.file("train", ending), "rb") as lines:
                        for part, count in (("train", learn), ("test", None)):
                            with open(draft / f"{self.kind}.{part}.{ending}", "wb") as file:
                                file.writelines(islice(lines, count))
            draft.rename(folder)  # last: with this name, it is whole
        return replace(self, folder=folder, rows=learn, tuning=True)

    def namespaces(self) -> list[str]:
        with open(self.file("train", "vw")) as file:
            return sorted({space for line in islice(file, 100) for space in re.findall(r"\|(\S+)", line)})


def prepare(name: str, quick: bool, home: Path, hogback: str) -> Data:
    """A set, from below `home` or made there. Raises Missing."""
    kind, *model = MODELS.get(name, (name,))
    return replace(rows_of(kind, quick, home, hogback), **dict(zip(("model", "rank"), model)))


def rows_of(name, quick, home, hogback) -> Data:
    folder = home / "data" / (f"{name}-quick" if quick else name)
    facts = folder / "set.json"
    if facts.exists():
        return Data(folder, *json.loads(facts.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    limit = QUICK if quick else None
    try:
        if name in ("p16", "p20", "pctr", "prat"):
            planted(name, folder, hogback, limit)
        else:
            {"adult": adult, "news20": news20, "mnist": mnist}[name](folder, home, limit)
        *facts_of, classes = count(folder / f"{name}.train.svm")
        data = Data(folder, name, *facts_of, 0 if name == "prat" else classes)
        for part in ("train", "test"):
            if not data.file(part, "vw").exists():
                vowpal(data.file(part, "svm"), data.file(part, "vw"))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    facts.write_text(json.dumps(astuple(data)[1:6]))  # last: with it, the set is whole
    return data


def planted(name, folder, hogback, limit):
    rows = ["--rows", str(limit), "--test-rows", str(limit // 4)] if limit else []
    subprocess.run([hogback, "generate", str(folder / name), "--preset", name, *rows], check=True, stdout=subprocess.DEVNULL)


def adult(folder, home, limit):
    """The built-in set; every tenth row is one to measure with."""
    lines = unpack(ROOT / "src/data/builtin/adult.svm.zst", home)[: limit and limit * 5 // 4]
    write(folder / "adult.train.svm", (line for at, line in enumerate(lines) if at % 10 != 9))
    write(folder / "adult.test.svm", lines[9::10])


def news20(folder, home, limit):
    """tf-idf rows, and the words that they were made from; both numbered from class 1 on."""
    for part, most in (("train", limit), ("test", limit and limit // 4)):
        for ending, before in (("svm", ""), ("txt", "__label__")):
            lines = unpack(shared("news20", f"news20.{part}.{ending}.zst"), home)[:most]
            write(folder / f"news20.{part}.{ending}", (from_one(line, before) for line in lines))


def from_one(line, before):
    label, rest = line.removeprefix(before).split(" ", 1)
    return f"{before}{int(label) + 1} {rest}"


def mnist(folder, home, limit):
    """Pixels from 0 to 1, those of 0 left out; class 1 is the digit 0."""
    value = [f"{pixel / 255:.4g}" for pixel in range(256)]
    for part, name, most in (("train", "train", limit), ("test", "t10k", limit and limit // 4)):
        with gzip.open(shared("mnist", f"{name}-images-idx3-ubyte.gz")) as file:
            pixels = file.read()[16:]
        with gzip.open(shared("mnist", f"{name}-labels-idx1-ubyte.gz")) as file:
            labels = file.read()[8:][:most]

        def row(at):
            image = pixels[at * 784 : (at + 1) * 784]
            return f"{labels[at] + 1} " + " ".join(f"{i}:{value[x]}" for i, x in enumerate(image, 1) if x)

        write(folder / f"mnist.{part}.svm", map(row, range(len(labels))))


def shared(*names):
    """A file of real data that is not ours to ship."""
    path = Path(os.environ.get("HOGBACK_SHARED") or ROOT.parent / "shared").joinpath("data", *names)
    if not path.exists():
        raise Missing(f"{path} is not there; HOGBACK_SHARED names the folder above data/{names[0]}")
    return path


def unpack(path, home):
    """The lines of a file of Zstandard, by the program zstd or PyPI's zstandard."""
    command = ["zstd", "-dcq", str(path)]
    if not shutil.which("zstd"):
        read = "import sys, zstandard; zstandard.ZstdDecompressor().copy_stream(open(sys.argv[1], 'rb'), sys.stdout.buffer)"
        command = [python(home, "zstandard", "zstandard"), "-c", read, str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def write(path, lines):
    with open(path, "w") as file:
        file.writelines(f"{line}\n" for line in lines)


def vowpal(svm, vw):
    """The same rows as Vowpal Wabbit's text, all features in one namespace."""
    with open(svm) as lines:
        write(vw, (" |f ".join(line.rstrip().split(" ", 1)) for line in lines))


def count(path):
    """Rows, nonzeros, the largest key and the number of classes."""
    rows = nonzeros = largest = 0
    labels = set()
    with open(path) as file:
        for line in file:
            rows += 1
            nonzeros += line.count(":")
            labels.add(line.split(None, 1)[0])
            last = line.rsplit(None, 1)[-1]  # keys rise in a row
            largest = max(largest, int(last.split(":")[0])) if ":" in last else largest
    return rows, nonzeros, largest, len(labels)
