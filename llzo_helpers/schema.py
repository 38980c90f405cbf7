"""Reading what users write: YAML checked against models, each error in one line."""

import difflib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llzo_helpers.errors import InputError


class Model(BaseModel):
    """Base of everything read from users: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


ModelType = TypeVar("ModelType", bound=BaseModel)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping; InputError names the file and line."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506
    except FileNotFoundError:
        raise InputError(f"{path}: not found; check the name") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}:{line} {error.problem}; correct the YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no keys; write 'key: value' lines")
    return content


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, refusing a key that stands twice (YAML would take the last silently)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, (key_node, _) in enumerate(node.value):
            if (key := keys[index]) in keys[:index]:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark
                )
        return super().construct_mapping(node, deep)


def validate(model: type[ModelType], values: Mapping[str, Any], source: Path | str) -> ModelType:
    """Check `values` against `model`.

    Parameters
    ----------
    model
        A pydantic model.
    values
        What a user wrote.
    source
        The file, or whatever else the values came from, for the message.

    Raises
    ------
    InputError
        In one line: source, key, value and what would be right.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise InputError(f"{source}: {_describe(errors[0], model)}{more}") from None


def _describe(error: Any, model: type[BaseModel]) -> str:
    """Turn one of pydantic's errors into: key = value: what would be right."""
    location = error["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:]
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if error["type"] == "missing":
        return f"{key}: missing; add it"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "must")
    value = error["input"]
    if isinstance(value, dict):
        # a rule over several keys has the whole mapping as input: its message names the key
        return f"{key}: {message}" if key else message
    return f"{key} = {value!r}: {message}"


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the model at `location` inside `model` has."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            candidates = [model.model_fields[part].annotation]
            while candidates:
                candidate = candidates.pop()
                if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                    model = candidate
                    break
                candidates.extend(getattr(candidate, "__args__", ()))
    return sorted(model.model_fields)


Positive = Annotated[float, Field(gt=0)]


Temperature = Annotated[float, Field(gt=0, le=10_000)]
Duration = Annotated[float, Field(ge=0)]


Item = TypeVar("Item")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _without_repetition(values: list[Item]) -> list[Item]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands twice; remove one")
    return values


OneOrMore = Annotated[
    list[Item],
    Field(min_length=1),
    BeforeValidator(_as_list),
    AfterValidator(_without_repetition),
]
