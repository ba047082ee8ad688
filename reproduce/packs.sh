#!/usr/bin/env bash
# The vector packs: `packs.sh` makes those in the repository, `packs.sh NAME` any other of `limbic models`.
# On two cores about 8 minutes for smollm2-135m and gemma3-270m-base, 25 for qwen2.5-coder-0.5b, 70 for the 1.5b, which npm leaves out.
set -euo pipefail
cd "$(dirname "$0")/.."
npm run -s build
[ $# -gt 0 ] || set -- smollm2-135m gemma3-270m-base qwen2.5-coder-0.5b qwen2.5-coder-1.5b
for name in "$@"; do
  node dist/cli/main.js extract --model "$name" --out "data/packs/$name.safetensors"
done
