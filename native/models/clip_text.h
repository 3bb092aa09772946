// CLIP's text transformer (arXiv 2103.00020), in the widths of ViT-L/14 (Stable Diffusion 1), OpenCLIP ViT-H/14
// (Stable Diffusion 2), or any other.
#pragma once

#include <vector>

#include "native/models/config.h"
#include "native/ops/ops.h"
#include "native/weights/weight_store.h"

namespace nd::models {

class ClipText {
  public:
    ClipText(const ClipTextConfig& config, weights::WeightStore& store);

    // ids int32 [batch * context_length] -> [batch, 1, context_length, width]: the last layer but `skip_layers`, after
    // the final norm.
    ops::Map forward(ops::Ops& ops, ggml_tensor* ids, int64_t batch, int64_t skip_layers) const;

  private:
    struct Layer {
        ops::Norm norm1, norm2;
        ops::Linear q, k, v, out, fc1, fc2;
    };

    ClipTextConfig config_;
    ggml_tensor *tokens_, *positions_;
    std::vector<Layer> layers_;
    ops::Norm final_norm_;
};

}  // namespace nd::models
