"""Flags and a YAML file -> an Experiment and an Execution. What is wrong is one line that names the option."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from model.catalog import MODELS
from orchestrator.errors import InputError, choice, did_you_mean
from orchestrator.experiment.config import ALL, Execution, Experiment, assignment, flag, options
from orchestrator.words import one_line


def load(flags: dict[str, Any], file: str | None) -> tuple[Experiment, Execution]:
    """Merges flags over the YAML `file` over the defaults. Raises InputError that names the key."""
    values = {**(_read_yaml(file) if file else {}), **flags}
    parts = []
    for kind in (Experiment, Execution):
        fields = {f.name: f for f in dataclasses.fields(kind)}
        parts.append(
            kind(**{name: _convert(fields[name], kind, value) for name, value in values.items() if name in fields})
        )
    experiment, execution = parts
    if ALL in experiment.model:
        experiment = dataclasses.replace(experiment, model=tuple(MODELS))
    _check_set(experiment)
    return experiment, execution


def _read_yaml(file: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(file).expanduser().read_text())
    except OSError as error:
        raise InputError(f"--config {file} cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"--config {file} is not YAML: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise InputError(
            f"--config {file} holds {type(content).__name__}; lines of the form 'key: value' are expected."
        )
    known = [name for name in options() if name not in ("fresh", "resume")]
    content = {str(key).replace("-", "_"): value for key, value in content.items()}
    for key in content:
        choice(f"{file}: key", key, known)
    if isinstance(content.get("set"), dict):
        content["set"] = [f"{name}={value}" for name, value in content["set"].items()]
    return content


def _convert(spec: dataclasses.Field, kind: type, value: Any) -> Any:
    """`value` as the field's type; raises InputError that names the option."""
    hint = typing.get_type_hints(kind)[spec.name]
    if typing.get_origin(hint) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        converted = [_scalar(spec, typing.get_args(hint)[0], item) for item in items]
        return tuple(dict.fromkeys(reversed(converted)))[::-1]  # each once, at its last place: the last --set wins
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(t for t in typing.get_args(hint) if t is not type(None))
    return _scalar(spec, hint, value)


def _scalar(spec: dataclasses.Field, kind: type, value: Any) -> Any:
    expected = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}[kind]
    try:
        if isinstance(value, dict | list | tuple) or value is None or (kind is bool) != isinstance(value, bool):
            raise ValueError
        converted = kind(value)
        if kind is int and converted != float(value):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"{flag(spec.name)} {value!r}: {expected} is expected.") from None
    if spec.metadata["choices"]:
        choice(flag(spec.name).lstrip("-").replace("-", " "), converted, spec.metadata["choices"])
    return converted


def _check_set(experiment: Experiment) -> None:
    """Every assignment must name a hyper-parameter: of the model that it names, asked for or not (a file may be run
    with fewer models), or else of one that is asked for."""
    if not experiment.set:
        return
    names = {f.name for model in experiment.model for f in dataclasses.fields(MODELS[model].HParams)}
    for text in experiment.set:
        owner, name, _ = assignment(text)
        if owner is not None:
            choice(f"--set {text}: model", owner, tuple(MODELS))
            known = [f.name for f in dataclasses.fields(MODELS[owner].HParams)]
            choice(f"--set {text}: hyper-parameter of {owner}", name, known)
        elif name not in names:
            hint = did_you_mean(name, names)
            raise InputError(f"--set {text}: no model of this run has a hyper-parameter {name!r}.{hint}")
    for model in experiment.model:
        experiment.fixed(model)
