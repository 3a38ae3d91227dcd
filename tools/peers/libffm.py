"""LIBFFM: ffm-train in LIBFFM, with ffm-predict beside it. Field-aware factorization machines; hence columns of categories only."""

import re
from pathlib import Path

from .peer import Missing, Peer, given, option

PASS = re.compile(r"^\s*\d+\s+[0-9.]+.*?\s([0-9.]+)\s*$", re.MULTILINE)


class LibFfm(Peer):
    name = "libffm"

    def __init__(self, home):
        self.learn = given("LIBFFM")
        self.say = str(Path(self.learn).with_name("ffm-predict"))
        if not Path(self.say).exists():
            raise Missing("no ffm-predict stands beside LIBFFM")

    def settings(self, data):
        return ["-k 4 -l 0 -r 0.3 -t 4", "-k 4 -l 0 -r 0.5 -t 2"] if data.file("train", "ffm").exists() else []

    def train(self, data, setting, model, threads):
        return [[self.learn, *setting.split(), "-s", str(threads), str(data.file("train", "ffm")), str(model)]]

    def predict(self, data, setting, model, out):
        return [self.say, str(data.file("test", "ffm")), str(model), str(out)]

    def passes(self, said, setting):
        # The time in its table runs on from pass to pass.
        times = PASS.findall(said)
        return int(option(setting, "-t", "15")), float(times[-1]) if times else None
