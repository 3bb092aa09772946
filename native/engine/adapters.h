// LoRAs on a loaded model: which of its weights they change, and the weights as a set of them wants them.
//
// A set's changes are merged: the weights are computed again from the model's file, in f32, and packed as at loading,
// so that they do not depend on what was merged before. Weights that are quantised in blocks, where a merged change
// would be rounded away, keep their values, and a change of low rank becomes further linear layers at run time; a layer
// that is gated in the same product (GEGLU's on the CPU) is merged all the same.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "native/backend/cancel_token.h"
#include "native/backend/device_failures.h"
#include "native/backend/tensor_context.h"
#include "native/ops/ops.h"
#include "native/weights/lora_file.h"
#include "native/weights/weight_store.h"

namespace nd::engine {

struct AdapterUse {
    std::shared_ptr<const weights::LoraFile> lora;
    float unet_weight = 1, text_weight = 1;
};

// How much of a LoRA's file a model knows what to do with.
struct AdapterReport {
    int64_t matched = 0, total = 0;      // tensors
    std::vector<std::string> unmatched;  // names, as the file has them
    int64_t unet_layers = 0, text_layers = 0;
};

enum class Component { unet, text };

// Factors of low rank, for layers whose weights stay as they are.
struct LowRankWeights {
    std::optional<backend::TensorContext> context;
    backend::Buffer buffer;
    ops::LowRanks layers;
};

// Some LoRAs with weights, bound to the model whose Adapters made it.
class AdapterSet {
  public:
    const std::vector<AdapterReport>& reports() const { return reports_; }

  private:
    friend class Adapters;

    struct Change {
        const weights::LoraFile* file;
        const weights::LoraLayer* layer;
        bool bias;
        float weight;
    };
    using Changes = std::map<std::string, std::vector<Change>>;  // by canonical tensor name

    const Changes& changes(Component component) const { return component == Component::unet ? unet_ : text_; }

    std::vector<AdapterUse> uses_;
    std::vector<AdapterReport> reports_;
    Changes unet_, text_;
};

class Adapters {
  public:
    // Of the weights in two stores, which may be one, and which were loaded from `path`; `fingerprint` is that of the
    // file.
    Adapters(weights::WeightStore& unet, weights::WeightStore& text, std::string path, std::string fingerprint)
        : unet_(unet), text_(text), path_(std::move(path)), fingerprint_(std::move(fingerprint)) {}

    // Throws INVALID_ARGUMENT where a LoRA changes no layer of this model, saying what it is for; TENSOR_SHAPE where a
    // change has another shape than the layer.
    std::shared_ptr<const AdapterSet> bind(const std::vector<AdapterUse>& uses);

    // Makes the weights of a component those that the set wants; null: those of the model's file. What is the same
    // already is not touched. Returns the name of what is left to be done at run time, empty where nothing is.
    // Throws FILE_NOT_FOUND, FILE_INVALID where the model's file is gone or another; ABORTED.
    std::string use(const AdapterSet* set, Component component, const backend::CancelToken& token);

    // What is to be done at run time, for a graph under the name that use() gave; null where nothing is.
    std::shared_ptr<const LowRankWeights> low_ranks(const AdapterSet* set, Component component) const;

  private:
    using Changes = AdapterSet::Changes;

    void check_shapes(const Changes& changes) const;
    bool at_run_time(const std::string& tensor, const std::vector<AdapterSet::Change>& changes) const;
    void refill(const weights::ModelFile& file, const std::string& tensor,
                const std::vector<AdapterSet::Change>* changes, const backend::CancelToken& token);

    weights::WeightStore& store_of(const std::string& tensor) const;

    weights::WeightStore &unet_, &text_;
    std::string path_, fingerprint_;
    std::map<std::string, std::string> keys_;    // of lora_keys(), made when they are first needed
    std::map<std::string, std::string> merged_;  // by tensor: what is merged into it now
};

}  // namespace nd::engine
