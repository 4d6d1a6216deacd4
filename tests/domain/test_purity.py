"""The domain has no clock, no chance, no framework, and no I/O but for the time zones that zoneinfo reads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tocsin.domain

LIBRARIES = {
    *("cel_expr_python", "cronsim", "cryptography", "jsonpath", "jsonschema_rs", "orjson", "pydantic", "pydantic_core"),
    *("graphql", "re2", "tocsin"),
}
IMPURE_MODULES = {
    *("asyncio", "concurrent", "ctypes", "fcntl", "ftplib", "getpass", "glob", "http", "imaplib", "importlib", "io"),
    *("logging", "mmap", "multiprocessing", "os", "pathlib", "pickle", "platform", "random", "sched", "secrets"),
    *("select", "selectors", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib.request", "uuid", "warnings", "webbrowser"),
}
# Which kinds are installed stands in files, as time zones do; it is read once, when the module is imported. Of uuid,
# heartbeats have the type alone.
EXCEPTIONS = {"installed.py": "importlib.metadata", "heartbeats.py": "uuid"}
IMPURE_CALLS = {"uuid1", "uuid4", "now", "utcnow", "today", "open", "print", "input", "getLogger"}

FOLDER = Path(str(tocsin.domain.__file__)).parent
MODULES = sorted(FOLDER.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)


def called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_module_of_the_domain_imports_only_what_is_pure(module: Path) -> None:
    for name in set(imported(ast.parse(module.read_text()))) - {EXCEPTIONS.get(module.name)}:
        package = name.partition(".")[0]
        assert package in LIBRARIES | sys.stdlib_module_names, name
        assert not {package, name} & IMPURE_MODULES, name
        assert package != "tocsin" or name.startswith("tocsin.domain"), name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_module_of_the_domain_asks_no_clock_and_touches_no_file(module: Path) -> None:
    assert not set(called(ast.parse(module.read_text()))) & IMPURE_CALLS


def test_importing_the_domain_loads_no_framework() -> None:
    names = [
        ".".join(["tocsin", "domain", *path.relative_to(FOLDER).with_suffix("").parts]).removesuffix(".__init__")
        for path in MODULES
    ]
    script = f"import sys, {', '.join(names)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    frameworks = {
        "asyncio",
        "asyncpg",
        "dramatiq",
        "httpx",
        "redis",
        "starlette",
        "strawberry",
        "structlog",
        "tortoise",
    }
    assert not frameworks & set(loaded)
