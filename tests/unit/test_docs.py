"""The documents say what the code does: tables, paths, commands, links, names, and the lines of the tour."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from typer.exceptions import TyperException

from stream.batch import Failure, FailureClass, Messages
from stream.cli import COMMANDS, load, main
from stream.config import load as load_pipeline
from stream.config.environment import names
from stream.config.kafka_properties import PREFIX, property_of
from stream.errors import ExitCode
from stream.failures import headers
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.topics import needed
from stream.metrics import METRICS, Kind

ROOT = Path(__file__).parents[2]
SCAFFOLD = ROOT / "stream" / "scaffold" / "project"
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "CHANGELOG.md"]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in DOCUMENTS}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FOLDERS = "stream|docs|tests|pipelines|schemas|suites|models|bench|deploy|\\.ci"
PATH = re.compile(rf"(?<![\w/.<-])((?:{FOLDERS})/[\w./-]*[\w/])(?::([A-Za-z_][\w.]*))?(?![\w<>*])")


def fences(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of every block of code."""
    for found in FENCE.finditer(text):
        yield found[1], found[2]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def inline(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def parametrized(found: Callable[[str], Iterator[str]]) -> pytest.MarkDecorator:
    cases = [(name, item) for name, text in TEXTS.items() for item in dict.fromkeys(found(text))]
    return pytest.mark.parametrize(("document", "found"), cases, ids=[f"{name}: {item}"[:100] for name, item in cases])


def module(path: str) -> ModuleType:
    """A file that is in no package, imported."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return module("docs/generate.py")


def test_the_tables_are_those_of_the_code(generate: ModuleType) -> None:
    found: list[str] = []
    for document in generate.DOCUMENTS:
        text = TEXTS[document.relative_to(ROOT).as_posix()]
        assert generate.filled(text) == text, "run: make docs"
        found += re.findall(r"<!-- table: (\w+) -->", text)
    assert sorted(found) == sorted(generate.TABLES)


def test_the_schema_is_the_one_that_the_command_prints(
    generate: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["schema"])
    assert capsys.readouterr().out == generate.SCHEMA.read_text("utf-8") == generate.schema_text(), "run: make docs"


def paths(text: str) -> Iterator[str]:
    for found in PATH.finditer(text):
        yield found[0]


@parametrized(paths)
def test_a_path_in_the_documents_exists(document: str, found: str) -> None:
    path, _, name = found.partition(":")
    if "wrong.yaml" in path or in_a_new_project(document, path):  # the example of mistakes
        return
    assert (ROOT / path).exists()
    if name and path.endswith(".py"):
        defined = definitions(ast.parse((ROOT / path).read_text("utf-8")))
        assert name in defined, f"{path} defines no {name}"


def in_a_new_project(document: str, path: str) -> bool:
    """A file that the page has its reader save, or that `stream init machines` made."""
    made = [p.relative_to(SCAFFOLD).as_posix() for p in SCAFFOLD.rglob("*")]
    own = re.findall(r"<!-- file: (\S+) -->", TEXTS[document])
    packed = document == "docs/tutorial.md" and path.startswith("models/cultivar")
    return path in own or packed or (document == "docs/quick-start.md" and path in [*made, "pipelines/machines.yaml"])


def definitions(tree: ast.Module) -> set[str]:
    """Functions, classes and constants of a module; methods as Class.method."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    top = [node for node in tree.body if isinstance(node, kinds)]
    methods = {f"{c.name}.{m.name}" for c in top if isinstance(c, ast.ClassDef) for m in c.body if isinstance(m, kinds)}
    constants = {n.target.id for n in tree.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    return {node.name for node in top} | methods | constants


def test_the_table_of_libraries_is_that_of_the_architecture_test() -> None:
    section = TEXTS["docs/architecture.md"].partition("| Library |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if "`" in line]
    told = {name: set(re.findall(r"`([^`]+)`", where)) for names_, where in rows for name in names_.strip().split(", ")}
    owners = module("tests/unit/test_architecture.py").OWNERS
    assert told == {library: set(places) for library, places in owners.items()}


def commands(text: str) -> Iterator[str]:
    """Every `stream ...` line of a block, or between backticks, up to a comment or a pipe."""
    lines = [line for language, block in fences(text) if language == "console" for line in block.splitlines()]
    for line in [*(line.removeprefix("$ ") for line in lines if line.startswith("$ ")), *inline(text)]:
        if line.startswith("stream "):
            yield re.split(r" [|>#&;]|;", line)[0].removesuffix(" ...").strip()


@parametrized(commands)
def test_a_command_in_the_documents_is_one(document: str, found: str) -> None:
    name, *arguments = shlex.split(found)[1:]
    if name.startswith("-"):
        assert name in {"--help", "--version"}
        return
    assert name in COMMANDS
    command = load(name)
    if hasattr(command, "commands") and arguments:
        command, *arguments = command.commands[arguments[0]], *arguments[1:]
    if set(arguments) == {"--help"} or not arguments:
        return
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {a.partition("=")[0] for a in arguments if a.startswith("--")} <= options
    if found in inline_only(document):
        return  # a command named in a sentence may leave out what does not matter there
    try:
        command.make_context(name, arguments)
    except TyperException as error:
        pytest.fail(str(error))


def inline_only(document: str) -> set[str]:
    return set(inline(TEXTS[document]))


def test_every_page_is_in_the_index_of_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)", TEXTS["README.md"]))
    assert {name for name in TEXTS if name.startswith("docs/")} == linked


def make_targets(text: str) -> Iterator[str]:
    lines = [line for language, block in fences(text) for line in block.splitlines() if language == "console"]
    for line in [*(line.removeprefix("$ ") for line in lines), *inline(text)]:
        yield from (found[0] for found in re.finditer(r"^make [a-z-]+", line))


@parametrized(make_targets)
def test_a_make_target_in_the_documents_exists(document: str, found: str) -> None:
    target = found.removeprefix("make ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def links(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)]+)\)", prose(text))


@parametrized(links)
def test_a_link_leads_somewhere(document: str, found: str) -> None:
    if found.startswith("https://"):
        return
    path, _, anchor = found.partition("#")
    target = (ROOT / document).parent / path if path else ROOT / document
    assert target.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", FENCE.sub("", target.read_text("utf-8")), re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}


def slug(heading: str) -> str:
    """The anchor that a heading gets on code hosts."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def variables(text: str) -> Iterator[str]:
    yield from re.findall(r"(?<![\w$])STREAM_[A-Z_]+(?![\w<*])", prose(text))


@parametrized(variables)
def test_a_variable_in_the_documents_is_one(document: str, found: str) -> None:
    if found.endswith("_"):  # STREAM_* and STREAM_KAFKA_<PROPERTY>
        return
    assert isinstance(property_of(found), str) if found.startswith(PREFIX) else found in names()


def metric_names(text: str) -> Iterator[str]:
    yield from re.findall(r"`(stream_[a-z_]+)", text)


@parametrized(metric_names)
def test_a_metric_in_the_documents_is_one(document: str, found: str) -> None:
    assert found in {metric.name for metric in METRICS}
    assert all(m.name.endswith("_total") for m in METRICS if m.kind is Kind.COUNTER)


def test_the_table_of_headers_is_complete() -> None:
    section = TEXTS["docs/dead-letters.md"].partition("## The headers")[2].partition("\n## ")[0]
    told = {
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    facts = dict.fromkeys(("schema", "suite", "expectations", "model"), "x")
    failure = Failure(0, "s", FailureClass.POISON, "r", "d", facts)
    written = {name for name, _ in headers.error_headers(failure, Messages.of([b""]), "p", 0)}
    named = {value for name, value in vars(headers).items() if name.isupper() and str(value).startswith(headers.OWN)}
    assert told == written | named - {headers.OWN} | {headers.POINTER[0], "stream.warnings"}


def test_the_table_of_exit_codes_is_complete() -> None:
    section = TEXTS["docs/operating.md"].partition("## Exit codes")[2].partition("\n\n`stream run`")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) ", section, re.MULTILINE)} == {*map(int, ExitCode), 130}


def test_the_table_of_settings_holds_their_values() -> None:
    settings = ClientSettings(Slot("p", "i"), ("t",))
    values = {**settings.consumer(), **settings.producer()}
    rows = re.findall(r"^\| `([a-z.]+)` \| `(.+?)` \| (.*) \|$", TEXTS["docs/exactly-once.md"], re.MULTILINE)
    assert len(rows) > 15
    for name, told, why in rows:
        assert told == (str(values[name]).lower() if isinstance(values[name], bool) else str(values[name])), name
        free = isinstance(property_of(PREFIX + name.replace(".", "_").upper()), str)
        assert free == why.endswith("may be changed"), name


def test_every_rule_that_the_code_names_is_argued() -> None:
    """Comments say R5; docs/exactly-once.md has one paragraph for each, in order."""
    argued = re.findall(r"^\* \*\*R(\d+)\.", TEXTS["docs/exactly-once.md"], re.MULTILINE)
    assert argued == [str(number) for number in range(1, 12)]
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "stream").rglob("*.py"))
    assert set(re.findall(r"\bR(\d+)\b", sources)) <= set(argued)


TOUR = TEXTS["docs/quick-start.md"].partition("## A tour")[2]


def outputs(text: str) -> Iterator[tuple[str, list[str]]]:
    """(command, the lines shown below it) of every command in a console block."""
    for language, block in fences(text):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:] if language == "console" else []
        for part in parts:
            command, *lines = part.splitlines()
            yield command, [" ".join(line.split()) for line in lines if line.strip() and line != "..."]


@pytest.mark.parametrize("command", ["stream check", "stream process"])
def test_the_lines_of_the_tour_are_those_one_sees(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = [(c, lines) for c, lines in outputs(TOUR) if c.startswith(command)]
    monkeypatch.chdir(ROOT)
    arguments = [str(tmp_path) if a == "out" else a for a in shlex.split(shown[0])[1:]]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
    printed = re.sub(r"reference: .*", "native", capsys.readouterr().out)  # where there is no compiler
    seen = [" ".join(line.split()) for line in printed.splitlines()]
    assert len(shown[1]) > 5
    assert [line for line in shown[1] if line not in seen] == []


def test_the_topics_of_the_tour_are_those_of_the_pipeline() -> None:
    (shown,) = [lines for command, lines in outputs(TOUR) if command.startswith("stream topics")]
    needs = needed(load_pipeline(ROOT / "pipelines/tickets.yaml", {}).file)
    assert [line.partition(" created")[0] for line in shown[1:]] == [f"{role} {topic}" for topic, role in needs.items()]
