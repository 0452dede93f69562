"""House rules that no linter knows, each with what to do instead.

Most of them guard one promise: same scenario, seed and version give the same run, byte for byte. A name is followed
through the file's imports, so `from time import time as now` is found like `time.time`. Whoever needs an exception adds
it to `ALLOWED` with its reason; an exception that nothing needs any more fails too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CORE = ("twin/", "broker/", "detectors/", "scenarios/")
"""Everything below the screens."""

PURE = ("twin/", "detectors/", "scenarios/language/", "scenarios/faults/")
"""What must not even measure wall time."""


INEXACT = """
exp exp2 expm1 log log2 log10 log1p pow power float_power cbrt hypot
sin cos tan sinh cosh tanh asin acos atan atan2 arcsin arccos arctan arctan2
"""


@dataclass(frozen=True)
class Banned:
    """Names that must not be used under `where`. A name ending in `.` stands for everything in that module."""

    rule: str
    names: tuple[str, ...]
    where: tuple[str, ...]
    instead: str


def of(module: str, names: str) -> tuple[str, ...]:
    """Full names of some things in a module."""
    return tuple(f"{module}.{name}" for name in names.split())


BANNED = [
    Banned(
        "calendar",
        of("time", "time time_ns localtime gmtime ctime")
        + of("datetime", "datetime.now datetime.utcnow datetime.today date.today"),
        CORE,
        "simulated time: the `at_us` that is handed in, counted from the scenario's `start`",
    ),
    Banned(
        "stop-watch",
        of("time", "monotonic monotonic_ns perf_counter perf_counter_ns process_time"),
        PURE,
        "no measuring here; the engine's driver paces a run and the benchmarks measure it",
    ),
    Banned(
        "sleep",
        ("time.sleep",),
        (*CORE, "tui/", "tests/"),
        "waiting for the event itself: a future, a queue with a timeout, a process that ends",
    ),
    Banned(
        "chance",
        ("random.", "secrets.", "os.urandom", "uuid.uuid1", "uuid.uuid4", "numpy.random."),
        CORE,
        "`twin.chance`: a draw is keyed by seed, purpose, device and number",
    ),
    Banned(
        "hash",
        of("builtins", "hash id"),
        CORE,
        "`twin.chance.device_key`, or a field of the thing: `hash` and `id` differ from process to process",
    ),
    Banned(
        "code-from-text",
        of("builtins", "eval exec compile"),
        (*CORE, "tui/"),
        "`scenarios.language.expressions`, which knows a closed list of operations",
    ),
    Banned(
        "yaml",
        of("yaml", "load load_all safe_load safe_load_all full_load full_load_all unsafe_load unsafe_load_all"),
        (*CORE, "tui/", "tests/"),
        "the reader in `scenarios.language`: to YAML, `on` is True, `1:30` is 90 and the last of two equal keys wins",
    ),
    Banned(
        "foreign-data",
        of("pickle", "load loads Unpickler")
        + of("marshal", "load loads")
        + of("shelve", "open")
        + of("numpy", "load")
        + of("joblib", "load"),
        (*CORE, "tui/"),
        "msgspec with a type: loading these runs whatever the file says",
    ),
    Banned(
        "fork",
        (*of("os", "fork forkpty"), *of("multiprocessing", "Process Pool Pipe Queue")),
        (*CORE, "tui/"),
        'a child that is spawned: `subprocess`, or `multiprocessing.get_context("spawn")`',
    ),
    Banned(
        "simpy",
        of("simpy", "Resource PriorityResource PreemptiveResource Container Store FilterStore PriorityStore")
        + of("simpy", "AnyOf AllOf Interrupt RealtimeEnvironment rt. resources."),
        CORE,
        "a story: holder, queue and deadline are fields of its row, or a snapshot loses them (`twin.stories`)",
    ),
    Banned(
        "inexact",
        of("math", INEXACT) + of("numpy", INEXACT),
        ("twin/",),
        "`twin.exact`: these differ in the last bit from one processor to another",
    ),
]

ALLOWED: dict[tuple[str, str], str] = {
    ("chance", "broker/doorkeeper.py"): "credentials must not follow from the seed; no result depends on them",
    ("set-order", "broker/links.py"): "sockets that are all closed or all frozen, in any order",
    ("sleep", "broker/cloud_end.py"): "a live run waits for births, and for a broker to forget, by the wall clock",
    ("folder-order", "scenarios/language/reader.py"): "sorted where the names are handed out",
    ("chance", "scenarios/record/recorder.py"): "two equal runs in one database need two names; the name is no result",
    ("foreign-data", "scenarios/engine/engine.py"): "a snapshot that this program wrote; nobody else's is ever offered",
    ("calendar", "scenarios/engine/live_wiring.py"): "a live run begins now, and its messages carry today's date",
    ("calendar", "scenarios/engine/live_broker.py"): "certificates of a run are valid from now on",
    (
        "calendar",
        "broker/expiry.py",
    ): "a certificate ends at a date, and its connection with it; no result depends on it",
    ("sleep", "scenarios/engine/live_ending.py"): "what was sent over real sockets arrives by the wall clock",
    ("sleep", "scenarios/engine/paces.py"): "a live run on the screen follows the clock on the wall",
    ("sleep", "scenarios/engine/worker.py"): "the live fleet lives by the wall clock",
    ("sleep", "scenarios/engine/server.py"): "the last seconds of an engine whose screen is gone; nobody waits",
}
"""(rule, file): why this file may."""


@dataclass(frozen=True)
class Breach:
    rule: str
    line: int
    what: str
    instead: str


# --- nodes ------------------------------------------------------------------------------------------------------------


def flattened(tree: ast.AST) -> tuple[list[ast.AST], dict[ast.AST, list[ast.AST]]]:
    """What is below a node, and what is below each class and function of it; without what says load, store or `+`.

    Walked once: there are a million nodes in the project. Each comes before what it holds.
    """
    nodes: list[ast.AST] = []
    spans: list[tuple[ast.AST, int, int]] = []

    def walk(node: ast.AST) -> None:
        begin = len(nodes)
        nodes.append(node)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for one in value:
                    if isinstance(one, ast.AST):
                        walk(one)
            elif isinstance(value, ast.AST) and not isinstance(value, BARE):
                walk(value)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            spans.append((node, begin, len(nodes)))

    walk(tree)
    return nodes, {node: nodes[begin:end] for node, begin, end in spans}


BARE = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)

# --- names ------------------------------------------------------------------------------------------------------------


def imported_names(nodes: list[ast.AST]) -> dict[str, str]:
    """Local name to full dotted name, from every import of the file; numpy's usual short name needs no special case."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def own_names(nodes: list[ast.AST]) -> set[str]:
    """Names that the file gives a meaning of its own: assigned, defined, or arguments. They hide built-in ones."""
    own: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            own.add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
    return own


