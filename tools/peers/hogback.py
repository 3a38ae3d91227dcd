"""Hogback with no flag but --children."""

import json

from .peer import Peer


class Hogback(Peer):
    name = "hogback"

    def __init__(self, home, program):
        self.program = program

    def settings(self, data):
        return ["defaults"]

    def train(self, data, setting, model, threads):
        # The cache goes into the folder of the run, so that every run reads the text.
        options = ["--children", str(threads), "--cache", "cache", "--json", "--quiet"]
        return [[self.program, "train", str(data.file("train", "svm")), "--model", str(model), *options]]

    def predict(self, data, setting, model, out):
        return [self.program, "predict", str(model), str(data.file("test", "svm"))]

    def passes(self, said, setting):
        summary = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
        return summary["passes"], summary["seconds"]["train"]
