#!/usr/bin/env bash
# Runs the studies whose results are committed under results/: summary and report of each, by model.
# Usage: [MISSING=1] reproduce/results.sh [MODEL [STUDY]]; MISSING leaves out what is there; about six hours on two quiet cores for all.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e dist/cli/main.js ] || npm run build

# run MODEL STUDY [SETTINGS [JUDGE]]: the seed is the study's default, 1, unless the settings say otherwise.
run() {
  local model=$1 study=$2 settings=${3:-} judge=${4:-}
  [ -z "${only_model:-}" ] || [ "$only_model" = "$model" ] || return 0
  [ -z "${only_study:-}" ] || [ "$only_study" = "$study" ] || return 0
  [ -z "${MISSING:-}" ] || [ ! -e "results/$model/$study.json" ] || return 0
  mkdir -p "results/$model"
  echo "limbic run $study --model $model --set '$settings'${judge:+ --judge $judge}" >&2
  node dist/cli/main.js run "$study" --model "$model" --set "$settings" ${judge:+--judge "$judge"} --yes --json >"results/$model/$study.json.part"
  node reproduce/keep-result.mjs "results/$model/$study" "$settings" "$judge"
}

only_model=${1:-}
only_study=${2:-}

# Smaller settings where a full run would take hours: they read about 300, 200 and 70 tokens a second on two cores.
for model in smollm2-135m qwen2.5-coder-0.5b qwen2.5-coder-1.5b; do
  run "$model" scenarios
  run "$model" intensity
done
run smollm2-135m speakers 'replies=48'
run smollm2-135m binding
run qwen2.5-coder-0.5b speakers 'replies=24'
run qwen2.5-coder-0.5b binding
run smollm2-135m preferences 'random=3;mixtures=2'
run qwen2.5-coder-0.5b cheating 'tasks=8;samples=0'
run smollm2-135m cheating 'tasks=8;doses=0.01,0.02,0.03;controlDoses=0.02;freeDoses='
run qwen2.5-coder-1.5b speakers 'replies=12'
run qwen2.5-coder-1.5b cheating 'tasks=5;doses=0.04;controlDoses=0.04;random=3;mixtures=1;samples=0'
run qwen2.5-coder-0.5b preferences 'pairs=8;emotions=blissful,hostile;random=2;mixtures=1'
run qwen2.5-coder-1.5b preferences 'pairs=4;emotions=blissful;random=1;mixtures=1'

# Those that talk. The judge is the only local model that is fit for it; it takes about 3 seconds a reply.
judge=local:qwen2.5-coder-1.5b
run qwen2.5-coder-0.5b judge
run qwen2.5-coder-1.5b judge
run smollm2-135m frustration 'each=3;tokens=100;temperature=0.7;doses=0.02,0.04,0.06;random=1;mixtures=1' "$judge"
run qwen2.5-coder-0.5b frustration 'each=2;arms=rejection,neutral;tokens=100;temperature=0.7;treated=' "$judge"
run smollm2-135m encouragement 'perCell=2;functions=6;attempts=4;tokens=120;random=1;mixtures=1'
run qwen2.5-coder-0.5b encouragement 'perCell=2;functions=3;attempts=2;tokens=100;treatments='