def dotted(node: ast.expr, names: dict[str, str], own: set[str]) -> str | None:
    """`datetime.datetime.now` for an expression that means it, None for anything but a dotted name."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, names, own)
        return before and f"{before}.{node.attr}"
    if isinstance(node, ast.Name):
        if node.id in names:
            return names[node.id]
        return node.id if node.id in own else f"builtins.{node.id}"
    return None


def banned_names(nodes: list[ast.AST], where: str) -> Iterator[Breach]:
    names, own = imported_names(nodes), own_names(nodes)
    rules = [
        (rule, frozenset(rule.names), tuple(name for name in rule.names if name.endswith(".")))
        for rule in BANNED
        if where.startswith(rule.where)
    ]
    for node in nodes:
        if not isinstance(node, ast.Attribute | ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        if name := dotted(node, names, own):
            for rule, whole, modules in rules:
                if name in whole or name.startswith(modules):
                    yield Breach(rule.rule, node.lineno, name, rule.instead)


# --- order ------------------------------------------------------------------------------------------------------------

ORDER_MATTERS = ("list", "tuple", "enumerate", "iter", "next", "map", "filter", "zip", "reversed", "join", "array")
"""Calls that keep the order of their arguments; `sorted`, `len`, `min`, `any`, `set` and the like do not."""

SORT = "`sorted(...)`: the order of a set depends on the hash seed"
SORT_FILES = "`sorted(...)`: the order of a folder depends on the file system"


def name_of(node: ast.expr) -> str | None:
    """`things` for `things`, `self.things` for `self.things`."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else None


