#!/usr/bin/env bash
# Trains the embedded avatar model from nothing to assets/avatar.safetensors; run it again to resume after an interruption.
#
#   training/train.sh [BUILD]
#
# Environment: VAE_SECONDS, TEXT_SECONDS and UNET_SECONDS (training time), PICTURES (how many are encoded), PYTHON.
set -euo pipefail
cd "$(dirname "$0")"

build=$(realpath -m "${1:-build}")
python=${PYTHON:-python3}
# Waiting threads sleep instead of spinning: on a machine with other work this is ten times faster, on an idle one the same.
export OMP_WAIT_POLICY=passive

mkdir -p "$build"
[ -d node_modules ] || npm ci
[ -f "$build/data/withheld.jsonl" ] || node render.mjs --build "$build"
[ -f "$build/merges.txt" ] || "$python" vocabulary.py --build "$build"
[ -f "$build/vae.pt" ] || "$python" -u train_vae.py --build "$build" --seconds "${VAE_SECONDS:-3600}"
[ -f "$build/latents.npy" ] || "$python" encode_latents.py --build "$build" --pictures "${PICTURES:-80000}"
[ -f "$build/text.pt" ] || "$python" -u train_text.py --build "$build" --seconds "${TEXT_SECONDS:-300}"
[ -f "$build/unet.pt" ] || "$python" -u train_unet.py --build "$build" --seconds "${UNET_SECONDS:-7200}"
"$python" export.py --build "$build" --out ../assets
"$python" score.py --build "$build"
