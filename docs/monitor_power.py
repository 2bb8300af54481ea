"""Draw the power of `madtheory.monitor`: python docs/monitor_power.py writes monitor_power.svg."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from madtheory.monitoring import detection_power


def draw_power() -> plt.Figure:
    """Draw the exact power of the variance test against the bias, for three sizes of batches."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    bias = np.linspace(0.8, 1.0, 101)
    for n, colour in zip((50, 200, 1000), ("#0072b2", "#d55e00", "#009e73"), strict=True):
        for generations, style in ((1, "--"), (10, "-")):
            power = detection_power(bias=bias, n=n, dim=3, generations=generations, tests=2)
            label = f"{n} points, {generations} generation{'s' * (generations > 1)}"
            axes.plot(bias, power, style, color=colour, label=label)
    axes.axhline(0.01, color="grey", linewidth=0.8)
    axes.set(xlabel="bias (factor of the covariance)", ylabel="probability of an alarm", ylim=(0, 1.02))
    axes.legend(fontsize="small")
    return figure


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "madtheory"
    draw_power().savefig(Path(__file__).parent / "_static" / "monitor_power.svg", metadata={"Date": None})
