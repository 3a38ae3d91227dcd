"""What predictions are worth, the same way for all tools."""

from math import isfinite, log, sqrt


def measure(labels: list[float], scores: list[float], ratings: bool = False) -> dict[str, float]:
    """RMSE of ratings, log loss and AUC of probabilities where labels are 1 and -1, accuracy where they are classes."""
    if len(labels) != len(scores):
        raise ValueError(f"{len(scores)} predictions for {len(labels)} rows")
    if not all(map(isfinite, scores)):
        raise ValueError("a prediction is no number")
    if ratings:
        return {"rmse": rmse(labels, scores)}
    if set(labels) <= {1.0, -1.0}:
        return {"logloss": logloss(labels, scores), "auc": auc(labels, scores)}
    return {"accuracy": sum(label == score for label, score in zip(labels, scores)) / len(labels)}


def better(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether `one` predicts better."""
    if "accuracy" in one:
        return one["accuracy"] > other["accuracy"]
    name = "logloss" if "logloss" in one else "rmse"
    return one[name] < other[name]


def rmse(labels, scores):
    """Predictions are clipped to the range of the labels, as some tools do and others do not."""
    least, most = min(labels), max(labels)
    return sqrt(sum((min(max(score, least), most) - label) ** 2 for label, score in zip(labels, scores)) / len(labels))


def logloss(labels, scores):
    """The mean of -log p(label). Certainty ends at 1e-7, as some tools print no more digits."""
    total = 0.0
    for label, score in zip(labels, scores):
        p = min(max(score if label > 0 else 1 - score, 1e-7), 1 - 1e-7)
        total -= log(p)
    return total / len(labels)


def auc(labels, scores):
    """The share of pairs of a positive and a negative row in their order; half of the ties."""
    rows = sorted(zip(scores, labels))
    positive = negative = before = 0
    at = 0
    while at < len(rows):
        end, here = at, [0, 0]
        while end < len(rows) and rows[end][0] == rows[at][0]:
            here[rows[end][1] > 0] += 1
            end += 1
        before += here[1] * (negative + here[0] / 2)
        negative, positive, at = negative + here[0], positive + here[1], end
    return before / (positive * negative) if positive and negative else float("nan")
