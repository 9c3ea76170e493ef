"""Lists what Python sources define, one name a line, to check our code against another ROS.

    python3 scripts/list_ros_names.py rclpy/rclpy launch/launch ... \
        > test/project/ros_names_humble.txt

Each argument is a folder that holds the Python package of the same name. Kinds of lines:

    rclpy.node < module
    rclpy.lifecycle.node.Some < Base, Mixin   a class and what it derives from, as its module says
    rclpy.node.Node.create_timer(self, ...)   a function or method with its parameters
    rclpy.node.Node._parameters               any other attribute, those set on `self` too
    rclpy.init = rclpy.utilities.init         an import, which others may import from there

What C++ defines with pybind11 is listed by name below `rclpy.impl.implementation_singleton`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PYBIND = re.compile(r'\(\s*(?:m|module),\s*"(\w+)"|\bm\.(?:def|attr)\(\s*"(\w+)"')
COMPILED = 'rclpy.impl.implementation_singleton.rclpy_implementation'

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def names_in(folder: Path) -> Iterator[str]:
    """Yield the lines for one folder with a package of the same name inside."""
    package = folder / folder.name
    for path in sorted(package.rglob('*.py')):
        parts = [folder.name, *path.relative_to(package).with_suffix('').parts]
        is_package = parts[-1] == '__init__'
        module = '.'.join(parts[:-1] if is_package else parts)
        yield f'{module} < module'
        yield from _in_body(ast.parse(path.read_text('utf-8')).body, module, module, is_package)
    for path in sorted(folder.rglob('*.cpp')):
        yield f'{COMPILED} < module'
        for found in PYBIND.finditer(path.read_text('utf-8')):
            yield f'{COMPILED}.{found[1] or found[2]}'


def _in_body(body: list[ast.stmt], prefix: str, module: str, is_package: bool) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            bases = ', '.join(ast.unparse(base) for base in node.bases)
            yield f'{prefix}.{node.name} < {bases or "object"}'
            yield from _in_body(node.body, f'{prefix}.{node.name}', module, is_package)
        elif isinstance(node, Function):
            yield f'{prefix}.{node.name}({_parameters(node.args)})'
            yield from (f'{prefix}.{name}' for name in _set_on_self(node))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (f'{prefix}.{t.id}' for t in targets if isinstance(t, ast.Name))
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _in_body(node.body, prefix, module, is_package)
            yield from _in_body(getattr(node, 'orelse', []), prefix, module, is_package)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, module, is_package)
            for alias in node.names:
                yield f'{prefix}.{alias.asname or alias.name} = {source}.{alias.name}'


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ''
    parts = module.split('.')
    base = parts[: len(parts) - node.level + is_package]
    return '.'.join([*base, *([node.module] if node.module else [])])


def _parameters(arguments: ast.arguments) -> str:
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [f'*{arguments.vararg.arg}'] if arguments.vararg else []
    names += [f'**{arguments.kwarg.arg}'] if arguments.kwarg else []
    return ', '.join(names)


def _set_on_self(function: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == 'self'
    }


def main() -> int:
    """Print the names of all folders on the command line."""
    lines = {line for folder in sys.argv[1:] for line in names_in(Path(folder))}
    own = tuple(f'{Path(folder).name}.' for folder in sys.argv[1:])
    kept = [
        line
        for line in sorted(lines)
        if not re.search(r'\.__(?!init__)', line)  # nobody else's business
        and (' = ' not in line or line.partition(' = ')[2].startswith(own))
    ]
    print('\n'.join(kept))
    return 0


if __name__ == '__main__':
    sys.exit(main())
