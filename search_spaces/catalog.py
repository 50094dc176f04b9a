"""Search spaces and presets by model name; the names are those of model/catalog.py, anomalib's at the end."""

from optuna.distributions import BaseDistribution

from search_spaces import (
    alad,
    anogan,
    anomalib_models,
    egbad,
    f_anogan,
    ganomaly,
    mean_image,
    padim,
    patch_forged,
    patch_gaussian,
    patchcore,
    sa_skip_ganomaly,
    sagan,
    skip_ganomaly,
)

MODULES = {
    "patch_forged": patch_forged,
    "patch_gaussian": patch_gaussian,
    "padim": padim,
    "patchcore": patchcore,
    "sa_skip_ganomaly": sa_skip_ganomaly,
    "skip_ganomaly": skip_ganomaly,
    "sagan": sagan,
    "ganomaly": ganomaly,
    "anogan": anogan,
    "f_anogan": f_anogan,
    "egbad": egbad,
    "alad": alad,
    "mean_image": mean_image,
}
SPACES: dict[str, dict[str, BaseDistribution]] = {name: module.SPACE for name, module in MODULES.items()}
SPACES |= anomalib_models.SPACES
PRESETS: dict[str, dict[str, dict[str, float | str]]] = {name: module.PRESETS for name, module in MODULES.items()}
PRESETS |= anomalib_models.PRESETS
