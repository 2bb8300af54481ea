"""Is a logged pipeline collapsing? Exact tests of variance, volume and lost modes."""

from madtheory.monitoring.interface import Monitoring, detection_power, monitor

__all__ = ["Monitoring", "detection_power", "monitor"]
