#!/usr/bin/env bash
# Makes the two environments of the pinned tools, .venv and .venv-4. A tool may fail alone: run.mjs says which are there.
# Usage: bench/peers/install.sh
set -uo pipefail
cd "$(dirname "$0")"

# install ENVIRONMENT REQUIREMENTS
install() {
  [ -e "$1" ] || python3 -m venv "$1"
  local tool
  while read -r tool; do
    echo "== $tool"
    "$1/bin/pip" install -q "$tool" || echo "could not be installed: $tool"
  done < <(grep -v '^#' "$2")
}

install .venv requirements.txt
# What the second one lacks, torch above all, is found in the first.
python3 -m venv .venv-4
site=$(.venv-4/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
(cd .venv && find "$PWD/lib" -maxdepth 2 -name site-packages) >"$site/first.pth"
install .venv-4 requirements-4.txt
