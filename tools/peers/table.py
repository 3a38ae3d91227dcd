"""The table that tools/compare prints."""

from statistics import median

COLUMNS = ["set", "tool", "seconds (spread)", "ratio", "rows/s", "passes", "s/pass", "rows/s in passes", "peak MB"]
COLUMNS += ["log loss", "auc", "accuracy", "rmse", "setting"]
LEFT = {"set", "tool", "setting"}


def table(results) -> str:
    """A line for each set and tool, in the order of the results, and what has to be known of them."""
    hogback = {result.data.name: median(result.seconds) for result in results if result.peer.name == "hogback"}
    rows = [COLUMNS, *(row(result, hogback.get(result.data.name)) for result in results)]
    used = [at for at in range(len(COLUMNS)) if any(line[at] for line in rows[1:])]
    width = {at: max(len(line[at]) for line in rows) for at in used}
    lines = []
    for line in rows:
        cells = [line[at].ljust(width[at]) if COLUMNS[at] in LEFT else line[at].rjust(width[at]) for at in used]
        lines.append("  ".join(cells).rstrip())
    if any("rmse" in result.metrics for result in results):
        lines.append("rmse: every tool's predictions clipped to the range of the ratings")
    return "\n".join(lines)


def row(result, hogback):
    data, metrics, whole = result.data, result.metrics, median(result.seconds)
    count, times = result.passes, [seconds for seconds in result.pass_seconds if seconds]
    spread = f" ({min(result.seconds):.2f}–{max(result.seconds):.2f})" if len(result.seconds) > 1 else ""
    return [
        data.name,
        result.peer.name,
        f"{whole:.2f}{spread}",
        f"{whole / hogback:.1f}" if hogback else "",
        short(data.rows / whole),
        str(count or ""),
        f"{median(times) / count:.3g}" if count and times else "",
        short(data.rows * count / median(times)) if count and times else "",
        f"{max(result.peaks) / 1e6:.0f}",
        *(f"{metrics[name]:.4f}" if name in metrics else "" for name in ("logloss", "auc", "accuracy", "rmse")),
        result.setting + (f" (best of {result.tried})" if result.tried > 1 else ""),
    ]


def short(number):
    """Three digits and a unit."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"
