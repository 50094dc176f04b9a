"""How is a detector used?"""

from orchestrator.deploy.detector import TrainedDetector, load

__all__ = ["TrainedDetector", "load"]
