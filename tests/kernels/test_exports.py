"""The names that `longread.kernels` exports, all of which are imported when first used."""

import subprocess
import sys

import pytest

from longread import kernels


@pytest.mark.parametrize("name", kernels.__all__)
def test_every_exported_name_is_defined_where_the_table_says(name: str) -> None:
    found = getattr(kernels, name)
    assert found.__name__ == name
    assert found.__module__ == f"longread.kernels.{kernels._MODULES[name]}"


def test_the_table_and_the_list_are_the_same() -> None:
    assert sorted(kernels._MODULES) == sorted(kernels.__all__)


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Sparsity'"):
        kernels.Sparsity  # noqa: B018


def test_importing_the_package_does_not_import_torch() -> None:
    program = "import sys, longread.kernels; assert 'torch' not in sys.modules"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
