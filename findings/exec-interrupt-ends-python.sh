#!/usr/bin/env bash
# A KeyboardInterrupt that passes through exec() of text and is caught still ends Python by SIGINT.
#
# The program runs on to its normal end, and only then Python sends SIGINT to itself: the shell sees 130
# where the program left with 0. pytest says "1 passed" and its exit code is that of an interruption. Code
# that is executed from text is common: dataclasses, namedtuple and attrs make their methods by it, so a
# Ctrl-C that a program handles while it imports such classes may change its exit code as well.
# An interrupt that passes through a function alone does not.
#
# Seen on 2026-11-30 with Python 3.11.7, 3.12.1 and 3.13.0, and with pytest 9.0.2 under 3.11.7.
# Exits with 0 while it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pytest==9.0.2

cat >"$folder/test_interrupt.py" <<'PYTHON'
import pytest


def interrupted():
    raise KeyboardInterrupt


def test_in_a_function():
    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_in_text():
    with pytest.raises(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")
PYTHON

"$folder/venv/bin/python" --version
cd "$folder"
code_of() {
    local code=0
    venv/bin/python -m pytest -q "test_interrupt.py::$1" >said.txt 2>&1 || code=$?
    echo "$1: $(tail -1 said.txt | cut -d' ' -f1,2), exit code $code"
}
seen=$(code_of test_in_a_function; code_of test_in_text)
echo "$seen"
expected="test_in_a_function: 1 passed, exit code 0
test_in_text: 1 passed, exit code 130"
if [ "$seen" = "$expected" ]; then
    echo "as seen"
else
    echo "changed"
    exit 1
fi
