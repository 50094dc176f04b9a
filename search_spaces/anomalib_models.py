"""The search spaces of anomalib's image models: the arguments of their constructors that decide what they see, how
large they are and how fast they learn, and the levels of the backbone. `lr_factor` multiplies the learning rates of
those whose constructor has none. The names are those of model/anomalib_names.py; each has one preset, anomalib's own.
"""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


def levels(*choices: str) -> dict[str, BaseDistribution]:
    """Which strides of the backbone are looked at."""
    return {"levels": CategoricalDistribution(choices)}


def lr(default: float, name: str = "lr") -> dict[str, BaseDistribution]:
    """A decade to each side of anomalib's."""
    return {name: FloatDistribution(default / 10, default * 10, log=True)}


THREE = levels("4+8+16", "8+16", "4+8", "8")
TWO = levels("8+16", "4+8+16", "8", "16")
ONE = levels("16", "8", "4")
FACTOR = lr(1.0, "lr_factor")

SPACES: dict[str, dict[str, BaseDistribution]] = {
    # a covariance of each takes the features' square; its backbone has 176
    "anomalib:padim": THREE | {"n_features": IntDistribution(20, 150, step=10)},
    # its greedy selection takes the bank's square: 10 % of 200,000 patches are hours of a core
    "anomalib:patchcore": TWO | {
        "coreset_sampling_ratio": FloatDistribution(0.001, 0.1, log=True),
        "num_neighbors": IntDistribution(1, 9),
    },
    "anomalib:mh_patchcore": TWO | {
        "pca_variance_ratio": FloatDistribution(0.9, 0.999),
        "covariance_shrinkage": FloatDistribution(0.001, 0.3, log=True),
        "num_neighbors": IntDistribution(1, 9),
    },
    "anomalib:dfm": ONE | {
        "pooling_kernel_size": IntDistribution(1, 4),
        "pca_level": FloatDistribution(0.8, 0.999),
        "score_type": CategoricalDistribution(["fre", "nll"]),
    },
    "anomalib:dfkde": levels("32", "16") | {
        "n_pca_components": IntDistribution(4, 32),
        "feature_scaling_method": CategoricalDistribution(["scale", "norm"]),
    },
    "anomalib:cflow": levels("8+16+32", "8+16", "4+8+16") | lr(1e-4) | {"coupling_blocks": IntDistribution(2, 8)},
    "anomalib:fre": ONE | FACTOR | {"latent_dim": IntDistribution(50, 400, log=True)},
    "anomalib:glass": TWO | lr(1e-4, "learning_rate") | {
        "gaussian_noise_std": FloatDistribution(0.005, 0.05, log=True),
        "step": IntDistribution(5, 20),
    },
    "anomalib:patchflow": lr(1e-3) | {
        "flow_steps": IntDistribution(1, 4),
        "flow_feature_dim": IntDistribution(32, 256, step=32),
    },
    "anomalib:stfpm": THREE | FACTOR,
    "anomalib:supersimplenet": TWO | FACTOR | {"perlin_threshold": FloatDistribution(0.1, 0.6)},
    "anomalib:cfa": FACTOR | {"radius": FloatDistribution(1e-6, 1e-3, log=True)},
    "anomalib:csflow": FACTOR | {"cross_conv_hidden_channels": IntDistribution(64, 1024, log=True)},
    "anomalib:fastflow": FACTOR | {"flow_steps": IntDistribution(2, 8), "hidden_ratio": FloatDistribution(0.16, 1.0)},
    "anomalib:reverse_distillation": FACTOR | {"anomaly_map_mode": CategoricalDistribution(["add", "multiply"])},
    "anomalib:uflow": FACTOR | {"flow_steps": IntDistribution(2, 4)},
    "anomalib:uninet": FACTOR | {"temperature": FloatDistribution(0.05, 2.0, log=True)},
    "anomalib:efficient_ad": lr(1e-4) | {"weight_decay": FloatDistribution(1e-6, 1e-4, log=True)},
    "anomalib:draem": FACTOR | {"enable_sspcab": CategoricalDistribution([False, True])},
    # anomalib's weight of the reconstruction is the paper's
    "anomalib:ganomaly": lr(2e-4) | {
        "latent_vec_size": IntDistribution(32, 256, log=True),
        "wcon": IntDistribution(5, 200, log=True),
    },
}  # fmt: skip

_DEFAULTS: dict[str, dict[str, float | str]] = {
    "anomalib:padim": {"levels": "4+8+16", "n_features": 100},
    "anomalib:patchcore": {"levels": "8+16", "coreset_sampling_ratio": 0.1, "num_neighbors": 9},
    "anomalib:mh_patchcore": {
        "levels": "8+16", "pca_variance_ratio": 0.99, "covariance_shrinkage": 0.07, "num_neighbors": 9},
    "anomalib:dfm": {"levels": "16", "pooling_kernel_size": 4, "pca_level": 0.97, "score_type": "fre"},
    "anomalib:dfkde": {"levels": "32", "n_pca_components": 16, "feature_scaling_method": "scale"},
    "anomalib:cflow": {"levels": "8+16+32", "lr": 1e-4, "coupling_blocks": 8},
    "anomalib:fre": {"levels": "16", "lr_factor": 1.0, "latent_dim": 220},
    "anomalib:glass": {"levels": "8+16", "learning_rate": 1e-4, "gaussian_noise_std": 0.015, "step": 20},
    "anomalib:patchflow": {"lr": 1e-3, "flow_steps": 1, "flow_feature_dim": 128},
    "anomalib:stfpm": {"levels": "4+8+16", "lr_factor": 1.0},
    "anomalib:supersimplenet": {"levels": "8+16", "lr_factor": 1.0, "perlin_threshold": 0.2},
    "anomalib:cfa": {"lr_factor": 1.0, "radius": 1e-5},
    "anomalib:csflow": {"lr_factor": 1.0, "cross_conv_hidden_channels": 1024},
    "anomalib:fastflow": {"lr_factor": 1.0, "flow_steps": 8, "hidden_ratio": 1.0},
    "anomalib:reverse_distillation": {"lr_factor": 1.0, "anomaly_map_mode": "add"},
    "anomalib:uflow": {"lr_factor": 1.0, "flow_steps": 4},
    "anomalib:uninet": {"lr_factor": 1.0, "temperature": 0.1},
    "anomalib:efficient_ad": {"lr": 1e-4, "weight_decay": 1e-5},
    "anomalib:draem": {"lr_factor": 1.0, "enable_sspcab": False},
    "anomalib:ganomaly": {"lr": 2e-4, "latent_vec_size": 100, "wcon": 50},
}
PRESETS: dict[str, dict[str, dict[str, float | str]]] = {
    name: {name.partition(":")[2]: params} for name, params in _DEFAULTS.items()
}
