"""fastText: the program in FASTTEXT, or else Debian's. It learns words, not the features that the others get; hence texts only."""

import os

from .peer import Peer, debian, given, option

TEXT = ["-lr 0.5 -epoch 25", "-lr 0.5 -epoch 10", "-lr 0.1 -epoch 25"]


class FastText(Peer):
    name = "fasttext"
    models = ("linear", "text")

    def __init__(self, home):
        self.program = given("FASTTEXT") if os.environ.get("FASTTEXT") else debian("fasttext", "fasttext")[0]

    def settings(self, data):
        if data.model == "text":
            return [f"-dim {data.rank} {rest}" for rest in TEXT]
        return ["-dim 10 -lr 0.5 -epoch 25"] if data.file("train", "txt").exists() else []

    def train(self, data, setting, model, threads):
        options = [*setting.split(), "-thread", str(threads)]
        return [[self.program, "supervised", "-input", str(data.file("train", "txt")), "-output", str(model), *options]]

    def predict(self, data, setting, model, out):
        return [self.program, "predict", f"{model}.bin", str(data.file("test", "txt"))]

    def scores(self, data, lines):
        return [float(line.removeprefix("__label__")) for line in lines]

    def passes(self, said, setting):
        return int(option(setting, "-epoch", "5")), None
