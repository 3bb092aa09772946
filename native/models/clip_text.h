// CLIP's text transformer (arXiv 2103.00020), in the widths of ViT-L/14 (Stable Diffusion 1), OpenCLIP ViT-H/14
// (Stable Diffusion 2) and ViT-bigG/14 (the second one of XL), or any other.
#pragma once

#include <string>
#include <vector>

#include "native/models/config.h"
#include "native/ops/ops.h"
#include "native/weights/weight_store.h"

namespace nd::models {

class ClipText {
  public:
    // `component` is "text_encoder" or "text_encoder_2".
    ClipText(const std::string& component, const ClipTextConfig& config, weights::WeightStore& store);

    const ClipTextConfig& config() const { return config_; }

    struct Encoded {
        ops::Map embeddings;  // of the last layer but `skip_layers`, after the final norm where the family wants it
        // Of the last layer, after the final norm; without a tensor where the encoder has no projection.
        ops::Map last;
    };

    // ids int32 [batch * context_length] -> maps [batch, 1, context_length, width]. Ids from the vocabulary's size on
    // are rows of `extra` f32 [n, width], where it is given.
    Encoded forward(ops::Ops& ops, ggml_tensor* ids, int64_t batch, int64_t skip_layers,
                    ggml_tensor* extra = nullptr) const;

    // What stands at the end of each text in `last` [batch, 1, 1, width] -> pooled text [batch, 1, 1,
    // projection_width].
    ops::Map project(ops::Ops& ops, const ops::Map& ends) const { return ops.linear(ends, projection_); }

  private:
    struct Layer {
        ops::Norm norm1, norm2;
        ops::Linear q, k, v, out, fc1, fc2;
    };

    ClipTextConfig config_;
    ggml_tensor *tokens_, *positions_;
    std::vector<Layer> layers_;
    ops::Norm final_norm_;
    ops::Linear projection_;
};

}  // namespace nd::models
