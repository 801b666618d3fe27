"""Check that every public name has a docstring: `python docs/check_docstrings.py`. `make docs` runs it.

Public are the names of the modules below, and the public methods and properties of classes among them. Fields may be
explained in the docstring of their class. The source is read, not imported, as in the site's API reference.
"""

import sys
from pathlib import Path

import griffe

MODULES = ("longread", "longread.errors", "longread.serving", "longread.kernels")
SOURCE = Path(__file__).parents[1] / "src"


def undocumented(module: griffe.Module) -> list[str]:
    """The public names of a module, and of its classes, that have no docstring."""
    missing = []
    for name in exports(module):
        member = resolve(module[name])
        if isinstance(member, griffe.Attribute):
            continue
        if not member.has_docstring:
            missing.append(f"{module.path}.{name}")
        if isinstance(member, griffe.Class):
            missing += [
                f"{module.path}.{name}.{part.name}"
                for part in member.members.values()
                if not part.is_alias
                and not part.name.startswith("_")
                and needs_docstring(part)
                and not part.has_docstring
            ]
    return missing


def exports(module: griffe.Module) -> list[str]:
    """`__all__`, else what the module itself defines."""
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [name for name, member in module.members.items() if not member.is_alias and not name.startswith("_")]


def resolve(member: "griffe.Object | griffe.Alias") -> griffe.Object:
    return member.final_target if isinstance(member, griffe.Alias) else member


def needs_docstring(member: "griffe.Object | griffe.Alias") -> bool:
    return member.is_function or "property" in member.labels


def main() -> None:
    package = griffe.load("longread", search_paths=[SOURCE])
    missing = [name for path in MODULES for name in undocumented(package.modules_collection[path])]
    if missing:
        sys.exit("These public names have no docstring:\n" + "\n".join(f"  {name}" for name in missing))


if __name__ == "__main__":
    main()
