"""The boards are what Grafana's own types say a dashboard is, down to the options of each kind of panel; and what
the page of `make watch` asks for them. Both need Node.js.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.monitoring import grafana
from deploy.monitoring.boards import BOARDS

HERE = Path(__file__).parents[1] / "grafana"
PAGE = Path(__file__).parents[2] / "deploy" / "monitoring" / "page"
FILES = ("package.json", "package-lock.json", "tsconfig.json", "types.ts")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Grafana's types and a compiler, as the lock file has them."""
    assert shutil.which("npm"), "npm is needed (Debian: apt-get install nodejs npm)"
    folder = tmp_path_factory.mktemp("grafana")
    for name in FILES:
        shutil.copy(HERE / name, folder)
    (folder / "made").mkdir()
    run(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    if command[0] == "npm":
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def written(board: Any) -> str:
    """A board as TypeScript: literals, so that a key which no type has is a mistake."""
    made = json.loads(grafana.text(board, BOARDS))
    lines = ['import type { Board, Custom, Options } from "../types";']
    lines.append(f"export const board: Board = {json.dumps(made)};")
    for panel in made["panels"]:
        if panel["type"] != "row":
            lines.append(f"export const o{panel['id']}: Options[{panel['type']!r}] = {json.dumps(panel['options'])};")
        if custom := panel.get("fieldConfig", {}).get("defaults", {}).get("custom"):
            lines.append(f"export const c{panel['id']}: Custom = {json.dumps(custom)};")
    return "\n".join(lines) + "\n"


def test_the_boards_are_dashboards_by_grafanas_own_types(checker: Path) -> None:
    for board in BOARDS:
        (checker / "made" / f"{board.uid}.ts").write_text(written(board))
    done = run(checker, "npx", "--no-install", "tsc", "--project", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('"graphMode": "area"', '"graphMode": "hills"'), ('"gridPos"', '"gridPlace"'), ('"refresh": 2', '"refresh": "2"')],
)
def test_a_wrong_value_a_wrong_key_and_a_wrong_type_are_found(checker: Path, right: str, wrong: str) -> None:
    text = written(BOARDS[0])
    assert right in text
    (checker / "made" / "wrong.ts").write_text(text.replace(right, wrong))
    done = run(checker, "npx", "--no-install", "tsc", "--project", ".")
    (checker / "made" / "wrong.ts").unlink()
    assert "made/wrong.ts" in done.stdout


def test_the_page_asks_as_grafana_does(tmp_path: Path) -> None:
    assert shutil.which("node"), "node is needed (Debian: apt-get install nodejs npm)"
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for file in (PAGE / "queries.js", PAGE / "draw.js", PAGE / "boards.js", HERE / "page.test.mjs"):
        shutil.copy(file, tmp_path)
    for name in ("draw.js", "boards.js"):
        checked = run(tmp_path, "node", "--check", name)
        assert checked.returncode == 0, checked.stderr
    done = run(tmp_path, "node", "--test", "page.test.mjs")
    assert done.returncode == 0, done.stdout
    assert "# pass 6" in done.stdout
