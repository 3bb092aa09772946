#include "native/engine/adapters.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "native/error.h"
#include "native/weights/lora_delta.h"
#include "native/weights/lora_names.h"
#include "native/weights/model_file.h"

namespace nd::engine {

namespace {

const char* prefix_of(Component component) {
    return component == Component::unet ? "unet." : "text_encoder";
}

// The same text for the same changes.
template <typename Changes>
std::string name_of(const Changes& changes) {
    std::string name;
    for (const auto& change : changes) {
        name += std::to_string(change.file->id()) + ':' + std::to_string(std::bit_cast<uint32_t>(change.weight)) + ' ';
    }
    return name;
}

[[noreturn]] void nothing_matches(const weights::LoraFile& lora) {
    const std::string made_for = lora.made_for();
    fail("INVALID_ARGUMENT", lora.path(), ": expected a LoRA for this model, but none of its ", lora.tensor_count(),
         " tensors changes a layer of it", made_for.empty() ? "" : ": the file is for " + made_for);
}

// All low-rank changes of one layer as one: down [rank][taps][in], up [out][rank] with alpha and weights in it.
struct JoinedFactors {
    int64_t rank = 0;
    std::vector<float> up, down;
};

template <typename Changes>
JoinedFactors joined(const Changes& changes, const weights::WeightStore::Extent& extent) {
    JoinedFactors all;
    std::vector<std::pair<weights::LoraDelta, float>> deltas;
    for (const auto& change : changes) {
        deltas.emplace_back(weights::LoraDelta(*change.file, *change.layer, extent, change.bias), change.weight);
        all.rank += deltas.back().first.low_rank()->rank;
    }
    all.up.resize(static_cast<size_t>(extent.out * all.rank));
    int64_t first = 0;
    for (const auto& [delta, weight] : deltas) {
        const weights::Factors& factors = *delta.low_rank();
        all.down.insert(all.down.end(), factors.b.begin(), factors.b.end());
        for (int64_t row = 0; row < extent.out; ++row) {
            for (int64_t r = 0; r < factors.rank; ++r) {
                all.up[static_cast<size_t>(row * all.rank + first + r)] =
                    factors.a[static_cast<size_t>(row * factors.rank + r)] * delta.scale() * weight;
            }
        }
        first += factors.rank;
    }
    return all;
}

}  // namespace

weights::WeightStore& Adapters::store_of(const std::string& tensor) const {
    return tensor.starts_with(prefix_of(Component::unet)) ? unet_ : text_;
}

std::shared_ptr<const AdapterSet> Adapters::bind(const std::vector<AdapterUse>& uses) {
    if (keys_.empty()) {
        auto names = unet_.names();
        if (&text_ != &unet_) {
            for (auto& name : text_.names()) names.push_back(std::move(name));
        }
        keys_ = weights::lora_keys(names);
    }
    auto set = std::make_shared<AdapterSet>();
    set->uses_ = uses;
    for (const AdapterUse& use : uses) {
        AdapterReport report;
        report.total = use.lora->tensor_count();
        report.unmatched = use.lora->unknown();
        for (const auto& [key, layer] : use.lora->layers()) {
            const auto known = keys_.find(key);
            const bool unet = known != keys_.end() && known->second.starts_with("unet.");
            bool matched = false;
            for (const bool bias : {false, true}) {
                if (known == keys_.end() || !weights::changes(layer, bias)) continue;
                const std::string tensor = known->second + (bias ? ".bias" : ".weight");
                if (store_of(tensor).tensor(tensor) == nullptr) continue;
                matched = true;
                const float weight = unet ? use.unet_weight : use.text_weight;
                auto& changes = unet ? set->unet_ : set->text_;
                if (weight != 0) changes[tensor].push_back({use.lora.get(), &layer, bias, weight});
            }
            if (matched) {
                report.matched += static_cast<int64_t>(layer.tensors.size());
                ++(unet ? report.unet_layers : report.text_layers);
                continue;
            }
            for (const auto& [role, tensor] : layer.tensors) report.unmatched.push_back(tensor.file_name);
        }
        if (report.matched == 0) nothing_matches(*use.lora);
        set->reports_.push_back(std::move(report));
    }
    check_shapes(set->unet_);
    check_shapes(set->text_);
    return set;
}

void Adapters::check_shapes(const Changes& changes) const {
    for (const auto& [tensor, list] : changes) {
        for (const auto& change : list)
            weights::LoraDelta(*change.file, *change.layer, store_of(tensor).extent(tensor), change.bias);
    }
}

bool Adapters::at_run_time(const std::string& tensor, const std::vector<AdapterSet::Change>& changes) const {
    const auto extent = store_of(tensor).extent(tensor);
    return extent.is_quantised && !extent.is_gated &&
           std::all_of(changes.begin(), changes.end(),
                       [](const auto& change) { return weights::is_low_rank(*change.layer, change.bias); });
}

std::string Adapters::use(const AdapterSet* set, Component component, const backend::CancelToken& token) {
    static const Changes none;
    const Changes& changes = set == nullptr ? none : set->changes(component);
    std::string run_time;
    std::map<std::string, std::string> wanted;
    for (const auto& [tensor, list] : changes) {
        if (at_run_time(tensor, list)) {
            run_time += tensor + ' ' + name_of(list);
        } else {
            wanted[tensor] = name_of(list);
        }
    }
    std::set<std::string> stale;
    for (const auto& [tensor, name] : wanted) {
        const auto now = merged_.find(tensor);
        if (now == merged_.end() || now->second != name) stale.insert(tensor);
    }
    for (const auto& [tensor, name] : merged_) {
        if (tensor.starts_with(prefix_of(component)) && !wanted.contains(tensor)) stale.insert(tensor);
    }
    if (stale.empty()) return run_time;

    const auto file = weights::ModelFile::open(path_);
    if (file.fingerprint() != fingerprint_) {
        fail("FILE_INVALID", path_, ": the file has changed since the model was loaded, and a LoRA is merged with it");
    }
    for (const std::string& tensor : stale) {
        const auto change = wanted.find(tensor);
        merged_[tensor] = "unknown";  // until it is done, which a cancellation may prevent
        refill(file, tensor, change == wanted.end() ? nullptr : &changes.at(tensor), token);
        if (change == wanted.end()) {
            merged_.erase(tensor);
        } else {
            merged_[tensor] = change->second;
        }
    }
    return run_time;
}

void Adapters::refill(const weights::ModelFile& file, const std::string& tensor,
                      const std::vector<AdapterSet::Change>* changes, const backend::CancelToken& token) {
    if (changes == nullptr) return store_of(tensor).refill(file, tensor, nullptr, token.flag());
    std::vector<std::pair<weights::LoraDelta, float>> deltas;
    for (const auto& change : *changes) {
        deltas.emplace_back(
            weights::LoraDelta(*change.file, *change.layer, store_of(tensor).extent(tensor), change.bias),
            change.weight);
    }
    const weights::WeightStore::Change add = [&](int64_t first, int64_t count, float* values) {
        for (const auto& [delta, weight] : deltas) delta.add(first, count, weight, values);
    };
    store_of(tensor).refill(file, tensor, &add, token.flag());
}

std::shared_ptr<const LowRankWeights> Adapters::low_ranks(const AdapterSet* set, Component component) const {
    if (set == nullptr) return nullptr;
    const Changes& changes = set->changes(component);
    std::vector<std::pair<const std::string*, JoinedFactors>> layers;
    for (const auto& [tensor, list] : changes) {
        if (at_run_time(tensor, list)) layers.emplace_back(&tensor, joined(list, store_of(tensor).extent(tensor)));
    }
    if (layers.empty()) return nullptr;

    auto result = std::make_shared<LowRankWeights>();
    ggml_context* context = result->context.emplace(2 * layers.size()).get();
    for (const auto& [tensor, factors] : layers) {
        const auto extent = store_of(*tensor).extent(*tensor);
        ggml_tensor* down = ggml_new_tensor_2d(context, GGML_TYPE_F32, extent.taps * extent.in, factors.rank);
        ggml_tensor* up = ggml_new_tensor_2d(context, GGML_TYPE_F32, factors.rank, extent.out);
        result->layers.emplace(store_of(*tensor).tensor(*tensor), ops::LowRank{down, up, factors.rank});
    }
    backend::check_headroom();
    const std::string& first = *layers.front().first;
    // Where the weights are that they run beside.
    ggml_backend_buffer_type_t memory = ggml_backend_buffer_get_type(store_of(first).tensor(first)->buffer);
    result->buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(context, memory));
    if (!result->buffer) {
        fail("OUT_OF_MEMORY", "no ", ggml_backend_buft_name(memory), " memory for the factors of ", layers.size(),
             " layers");
    }
    for (const auto& [tensor, factors] : layers) {
        const ops::LowRank& layer = result->layers.at(store_of(*tensor).tensor(*tensor));
        ggml_backend_tensor_set(layer.down, factors.down.data(), 0, factors.down.size() * sizeof(float));
        ggml_backend_tensor_set(layer.up, factors.up.data(), 0, factors.up.size() * sizeof(float));
    }
    return result;
}

}  // namespace nd::engine
