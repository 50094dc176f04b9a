"""Plans, runs and ranks tuning jobs for anomaly detectors, in this process or on a Ray cluster."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]  # where our packages lie; with its .git, where it is a checkout
