"""One of the libraries that are compared with, run by the Python of its own environment: `contender.py NAME A B`.

Prints one line of JSON: seconds of CPU and of wall time for its default battery on two Parquet files already in memory.
"""

import json
import os
import sys
import time
import warnings

import pandas as pd

warnings.filterwarnings("ignore")
# Both tell their makers that they were used, and nannyml waits for the answer.
os.environ.update(DO_NOT_TRACK="1", NML_DISABLE_USAGE_LOGGING="1")


def evidently(reference, current):
    """The default preset: by column Wasserstein or Jensen-Shannon, and a share of drifted columns."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    return lambda: Report([DataDriftPreset()]).run(current, reference).dict()


def nannyml(reference, current):
    """Univariate drift by its defaults, in one chunk: Jensen-Shannon."""
    import nannyml

    names = list(reference.columns)
    levels = [name for name in names if name.startswith("c")]

    def run():
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=names, treat_as_categorical=levels, chunk_number=1,
            continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein", "hellinger"],
            categorical_methods=["chi2", "jensen_shannon", "l_infinity", "hellinger"],
        )  # fmt: skip
        return calculator.fit(reference).calculate(current).to_df()

    return run


def main():
    """Run one and print."""
    name, *paths = sys.argv[1:]
    reference, current = (pd.read_parquet(path) for path in paths)
    run = {"evidently": evidently, "nannyml": nannyml}[name](reference, current)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    print(json.dumps({"wall s": time.perf_counter() - wall, "cpu s": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
