"""The sweep, and the service, on a Ray cluster: the only package that imports Ray.

cluster.py joins or starts one; trials.py runs the trials under one Tuner; refits.py runs the winners under Ray Train;
watchdog.py ends a run whose cluster has died; backend.py is the flow. The images of each category lie once in the
object store, and every worker of a node reads them in place. serving.py keeps the replicas of `defectsweep serve`.
"""

import os

ENVIRONMENT = {  # read by Ray when it is imported
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # reports of a refit arrive at this pace; the default is 2 s
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(
        24 * 3600
    ),  # a refit may wait for a slot as long as trials hold all of them
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # rows are the state; Tune's own is not used
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
