"""The detectors: torch only, no files, no engine. `catalog.MODELS` lists them, `contract.Detector` is their promise."""
