// A loaded model: encodes text, predicts noise, decodes and encodes pictures. Every method runs on the caller's thread,
// one at a time; the addon gives each model a thread of its own.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "native/engine/model_info.h"
#include "native/engine/program_cache.h"
#include "native/engine/tiling.h"
#include "native/models/autoencoder_kl.h"
#include "native/models/clip_text.h"
#include "native/models/unet.h"
#include "native/weights/weight_store.h"

namespace nd::engine {

using backend::CancelToken;

struct LoadOptions {
    std::string precision = "auto";
    int threads = 1;
    size_t memory_budget = size_t{1} << 30;  // bytes of compute buffers; above it pictures are decoded in tiles
};

// What a single prediction may say beside its timestep.
struct PredictOptions {
    models::Perturbation perturbed;
};

struct Shape {  // of latents or pixels
    int64_t n = 0, channels = 0, height = 0, width = 0;
    int64_t size() const { return n * channels * height * width; }
};

// The text conditioning of a request: keys and values of every cross-attention, computed once.
struct Context {
    uint64_t id = 0;
    int64_t rows = 0, tokens = 0;
    std::vector<std::vector<float>> keys;  // keys and values in turn, each [rows, 1, tokens, channels]
};

// What an unconditional UNet is called with.
inline const Context kNoContext{0, 1, 0, {}};

using Operations = std::array<double, 3>;

struct Stats {
    double encode_text_seconds = 0, context_seconds = 0, predict_noise_seconds = 0, decode_seconds = 0,
           encode_seconds = 0;
    // Of the last call, two a multiply-add, by the numbers that were multiplied: f32, bf16, int8.
    Operations predict_noise_operations{}, decode_operations{};
    size_t compute_bytes = 0;
};

class Engine {
  public:
    // Throws what ModelFile::open and WeightStore throw.
    Engine(const std::string& path, const LoadOptions& options, const CancelToken& token,
           const std::function<void(double)>& on_progress);

    const ModelInfo& info() const { return info_; }
    Stats stats() const;

    // Each throws MISSING_COMPONENT where the file lacks the network, INVALID_ARGUMENT for sizes that do not fit it,
    // ABORTED.

    // ids [rows, context_length] -> [rows, context_length, width].
    std::vector<float> encode_text(std::span<const int32_t> ids, int64_t rows, int64_t skip_layers,
                                   const CancelToken& token);
    // embeddings [rows, tokens, context_width].
    std::shared_ptr<Context> create_context(std::span<const float> embeddings, int64_t rows, const CancelToken& token);
    // latents [n, c, h, w], or [context.rows, n, c, h, w] where each row has its own (shape is [n, c, h, w] either way)
    // -> [context.rows, n, output channels, h, w]. An unconditional UNet takes pixels and kNoContext.
    std::vector<float> predict_noise(std::span<const float> latents, const Shape& shape, double timestep,
                                     const Context& context, const PredictOptions& options, const CancelToken& token);
    // latents [n, c, h, w], in the UNet's scale -> pixels in about -1..1 [n, 3, h * f, w * f].
    std::vector<float> decode(std::span<const float> latents, const Shape& shape, const CancelToken& token);
    // pixels in -1..1 [n, 3, H, W] -> means of the latents, in the UNet's scale [n, c, H / f, W / f].
    std::vector<float> encode(std::span<const float> pixels, const Shape& shape, const CancelToken& token);

  private:
    using Network = std::function<ops::Map(ops::Ops&, const ops::Map&)>;

    Program& picture_program(const std::string& name, const Shape& shape, const Network& network);
    Planes run_picture(const std::string& name, const Planes& picture, const Network& network,
                       const CancelToken& token);
    // Runs a network over a picture whole, or in tiles where the budget asks for them.
    Planes run_within_budget(const std::string& name, const Planes& picture, TileGeometry geometry,
                             const Network& network, const CancelToken& token);
    std::unique_ptr<Program> build_unet(const Shape& shape, const Context& context, const PredictOptions& options);

    backend::ThreadPool threads_;
    ModelInfo info_;
    std::unique_ptr<weights::WeightStore> store_;
    std::optional<models::ClipText> text_;
    std::optional<models::UNet> unet_;
    std::optional<models::VaeDecoder> decoder_;
    std::optional<models::VaeEncoder> encoder_;
    size_t budget_;
    ProgramCache programs_;
    Stats stats_;
    Operations picture_operations_{};
    ops::Formats unet_formats_, vae_formats_;
    uint64_t next_context_id_ = 1;
};

}  // namespace nd::engine
