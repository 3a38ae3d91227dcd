"""xLearn: xlearn_train in XLEARN, with xlearn_predict beside it. Lock-free Adagrad; two classes and ratings.

Both are made of the source in PyPI's xlearn (pip download --no-binary :all: xlearn): cmake -DCMAKE_POLICY_VERSION_MINIMUM=3.5 compile,
then make xlearn_train xlearn_predict. Its Python package has a library only.
"""

import re
from pathlib import Path

from .peer import Missing, Peer, given, option, with_option

RATES = {"p16": ["0.7"], "p20": ["0.5", "1"], "pctr": ["0.05"], "pctr-fm": ["1", "0.5"], "pctr-ffm": ["0.2", "0.5"], "prat": ["0.1", "0.3"]}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
EPOCH = re.compile(r"%\s*\]\s+\d+\s.*?([0-9.]+)\s*$", re.MULTILINE)
STOPPED = re.compile(r"[Ee]arly-stopping at epoch (\d+)")


class XLearn(Peer):
    name = "xlearn"
    models = ("linear", "fm", "ffm")

    def __init__(self, home):
        self.learn = given("XLEARN")
        self.say = str(Path(self.learn).with_name("xlearn_predict"))
        if not Path(self.say).exists():
            raise Missing("no xlearn_predict stands beside XLEARN")

    def settings(self, data):
        if data.classes > 2:
            return []
        kind = ["linear", "fm", "ffm"].index(data.model) + (0 if data.classes else 3)
        rank = f" -k {data.rank}" if data.rank else ""
        return [f"-s {kind}{rank} -b 0 -r {rate} -e 30" for rate in RATES.get(data.name, ["0.5", "0.2"])]

    def train(self, data, setting, model, threads):
        # It writes FILE.bin beside its data, and ends where USER is not set.
        links = ["ln", "-s", self.text(data, "train"), self.text(data, "test"), "."]
        # How many passes there should be, it finds itself while it is tuned.
        watch = ["-v", Path(self.text(data, "test")).name] if data.tuning else ["--dis-es"]
        options = [*setting.split(), "-nthread", str(threads), "-m", str(model), *watch]
        return [links, ["env", "USER=nobody", self.learn, Path(self.text(data, "train")).name, *options]]

    def settle(self, said, setting):
        stopped = STOPPED.search(said)
        return with_option(setting, "-e", stopped.group(1)) if stopped else setting

    def predict(self, data, setting, model, out):
        link = ["--sigmoid"] if data.classes else []
        return ["env", "USER=nobody", self.say, Path(self.text(data, "test")).name, str(model), "-o", str(out), *link]

    def text(self, data, part):
        return str(data.file(part, "ffm" if data.model == "ffm" else "svm"))

    def passes(self, said, setting):
        seconds = sum(map(float, EPOCH.findall(COLOUR.sub("", said))))
        return int(option(setting, "-e", "10")), seconds or None
