"""Vowpal Wabbit: the program in VW, or else PyPI's vowpalwabbit. A thread parses, another learns."""

import os

from .peer import Peer, given, option, python

SETTINGS = {
    "news20": ["--loss_function logistic -l 0.5 --passes 5", "-l 0.5"],
    "mnist": ["-l 0.5", "--loss_function logistic -l 0.5 --passes 5"],
    "p20": ["-l 0.5", "-l 0.25 --passes 3"],
    "adult": ["-l 0.5", "-l 0.1 --passes 5", "-l 0.5 --passes 5"],
}


class VowpalWabbit(Peer):
    name = "vw"

    def __init__(self, home):
        if os.environ.get("VW"):
            self.program = [given("VW")]
        else:
            self.program = [python(home, "vowpalwabbit", "vowpalwabbit"), "-m", "vowpalwabbit"]

    def settings(self, data):
        return SETTINGS.get(data.kind, ["-l 0.5", "-l 0.25"])

    def train(self, data, setting, model, threads):
        # Keys are hashed: into so many buckets that those of one namespace do not meet.
        bits = (data.features * (data.classes if data.classes > 2 else 1)).bit_length()
        loss = ["--loss_function", "logistic"] if data.classes == 2 else ["--oaa", str(data.classes)]
        # Several passes are made over its own cache, over all rows.
        cache = ["-k", "--cache_file", "cache", "--holdout_off"] if "--passes" in setting else []
        options = [*loss, "-b", str(max(bits, 18)), *setting.split(), *cache, "--quiet"]
        return [[*self.program, "-d", str(data.file("train", "vw")), "-f", str(model), *options]]

    def predict(self, data, setting, model, out):
        link = ["--link", "logistic"] if data.classes == 2 else []
        return [*self.program, "-t", "-d", str(data.file("test", "vw")), "-i", str(model), "-p", str(out), *link, "--quiet"]

    def passes(self, said, setting):
        return int(option(setting, "--passes", "1")), None
