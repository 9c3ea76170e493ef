"""Nothing here reads a file in a way that lets the file run code, or unpacks an archive."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from harness.paths import ROOT

FOLDERS = ('eevit_ros', 'model_export', 'launch', 'demo', 'drive', 'scripts', 'benchmarks')
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob('*.py')
)

# Each can run what it reads (marshal, shelve and the like), or writes where the file says.
FORBIDDEN_MODULES = {
    *('pickle', '_pickle', 'cPickle', 'cloudpickle', 'dill', 'joblib', 'shelve', 'marshal'),
    *('jsonpickle', 'tarfile'),
}
FORBIDDEN_CALLS = {
    *('eval', 'exec', 'compile', '__import__'),
    *('yaml.unsafe_load', 'yaml.full_load', 'yaml.load_all', 'yaml.unsafe_load_all'),
    *('pd.read_pickle', 'pandas.read_pickle', 'shutil.unpack_archive', 'os.system', 'os.popen'),
    *('torch.jit.load', 'torch.package.PackageImporter', 'torch.hub.load'),
}


def unsafe(source: str) -> Iterator[str]:
    """Yield what is unsafe, with its line."""
    tree = ast.parse(source)
    safe_loaders = {'yaml.SafeLoader', 'yaml.CSafeLoader'} | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) in ('yaml.SafeLoader', 'yaml.CSafeLoader') for base in node.bases)
    }
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or '']
        for module in modules:
            if module.partition('.')[0] in FORBIDDEN_MODULES:
                yield f'{node.lineno}: import of {module}'
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in FORBIDDEN_CALLS or called.endswith(('.extractall', '.load_from_checkpoint')):
            yield f'{node.lineno}: {called}'
        elif called == 'torch.load' and given.get('weights_only') != 'True':
            yield f'{node.lineno}: torch.load without weights_only=True'
        elif called in ('np.load', 'numpy.load') and given.get('allow_pickle', 'False') != 'False':
            yield f'{node.lineno}: {called} with allow_pickle'
        elif called == 'yaml.load':
            loader = given.get('Loader') or (ast.unparse(node.args[1]) if node.args[1:] else '')
            if loader not in safe_loaders:
                yield f'{node.lineno}: yaml.load with {loader or "no loader"}'
        elif called == 'YAML' and given.get('typ') != "'safe'":
            yield f'{node.lineno}: ruamel.yaml other than safe'
        elif given.get('shell', 'False') != 'False':
            yield f'{node.lineno}: {called} with a shell'


@pytest.mark.parametrize('path', SOURCES)
def test_no_file_is_read_in_a_way_that_runs_code(path: str) -> None:
    assert list(unsafe((ROOT / path).read_text('utf-8'))) == []


@pytest.mark.parametrize(
    'source',
    [
        'import pickle',
        'from pickle import loads',
        'import torch\ntorch.load(path)',
        'torch.load(path, weights_only=False)',
        'torch.load(path, weights_only=flag)',
        'np.load(path, allow_pickle=True)',
        'yaml.load(text)',
        'yaml.load(text, yaml.Loader)',
        'yaml.load(text, Loader=yaml.FullLoader)',
        'class L(yaml.Loader): pass\nyaml.load(text, L)',
        'YAML().load(text)',
        'archive.extractall(folder)',
        'subprocess.run(command, shell=True)',
        'eval(text)',
    ],
)
def test_what_is_unsafe_is_found(source: str) -> None:
    assert len(list(unsafe(source))) == 1


@pytest.mark.parametrize(
    'source',
    [
        'torch.load(path, map_location="cpu", weights_only=True)',
        'yaml.safe_load(text)',
        'class L(yaml.SafeLoader): pass\nyaml.load(text, L)',
        'model.eval()',
        're.compile(text)',
        'YAML(typ="safe").load(text)',
        'np.load(path)',
        'subprocess.run(command)',
    ],
)
def test_what_is_safe_is_not(source: str) -> None:
    assert list(unsafe(source)) == []
