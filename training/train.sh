#!/usr/bin/env bash
# Trains both embedded models from nothing to assets/{avatar,ddpm}.gguf; run it again to resume after an interruption.
#
#   training/train.sh [BUILD]
#
# Environment: VAE_SECONDS, GROW_SECONDS, TEXT_SECONDS, UNET_SECONDS, DDPM_SECONDS (training time), PICTURES (how many are
# encoded), PYTHON, DEVICE (cpu or cuda).
set -euo pipefail
cd "$(dirname "$0")"

build=$(realpath -m "${1:-build}")
python=${PYTHON:-python3}
# Waiting threads sleep instead of spinning: on a machine with other work this is ten times faster, on an idle one the same.
export OMP_WAIT_POLICY=passive

# stage FILE COMMAND...: runs the command unless BUILD/FILE, which it writes last, is there
stage() {
  local file=$1
  shift
  [ -f "$build/$file" ] || "$@"
}

mkdir -p "$build"
[ -d node_modules ] || npm ci
stage data/holdout-128.rgb node render.mjs --build "$build"
stage merges.txt "$python" vocabulary.py --build "$build"
stage vae.pt "$python" -u train_vae.py --build "$build" --seconds "${VAE_SECONDS:-3600}"
stage latents.npy "$python" encode_latents.py --build "$build" --pictures "${PICTURES:-80000}"
stage vae-128.pt "$python" -u grow_vae.py --build "$build" --seconds "${GROW_SECONDS:-3600}" --threads 2
stage text.pt "$python" -u train_text.py --build "$build" --seconds "${TEXT_SECONDS:-300}"
stage unet.pt "$python" -u train_unet.py --build "$build" --seconds "${UNET_SECONDS:-7200}"
stage ddpm.pt "$python" -u train_ddpm.py --build "$build" --seconds "${DDPM_SECONDS:-7200}" --threads 2
"$python" export.py --build "$build"
"$python" export_ddpm.py --build "$build"
for model in avatar ddpm; do
  node ../bin/node-diffusion.cjs convert "$build/$model.safetensors" "../assets/$model.gguf" --type q8_0
done
