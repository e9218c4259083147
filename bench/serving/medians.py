"""Lines of 'NAME RATE P50 P99 [FAULT]', as the benches take them out of wrk's answers: medians of the rounds, printed."""
import statistics, sys


def ms(t): return float(t[:-2]) / 1000 if t.endswith("us") else float(t[:-2]) if t.endswith("ms") else float(t[:-1]) * 1000


def table(path, strict=True):
    """By name: the medians of requests a second, p50 and p99 in ms. Where a request was refused there are no figures: the program ends; strict=False: it is only told."""
    rows = {}
    for line in open(path):
        name, rate, p50, p99, *bad = line.split(None, 4)
        rows.setdefault(name, []).append((float(rate), ms(p50), ms(p99)))
        if not bad or not bad[0].strip(): continue
        if strict: sys.exit(f"{name}: {bad[0].strip()}: no figures")
        print(f"{name}: {bad[0].strip()}")
    medians = {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in rows.items()}
    for name, (rate, p50, p99) in medians.items(): print(f"{name:22} {rate:9,.0f} req/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   (median of {len(rows[name])})")
    return medians
