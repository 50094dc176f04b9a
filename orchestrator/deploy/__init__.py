"""How is a detector used?"""

from orchestrator.deploy.detector import TrainedDetector, load, load_each

__all__ = ["TrainedDetector", "load", "load_each"]
