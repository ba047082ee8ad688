#!/usr/bin/env bash
# Makes bench/peers/.venv with the pinned tools, each of which may fail alone: run.mjs says which are there.
# Usage: bench/peers/install.sh [TOOL...]
set -euo pipefail
cd "$(dirname "$0")"
[ -e .venv ] || python3 -m venv .venv
grep -v '^#' requirements.txt | while read -r tool; do
  [ $# -eq 0 ] || [[ " $* " == *" ${tool%%=*} "* ]] || continue
  echo "== $tool"
  .venv/bin/pip install -q "$tool" || echo "could not be installed: $tool"
done
