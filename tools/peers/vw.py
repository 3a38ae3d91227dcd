"""Vowpal Wabbit: the program in VW, or else PyPI's vowpalwabbit. A thread parses, another learns.

Factors of users and items are its --rank or --lrq, factors by fields its --lrqfa.
"""

import os

from .peer import Peer, given, option, python

SETTINGS = {
    "news20": ["--loss_function logistic -l 0.5 --passes 5", "-l 0.5"],
    "mnist": ["-l 0.5", "--loss_function logistic -l 0.5 --passes 5"],
    "p20": ["-l 0.5", "-l 0.25 --passes 3"],
    "pctr-ffm": ["-l 0.05", "-l 0.02"],
    "prat": ["--rank 8 -q ui -l 0.015 --power_t 0 --passes 5", "--lrq ui8 -l 0.1", "--lrq ui8 -l 0.3 --passes 3"],
    "adult": ["-l 0.5", "-l 0.1 --passes 5", "-l 0.5 --passes 5"],
}


class VowpalWabbit(Peer):
    name = "vw"
    models = ("linear", "fm", "ffm")

    def __init__(self, home):
        if os.environ.get("VW"):
            self.program = [given("VW")]
        else:
            self.program = [python(home, "vowpalwabbit", "vowpalwabbit"), "-m", "vowpalwabbit"]

    def settings(self, data):
        if data.name == "pctr-fm":
            return []  # one --lrq for each pair of 24 columns
        return SETTINGS.get(data.name, ["-l 0.5", "-l 0.25"])

    def train(self, data, setting, model, threads):
        # Keys are hashed: into so many buckets that those of one namespace do not meet, but for factors by fields.
        bits = (data.features * max(data.classes - 1, 1 + data.rank)).bit_length()
        loss = {0: [], 2: ["--loss_function", "logistic"]}.get(data.classes, ["--oaa", str(data.classes)])
        if data.model == "ffm":
            loss += ["--lrqfa", "".join(data.namespaces()) + str(data.rank)]
        # Several passes are made over its own cache, over all rows.
        cache = ["-k", "--cache_file", "cache", "--holdout_off"] if "--passes" in setting else []
        options = [*loss, "-b", str(max(bits, 18)), *setting.split(), *cache, "--quiet"]
        return [[*self.program, "-d", str(data.file("train", "vw")), "-f", str(model), *options]]

    def predict(self, data, setting, model, out):
        link = ["--link", "logistic"] if data.classes == 2 else []
        return [*self.program, "-t", "-d", str(data.file("test", "vw")), "-i", str(model), "-p", str(out), *link, "--quiet"]

    def passes(self, said, setting):
        return int(option(setting, "--passes", "1")), None
