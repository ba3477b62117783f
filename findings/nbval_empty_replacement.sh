#!/usr/bin/env bash
# nbval 0.11.0 (pytest 9.2.0, ipykernel 7.4.0): in a file for --nbval-sanitize-with a pattern that is to be
# replaced by nothing needs the blank behind "replace:". Without it, as an editor leaves the line that
# takes blanks off the ends of lines, the entry is left out, and nothing says so: the notebook fails
# for an output that the file seems to sanitize.
# Seen: "replace: " passes, "replace:" fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3.11}" -m venv env
env/bin/python -m pip --quiet --disable-pip-version-check install \
	nbval==0.11.0 pytest==9.2.0 ipykernel==7.4.0
env/bin/python - <<'PY'
import nbformat

cell = nbformat.v4.new_code_cell("import time\nprint('took', time.time(), 's')", execution_count=1)
cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="took 12.5 s\n")]
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": {
    "name": "python3", "display_name": "Python 3", "language": "python"}}), "timed.ipynb")
PY
checked() {
	printf '[times]\nregex: [0-9]+[.][0-9]+\nreplace:%s\n' "$1" >sanitize.cfg
	env/bin/python -m pytest -q --nbval --nbval-sanitize-with sanitize.cfg timed.ipynb >out 2>&1 &&
		echo passes || { grep -q "1 failed" out && echo fails; }
}
with=$(checked " ")
without=$(checked "")
echo "with the blank it $with, without it $without"
[ "$with" = passes ] && [ "$without" = fails ]
