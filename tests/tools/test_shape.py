"""tools/shape.py: what is over a limit is named, what is at it is not."""

from pathlib import Path

import pytest

from tools import shape

pytestmark = pytest.mark.fast


def function(lines: int, name: str = "f") -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


def excesses(text: str, path: str = "src/entrepot/x.py") -> list[str]:
    return list(shape.excesses([shape.Module(Path(path), text)]))


def test_a_file_of_400_lines_may_be_and_one_of_401_not() -> None:
    assert excesses("x = 1\n" * 400) == []
    assert excesses("x = 1\n" * 401) == [
        "src/entrepot/x.py: 401 lines, at most 400: make it a folder of the same name and exports"
    ]


def test_a_function_of_50_lines_may_be_and_one_of_51_not() -> None:
    assert excesses(function(50)) == []
    assert excesses(function(51)) == ["src/entrepot/x.py:1: f has 51 lines, at most 50"]


def test_a_method_and_an_inner_coroutine_count_as_well() -> None:
    inner = "class A:\n    async def g(self):\n" + "        x = 1\n" * 50
    assert excesses(inner) == ["src/entrepot/x.py:2: g has 51 lines, at most 50"]


def test_a_test_function_may_have_40_lines() -> None:
    text = function(41, "test_it")
    assert excesses(text, "tests/test_x.py") == ["tests/test_x.py:1: test_it has 41 lines, at most 40"]
    assert excesses(text, "tests/support/x.py") == []


def test_a_module_without_a_test_file_of_its_path_is_listed() -> None:
    src = [shape.Module(Path(f"src/entrepot/spec/{name}.py"), function(2)) for name in ("names", "digest")]
    tests = [shape.Module(Path("tests/spec/test_names.py"), "")]
    assert shape.without_tests(src, tests) == ["spec/digest.py"]


def test_the_figures_count_broad_excepts_and_waivers() -> None:
    code = "try:\n    x = 1\nexcept Exception:\n    pass\nexcept OSError:\n    pass\ny = 1  # no" + "qa: X1\n" + function(3)
    figures = dict(shape.figures([shape.Module(Path("src/entrepot/x.py"), code)], []))
    assert figures["broad or bare excepts"] == 1
    assert figures["waivers (lint or types)"] == 1
