#!/usr/bin/env bash
# openenv 0.10.0: `openenv validate FOLDER` looks at the manifest and at nothing else of a folder that
# `openenv init` makes. Seen: 1 check passes and 21 are skipped, 16 of these as "grader not implemented
# in this build"; skipped checks make the verdict WARN, with exit code 0. `--level static` leaves them
# out and says PASS. Both verdicts stay what they are, and the exit code 0, when the folder's server
# and its Dockerfile are taken away. So neither tells whether an environment can be built or started:
# only a running server (`--url`) does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install openenv==0.10.0
cd "$folder"
env/bin/openenv init demo_env > /dev/null

verdicts() {
    env/bin/openenv validate demo_env --json > whole.json
    env/bin/openenv validate demo_env --level static | tail -n 1
    env/bin/openenv validate demo_env | tail -n 1
    env/bin/python - <<'PY'
import collections
import json

results = json.load(open("whole.json"))["results"]
missing = sum("not implemented in this build" in json.dumps(r) for r in results)
print(dict(collections.Counter(r["status"] for r in results)), "not implemented:", missing)
PY
}

with_server=$(verdicts)
rm -r demo_env/server/*
test -z "$(ls demo_env/server)"
without_server=$(verdicts)
echo "$with_server"
test "$with_server" = "$without_server"
test "$(echo "$with_server" | head -n 2)" = "Verdict: PASS
Verdict: WARN"
test "$(echo "$with_server" | tail -n 1)" = "{'pass': 1, 'skip': 21} not implemented: 16"
echo "Nothing of the server was looked at."
