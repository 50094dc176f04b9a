"""cluster.yaml is what Ray's cluster launcher accepts, and holds what a run on a cluster relies on."""

import copy
import tomllib

import pytest
import yaml
from jsonschema import ValidationError
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config


@pytest.fixture
def aws(checkout) -> dict:
    return yaml.safe_load((checkout / "cluster.yaml").read_text())


@pytest.fixture
def project(checkout) -> dict:
    return tomllib.loads((checkout / "pyproject.toml").read_text())


def check(config: dict) -> dict:
    """Ray's own preparation and validation, as `ray up` begins."""
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def test_ray_accepts_it(aws):
    check(aws)


def test_ray_accepts_the_on_premises_variant(on_premises):
    prepared = check(on_premises)
    assert prepared["provider"]["type"] == "local"
    assert prepared["max_workers"] == len(on_premises["provider"]["worker_ips"]) > 0


def test_ray_refuses_a_misspelt_key(aws, on_premises):
    for config in (aws, on_premises):
        config["idle_timeout_minuts"] = config.pop("idle_timeout_minutes", 5)
        with pytest.raises(ValidationError, match="idle_timeout_minuts"):
            check(config)


def test_the_two_variants_differ_only_in_the_machines(aws, on_premises):
    shared = set(on_premises) - {"provider", "auth"}
    assert {"file_mounts", "setup_commands", "head_start_ray_commands", "worker_start_ray_commands"} <= shared
    assert {key: on_premises[key] for key in shared} == {key: aws[key] for key in shared}


def test_the_head_runs_no_trial(aws, on_premises):
    head = aws["available_node_types"][aws["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    for config in (aws, on_premises):
        assert "--num-cpus=0" in config["head_start_ray_commands"][-1].split()


def test_gpu_workers_come_when_needed_and_share_the_heads_image(aws):
    types = dict(aws["available_node_types"])
    head, gpu = types.pop("head"), types.pop("gpu")
    assert not types
    assert gpu["min_workers"] == 0 < gpu["max_workers"] <= aws["max_workers"]
    assert gpu["node_config"]["ImageId"] == head["node_config"]["ImageId"]


def test_workers_have_a_profile_of_their_own(aws):
    """The head's may start machines."""
    types = aws["available_node_types"]
    head, gpu = (types[name]["node_config"]["IamInstanceProfile"]["Arn"] for name in ("head", "gpu"))
    assert head != gpu


def test_every_package_is_mounted_and_the_checkout_as_a_whole_is_not(aws, project):
    mounted = {local: remote for remote, local in aws["file_mounts"].items()}
    packages = {name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    for local in packages | {"pyproject.toml"}:
        assert mounted[local] == f"~/defectsweep/{local}"
    assert "." not in mounted  # with .venv inside it, `ray up` would read gigabytes


def test_every_node_installs_the_mounted_checkout_and_one_version_of_ray(aws, project):
    install = aws["setup_commands"][-1]
    assert '-e "$HOME/defectsweep[aws]"' in install
    pinned = Requirement(install.split("'")[1])
    needed = next(r for r in map(Requirement, project["project"]["dependencies"]) if r.name == "ray")
    assert pinned.extras == needed.extras
    (version,) = (s.version for s in pinned.specifier if s.operator == "==")
    assert version in needed.specifier
