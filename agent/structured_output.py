"""Answers as objects: instructions for a JSON schema, and validation of what the model writes."""

import json
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from longread.errors import ConfigError, InvalidAnswer

Schema = type[BaseModel] | dict[str, Any]
"""A pydantic model, or a JSON schema."""

_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n\s*```\s*$", re.DOTALL)


def json_schema(schema: Schema) -> dict[str, Any]:
    """The JSON schema of a pydantic model, or the given one.

    Raises:
        ConfigError: it is not a valid JSON schema.
    """
    if isinstance(schema, type):
        return schema.model_json_schema()
    import jsonschema.validators

    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its top"
        raise ConfigError(f"The schema is not a JSON schema: {error.message}, at {where}.") from error
    return schema


def instruction(schema: Schema) -> str:
    """The instruction for the model, which follows the question."""
    return "Answer with one JSON object that fits this JSON schema, and write nothing else:\n" + json.dumps(
        json_schema(schema), ensure_ascii=False
    )


def response_format(schema: Schema) -> dict[str, Any]:
    """The `response_format` of a request: servers that support it constrain the output to the schema."""
    found = json_schema(schema)
    name = re.sub(r"\W+", "_", str(found.get("title", "")))[:64] or "answer"
    return {"type": "json_schema", "json_schema": {"name": name, "schema": found}}


def parse(text: str, schema: Schema) -> Any:
    """Parse an answer: an instance of the pydantic model, or the value of the JSON.

    Raises:
        InvalidAnswer: it is not JSON, or does not match the schema.
        ConfigError: the schema refers to something outside itself.
    """
    import jsonschema.exceptions
    import jsonschema.validators
    import referencing
    import referencing.exceptions

    fenced = _FENCE.match(text)
    body = fenced[1] if fenced else text
    try:
        value = json.loads(body)
        if isinstance(schema, type):
            return schema.model_validate(value)
        # With an empty registry, references to other schemas are not fetched.
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
