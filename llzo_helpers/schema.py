"""Reading what users write: YAML checked against models, each error in one line."""

import difflib
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llzo_helpers.arguments import checked_path
from llzo_helpers.errors import InputError, clipped


class Model(BaseModel):
    """Base of everything read from users: immutable, no unknown keys, no NaN or infinity.

    Types are strict: neither `true` nor a string is a number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


ModelType = TypeVar("ModelType", bound=BaseModel)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping; InputError names the file and line."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path}: larger than {_LARGEST_BYTES} bytes; is it the right file?")
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506
    except FileNotFoundError:
        raise InputError(f"{path}: not found; check the name") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct that") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = clipped(error.problem, quote=False)
        raise InputError(f"{path}:{line} {problem}; correct the YAML") from None
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())[:100]})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no keys; write 'key: value' lines")
    if unnamed := [key for key in content if not isinstance(key, str)]:
        raise InputError(f"{path}: key {clipped(unnamed[0])} is not a name; correct the YAML")
    return content


_LARGEST_BYTES = 1_000_000
_DEEPEST = 20
_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """The safe loader, without duplicate keys and without surprises.

    A duplicate key is refused (YAML would silently take the last one), and so are excessive
    nesting and excessive repetition by aliases. Numbers are decimal: 0700 is not 448, and 12:30
    is not 750.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[int, int] = {}
        """Number of values that each node stands for: each alias counts again."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _problem(f"more than {_DEEPEST} levels of nesting", mark)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._sizes:
            raise _problem("an alias inside itself", mark)
        if not is_alias:
            inside = node.value if isinstance(node.value, list) else []
            parts = [p for part in inside for p in (part if isinstance(part, tuple) else [part])]
            self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in parts)
        if self._sizes[id(node)] > _MOST_VALUES:
            raise _problem(f"aliases stand for more than {_MOST_VALUES} values", mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, OverflowError, AttributeError, LookupError) as error:
            what = clipped(node.value) if isinstance(node, yaml.ScalarNode) else "this"
            kind = node.tag.rpartition(":")[2]
            raise _problem(f"{what} is not of the kind {kind!r}", node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                # types of atoms are numbers
                if not isinstance(key, str | int) or isinstance(key, bool):
                    raise _problem(f"key {clipped(key)} is not a name", key_node.start_mark)
                if key in seen:
                    raise _problem(f"key {clipped(key)} is given twice", key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def _problem(text: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":int", ":float"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*|0[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$"
        r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


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
        # a misspelt key first: it may be why another is missing
        errors = sorted(
            error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden"
        )
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise InputError(f"{source}: {_describe(errors[0], model)}{more}") from None


def _describe(error: Any, model: type[BaseModel]) -> str:
    """Turn one of pydantic's errors into: key = value: what would be right."""
    location = error["loc"]
    parts = [part if isinstance(part, int) else clipped(part, quote=False) for part in location]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)[1:]
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        close = difflib.get_close_matches(str(parts[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if error["type"] == "missing":
        return f"{key}: missing; add it"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "must")
    if error["type"] == "string_pattern_mismatch":
        signs = ". _ -" if error["ctx"]["pattern"].endswith("-]*$") else ". _"
        message = f"names folders: letters, digits and {signs} only, a letter or digit first"
    value = error["input"]
    if isinstance(value, dict):
        # a rule over several keys has the whole mapping as input: its message names the key
        return f"{key}: {message}" if key else message
    return f"{key} = {clipped(value)}: {message}"


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


Positive = Annotated[float, Field(gt=0, le=1e9)]


def _not_frozen(value: float) -> float:
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _possible_path(path: Path) -> Path:
    return checked_path("path", path)


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_possible_path)]
"""Of a file, from text."""
Temperature = Annotated[float, Field(gt=0, le=10_000), AfterValidator(_not_frozen)]
"""K"""
LONGEST_PS = 1e6
"""A microsecond."""
Duration = Annotated[float, Field(ge=0, le=LONGEST_PS)]
"""ps"""
PositiveDuration = Annotated[float, Field(gt=0, le=LONGEST_PS)]
Interval = Annotated[float, Field(ge=0.01, le=1e6)]
"""fs"""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Text = Annotated[str, Field(max_length=10_000)]

First = TypeVar("First")
Second = TypeVar("Second")
Pair = Annotated[tuple[First, Second], Field(strict=False)]
"""Of two values; YAML writes a list."""


Item = TypeVar("Item")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _without_repetition(values: list[Item]) -> list[Item]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{clipped(value)} is given twice; remove one")
    return values


OneOrMore = Annotated[
    list[Item],
    Field(min_length=1, max_length=1000),
    BeforeValidator(_as_list),
    AfterValidator(_without_repetition),
]
