"""Hogback with no flag but --children, and those that name the model."""

import json

from .peer import Peer

# The flag for a model's size.
SIZES = {"fm": "--rank", "ffm": "--rank", "mlp": "--hidden", "text": "--dim"}


class Hogback(Peer):
    name = "hogback"
    models = ("linear", *SIZES)

    def __init__(self, home, program):
        self.program = program

    def settings(self, data):
        return ["defaults"]

    def train(self, data, setting, model, threads):
        # The cache goes into the folder of the run, so that every run reads the text.
        options = ["--children", str(threads), "--cache", "cache", "--json", "--quiet"]
        if data.model != "linear":
            options = ["--kind", data.model, SIZES[data.model], str(data.rank), *options]
        return [[self.program, "train", self.text(data, "train"), "--model", str(model), *options]]

    def predict(self, data, setting, model, out):
        return [self.program, "predict", str(model), self.text(data, "test")]

    def text(self, data, part):
        return str(data.file(part, {"ffm": "ffm", "text": "txt"}.get(data.model, "svm")))

    def passes(self, said, setting):
        summary = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
        return summary["passes"], summary["seconds"]["train"]
