"""LIBFFM: ffm-train in LIBFFM, with ffm-predict beside it. Field-aware factorization machines."""

import re
from pathlib import Path

from .peer import Missing, Peer, given, option, with_option

PASS = re.compile(r"^\s*\d+\s+[0-9.]+.*?\s([0-9.]+)\s*$", re.MULTILINE)
STOPPED = re.compile(r"Use model at (\d+)th iteration")


class LibFfm(Peer):
    name = "libffm"
    models = ("ffm",)

    def __init__(self, home):
        self.learn = given("LIBFFM")
        self.say = str(Path(self.learn).with_name("ffm-predict"))
        if not Path(self.say).exists():
            raise Missing("no ffm-predict stands beside LIBFFM")

    def settings(self, data):
        return [f"-k {data.rank} {rest} -t 15" for rest in ("-l 0 -r 0.3", "-l 0 -r 0.2", "-l 0 -r 0.5", "-l 0.00002 -r 0.2")]

    def train(self, data, setting, model, threads):
        # How many passes there should be, it finds itself while it is tuned.
        watch = ["-p", str(data.file("test", "ffm")), "--auto-stop"] if data.tuning else []
        return [[self.learn, *setting.split(), "-s", str(threads), *watch, str(data.file("train", "ffm")), str(model)]]

    def settle(self, said, setting):
        stopped = STOPPED.search(said)
        return with_option(setting, "-t", stopped.group(1)) if stopped else setting

    def predict(self, data, setting, model, out):
        return [self.say, str(data.file("test", "ffm")), str(model), str(out)]

    def passes(self, said, setting):
        # The time in its table runs on from pass to pass.
        times = PASS.findall(said)
        return int(option(setting, "-t", "15")), float(times[-1]) if times else None
