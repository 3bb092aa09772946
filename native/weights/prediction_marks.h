// What a single file without a configuration still tells of its network's prediction: marks that people leave in it.
#pragma once

#include "json.hpp"
#include "native/weights/tensor_source.h"

namespace nd::weights {

// As keys of a diffusers scheduler's configuration; an empty object where the file says nothing. ComfyUI marks velocity
// with an empty tensor `v_pred`, beside it `ztsnr` for zero terminal SNR, and with the metadata
// `modelspec.predict_key`; Stability AI's ModelSpec has `modelspec.prediction_type`. `contents` are under the file's
// own names.
nlohmann::json prediction_marks(const FileContents& contents);

}  // namespace nd::weights
