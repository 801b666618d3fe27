"""Answers as objects: a JSON schema goes in, a valid object comes out, or an error that says what is wrong."""

import json
import re
from typing import Any

import jsonschema
import jsonschema.exceptions
import jsonschema.validators
import referencing
import referencing.exceptions
from pydantic import BaseModel, ValidationError

from ..serving.errors import LongreadError
from .errors import ConfigError

Schema = type[BaseModel] | dict[str, Any]
"""A pydantic model, or a JSON schema."""

_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n\s*```\s*$", re.DOTALL)


class InvalidAnswer(LongreadError):
    """The model's answer does not fit the schema. `text` is what it wrote."""

    def __init__(self, message: str, *, text: str):
        super().__init__(message)
        self.text = text


def json_schema(schema: Schema) -> dict[str, Any]:
    """The schema as JSON.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(schema, type):
        return schema.model_json_schema()
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its top"
        raise ConfigError(f"The schema is not a JSON schema: {error.message}, at {where}.") from error
    return schema


def instruction(schema: Schema) -> str:
    """What the model is told, under the question."""
    return "Answer with one JSON object that fits this JSON schema, and write nothing else:\n" + json.dumps(
        json_schema(schema), ensure_ascii=False
    )


def response_format(schema: Schema) -> dict[str, Any]:
    """The API's own way to ask for it: servers that know it let the model write nothing else."""
    found = json_schema(schema)
    name = re.sub(r"\W+", "_", str(found.get("title", "")))[:64] or "answer"
    return {"type": "json_schema", "json_schema": {"name": name, "schema": found}}


def parse(text: str, schema: Schema) -> Any:
    """The object in an answer: an instance of the pydantic model, or what the JSON says.

    Raises:
        InvalidAnswer: it is no JSON, or does not fit.
        ConfigError: the schema refers to something outside itself.
    """
    fenced = _FENCE.match(text)
    body = fenced[1] if fenced else text
    try:
        value = json.loads(body)
        if isinstance(schema, type):
            return schema.model_validate(value)
        # An empty registry: without one, what a schema refers to elsewhere would be fetched.
        validator = jsonschema.validators.validator_for(schema)(schema, registry=referencing.Registry())
        if worst := jsonschema.exceptions.best_match(validator.iter_errors(value)):
            raise worst
    except json.JSONDecodeError as error:
        problem = f"it is not JSON ({error})" if text.strip() else "it is empty"
    except referencing.exceptions.Unresolvable as error:
        raise ConfigError(f"The schema refers to {error.ref!r}, which is not in it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc'])) or 'the object'}: {first['msg']}"
    except jsonschema.ValidationError as error:
        problem = f"{error.json_path}: {error.message}"
    else:
        return value
    raise InvalidAnswer(f"The model's answer does not fit the schema: {problem}.", text=text)
