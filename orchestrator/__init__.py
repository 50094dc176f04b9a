"""Plans, runs and ranks tuning jobs for anomaly detectors, in this process or on a Ray cluster."""
