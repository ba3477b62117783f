#!/usr/bin/env bash
# inspect-ai 0.3.285: a task of an extension is named PACKAGE/TASK, and found by that name, unless the
# package is installed editably and its distribution has another name than its import package
# (as scikit-learn has). Then the task is registered as TASK alone, and
# `inspect eval PACKAGE/TASK`, as its documentation has it, finds no task. The same source installed
# as a wheel is found. Seen: "hello" when editable, "greeting/hello" as a wheel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/src/greeting"
cd "$folder/src"
cat >pyproject.toml <<'TOML'
[build-system]
requires = ["hatchling==1.27.0"]
build-backend = "hatchling.build"
[project]
name = "another-name"
version = "1.0"
[project.entry-points.inspect_ai]
greeting = "greeting.tasks"
[tool.hatch.build.targets.wheel]
packages = ["greeting"]
TOML
touch greeting/__init__.py
cat >greeting/tasks.py <<'PY'
from inspect_ai import Task, task
from inspect_ai.dataset import Sample

@task
def hello():
    return Task(dataset=[Sample(input="Hello?")])
PY
"${PYTHON:-python3.11}" -m venv "$folder/env"
pip="$folder/env/bin/python -m pip --quiet --disable-pip-version-check"
$pip install inspect-ai==0.3.285
seen() {
	cd "$folder"
	"$folder/env/bin/python" - <<'PY'
from inspect_ai._util.entrypoints import ensure_entry_points
from inspect_ai._util.registry import registry_find, registry_info

ensure_entry_points("greeting")
print(*(registry_info(t).name for t in registry_find(lambda info: info.type == "task")))
PY
}
$pip install --editable "$folder/src"
editable=$(seen)
$pip uninstall --yes another-name
$pip install "$folder/src"
wheel=$(seen)
echo "editable: $editable; wheel: $wheel"
[ "$editable" = "hello" ] && [ "$wheel" = "greeting/hello" ]
