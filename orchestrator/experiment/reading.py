"""Flags and a YAML file -> an Experiment and an Execution. What is wrong is one line that names the option."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from model.anomalib_names import why_not
from model.catalog import KNOWN, MODELS
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
    for model in experiment.model:
        _check_here(f"--model {model}", model)
    _check_set(experiment)
    return experiment, execution


class Text(yaml.BaseLoader):
    """YAML whose values are text, as a command line's are: an option's own type says what they mean, so that `010` and
    `no` may be names. Only a bare null is none. A key that is there twice is an error."""

    def construct_scalar(self, node: yaml.ScalarNode) -> str | None:
        """The text of a value."""
        is_none = node.style is None and node.value in ("", "~", "null", "Null", "NULL")
        return None if is_none else super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """Keys and values, each key once; `size-px` is `size_px`."""
        keys = [str(self.construct_object(key)).replace("-", "_") for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1:
                where = f"line {key.start_mark.line + 1}"
                raise yaml.YAMLError(f"the key {name!r} is there {keys.count(name)} times, first in {where}; keep one")
        return super().construct_mapping(node, deep)


def _read_yaml(file: str) -> dict[str, Any]:
    try:
        content = Text(Path(file).expanduser().read_text()).get_single_data()
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
        if kind is bool and isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        is_empty = value is None or (value == "" and spec.name != "output")  # which Storage refuses, as any bad place
        if isinstance(value, dict | list | tuple) or is_empty or (kind is bool) != isinstance(value, bool):
            raise ValueError
        converted = kind(value)
        if kind is int and converted != float(value):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"{flag(spec.name)} {value!r}: {expected} is expected.") from None
    if spec.metadata["choices"]:
        choice(flag(spec.name).lstrip("-").replace("-", " "), converted, spec.metadata["choices"])
    return converted


def _check_here(named: str, model: str) -> None:
    """Raises InputError, with the option that named it, for a model that cannot be run here."""
    if why := why_not(model):
        raise InputError(f"{named}: {why}.")


def _check_set(experiment: Experiment) -> None:
    """Every assignment must name a hyper-parameter: of the model that it names, asked for or not (a file may be run
    with fewer models), or else of one that is asked for."""
    if not experiment.set:
        return
    names = {f.name for model in experiment.model for f in dataclasses.fields(KNOWN[model].HParams)}
    for text in experiment.set:
        owner, name, _ = assignment(text)
        if owner is not None:
            choice(f"--set {text}: model", owner, tuple(KNOWN))
            _check_here(f"--set {text}", owner)
            known = [f.name for f in dataclasses.fields(KNOWN[owner].HParams)]
            choice(f"--set {text}: hyper-parameter of {owner}", name, known)
        elif name not in names:
            hint = did_you_mean(name, names)
            raise InputError(f"--set {text}: no model of this run has a hyper-parameter {name!r}.{hint}")
    for model in experiment.model:
        experiment.fixed(model)
