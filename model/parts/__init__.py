"""What several detectors are built of: networks, losses, optimisers, the adversarial step."""