def sets_of(scope: list[ast.AST]) -> set[str]:
    """Names that hold a set somewhere in `scope`: annotated so, or assigned a set."""
    found: set[str] = set()
    for node in scope:
        if isinstance(node, ast.AnnAssign) and is_set_type(node.annotation) and (name := name_of(node.target)):
            found |= {name, f"self.{name}"}
        elif isinstance(node, ast.arg) and node.annotation and is_set_type(node.annotation):
            found.add(node.arg)
        elif isinstance(node, ast.Assign) and is_set(node.value, set()):
            found |= {name for target in node.targets if (name := name_of(target))}
    return found


def is_set_type(annotation: ast.expr) -> bool:
    return re.match(r"'?(frozenset|set|AbstractSet|MutableSet)\b", ast.unparse(annotation)) is not None


def is_set(node: ast.expr, known: set[str]) -> bool:
    """Whether an expression is a set as far as the text tells."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(
            func=ast.Attribute(attr="union" | "intersection" | "difference" | "symmetric_difference", value=of)
        ):
            return is_set(of, known)
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), left=left, right=right):
            return any(is_set(side, known) or is_keys(side) for side in (left, right))
        case ast.IfExp(body=body, orelse=orelse):
            return is_set(body, known) or is_set(orelse, known)
    return name_of(node) in known


def is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def is_listing(node: ast.expr) -> bool:
    """Whether an expression lists a folder in the order of the file system."""
    match node:
        case ast.Call(func=ast.Attribute(attr="iterdir" | "glob" | "rglob" | "listdir" | "scandir" | "walk_packages")):
            return True
    return False


def walked(scope: list[ast.AST]) -> Iterator[ast.expr]:
    """Every expression whose order reaches a result: what loops go over, and what ordered things are made of."""
    insensitive = {
        id(argument)
        for node in scope
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("sorted", "set", "frozenset", "any", "all", "sum", "min", "max")
        for argument in node.args
    }
    for node in scope:
        if isinstance(node, ast.For | ast.AsyncFor):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(node) not in insensitive:
            yield from (generator.iter for generator in node.generators)
        elif isinstance(node, ast.Starred):
            yield node.value
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in ORDER_MATTERS:
                yield from node.args


def unordered(nodes: list[ast.AST], below: dict[ast.AST, list[ast.AST]], where: str) -> Iterator[Breach]:
    if not where.startswith(CORE):
        return
    shared = {name for node, scope in below.items() if isinstance(node, ast.ClassDef) for name in sets_of(scope)}
    attributes = {name for name in shared if name.startswith("self.")}
    scopes = [(nodes, attributes)]
    scopes += [
        (scope, attributes | sets_of(scope)) for node, scope in below.items() if not isinstance(node, ast.ClassDef)
    ]
    seen: set[tuple[int, int]] = set()
    for scope, known in scopes:
        for node in walked(scope):
            if (node.lineno, node.col_offset) in seen:
                continue
            if is_set(node, known):
                seen.add((node.lineno, node.col_offset))
                yield Breach("set-order", node.lineno, ast.unparse(node), SORT)
            elif is_listing(node):
                seen.add((node.lineno, node.col_offset))
                yield Breach("folder-order", node.lineno, ast.unparse(node), SORT_FILES)


# --- the rules on the tree --------------------------------------------------------------------------------------------


def breaches(source: str, where: str) -> list[Breach]:
    nodes, below = flattened(ast.parse(source))
    return sorted(
        {*banned_names(nodes, where), *unordered(nodes, below, where)}, key=lambda found: (found.line, found.rule)
    )


@cache
def breaches_of_the_tree(root: Path, files: tuple[Path, ...]) -> dict[tuple[str, str], list[Breach]]:
    found: dict[tuple[str, str], list[Breach]] = {}
    for path in files:
        where = path.relative_to(root).as_posix()
        if path.suffix == ".py":
            for breach in breaches(path.read_text(), where):
                found.setdefault((breach.rule, where), []).append(breach)
    return found


def test_nothing_breaks_a_house_rule(root: Path, project_files: list[Path]) -> None:
    found = breaches_of_the_tree(root, tuple(project_files))
    told = [
        f"{where}:{one.line}: {one.what} ({one.rule}); instead: {one.instead}"
        for (rule, where), some in found.items()
        if (rule, where) not in ALLOWED
        for one in some
    ]
    assert not told, "\n" + "\n".join(told)


def test_every_exception_is_still_needed_and_has_a_reason(root: Path, project_files: list[Path]) -> None:
    assert sorted(ALLOWED.keys() - breaches_of_the_tree(root, tuple(project_files)).keys()) == []
    assert all(len(reason.split()) > 2 for reason in ALLOWED.values())


WRONG = [
    ("calendar", "twin/x.py", "import time\nt = time.time()"),
    ("calendar", "broker/x.py", "from time import time as now\nt = now()"),
    ("calendar", "scenarios/x.py", "import datetime as dt\nt = dt.datetime.now(dt.UTC)"),
    ("calendar", "detectors/x.py", "from datetime import datetime\nfactory = datetime.now"),
    ("stop-watch", "detectors/x.py", "from time import perf_counter\nt = perf_counter()"),
    ("sleep", "tests/x/test_x.py", "import time\ntime.sleep(1)"),
    ("chance", "twin/x.py", "import random\nr = random.random()"),
    ("chance", "detectors/x.py", "import numpy as np\nr = np.random.default_rng(1)"),
    ("chance", "scenarios/x.py", "from uuid import uuid4\nname = uuid4()"),
    ("hash", "twin/x.py", "key = hash('press-1')"),
    ("code-from-text", "tui/x.py", "value = eval('1 + 1')"),
    ("yaml", "scenarios/x.py", "import yaml\ndata = yaml.safe_load('on: 1')"),
    ("foreign-data", "scenarios/x.py", "import pickle\ndata = pickle.loads(b'')"),
    ("fork", "broker/x.py", "import multiprocessing as mp\nmp.Process(target=print).start()"),
    ("simpy", "twin/x.py", "import simpy\ncrew = simpy.Resource(env)"),
    ("simpy", "scenarios/x.py", "from simpy.rt import RealtimeEnvironment\nenv = RealtimeEnvironment()"),
    ("inexact", "twin/x.py", "import numpy as np\ny = np.exp(x)"),
    ("set-order", "twin/x.py", "for name in {'a', 'b'}:\n    use(name)"),
    ("set-order", "twin/x.py", "names = list(set(other))"),
    ("set-order", "detectors/x.py", "def f(open: set[int]) -> list[int]:\n    return [n + 1 for n in open]"),
    ("set-order", "broker/x.py", "def f(a):\n    left = frozenset(a)\n    for one in left:\n        use(one)"),
    ("set-order", "broker/x.py", "for key in a.keys() & b.keys():\n    use(key)"),
    ("set-order", "scenarios/x.py", "text = ', '.join(set(names) - {'all'})"),
    (
        "set-order",
        "scenarios/x.py",
        "class A:\n    def __init__(self):\n        self.live = set()\n    def f(self):\n        return [*self.live]",
    ),
    ("folder-order", "scenarios/x.py", "for path in folder.glob('*.yaml'):\n    use(path)"),
]


@pytest.mark.parametrize(("rule", "where", "source"), WRONG)
def test_a_wrong_line_is_found_with_its_replacement(rule: str, where: str, source: str) -> None:
    (found,) = breaches(source, where)
    assert found.rule == rule
    assert found.instead


def test_every_rule_has_a_wrong_line() -> None:
    assert {rule for rule, _, _ in WRONG} == {rule.rule for rule in BANNED} | {"set-order", "folder-order"}


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("twin/x.py", "def time(env):\n    return env.now\nt = time(env)"),
        ("twin/x.py", "for name in sorted({'a', 'b'}):\n    use(name)"),
        ("twin/x.py", "total = sum(n for n in {1, 2})\nlargest = max({1, 2})\nthere = 3 in {1, 2}"),
        ("twin/x.py", "def f(hash: str) -> str:\n    return hash"),
        ("detectors/x.py", "for key, value in {'a': 1}.items():\n    use(key)"),
        ("detectors/x.py", "import numpy as np\ny = np.exp(x)"),
        ("scenarios/x.py", "import re\nword = re.compile('a')"),
        ("scenarios/x.py", "import multiprocessing\nspawn = multiprocessing.get_context('spawn')"),
        ("scenarios/x.py", "import time\nbegin = time.monotonic()"),
        ("scenarios/x.py", "for path in sorted(folder.glob('*.yaml')):\n    use(path)"),
        ("tui/cli/x.py", "from datetime import datetime\nnow = datetime.now"),
        ("tests/x/test_x.py", "import random\nr = random.Random(1)"),
    ],
)
def test_a_right_line_is_left_alone(where: str, source: str) -> None:
    assert breaches(source, where) == []
