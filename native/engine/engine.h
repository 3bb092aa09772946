// A loaded model: encodes text, predicts noise, decodes and encodes pictures. Every method runs on the caller's thread,
// one at a time; the addon gives each model a thread of its own.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "native/engine/adapters.h"
#include "native/engine/model_info.h"
#include "native/engine/place.h"
#include "native/engine/tiling.h"
#include "native/models/autoencoder_kl.h"
#include "native/models/clip_text.h"
#include "native/models/taesd.h"
#include "native/models/unet.h"
#include "native/weights/weight_store.h"

namespace nd::engine {

using backend::CancelToken;

struct LoadOptions {
    std::string precision = "auto";
    int threads = 1;
    // Bytes of compute buffers: above it pictures are decoded and encoded in tiles, and what needs more still throws
    // OUT_OF_MEMORY. None: tiles from 1 GiB on, and no limit.
    std::optional<size_t> memory_budget;
    bool measures_only = false;  // loads no weights: nothing can be computed then, and measure() alone may be called
    bool vae_only = false;       // leaves out what else the file holds
    float scaling_factor = 0;    // of a VAE whose file does not say it; 0: Stable Diffusion's
    // Null: the CPU, where networks live too that the device cannot hold, which info().device_reason tells.
    std::shared_ptr<backend::Device> device = nullptr;
};

// What a request would need, in pixels, or for an unconditional UNet its own pixels.
struct MemoryRequest {
    int64_t width = 512, height = 512, batch = 1;
    int64_t rows = 2;               // conditionings a pass: a prompt and a negative prompt
    int64_t windows = 1;            // of the text encoder's context length, a prompt
    bool encodes_pictures = false;  // as img2img does
};

// Bytes. Stages share one compute buffer, which is as large as the largest of them.
struct MemoryUse {
    size_t weights = 0;
    size_t encode_text = 0, create_context = 0, predict_noise = 0, decode = 0, encode = 0;
    size_t inputs = 0;  // of the graphs, and the context's keys and values
    size_t compute() const { return std::max({encode_text, create_context, predict_noise, decode, encode}); }
};

// What the text encoder makes of texts.
struct EncodedText {
    std::vector<float> embeddings;  // [rows, context_length, width]
    std::vector<float> pooled;      // [rows, projection_width]; empty where the encoder has no projection
};

// What Stable Diffusion XL's UNet is told of each row beside its text's embeddings.
struct Addition {
    std::vector<float> pooled;        // [rows, pooled_width]
    std::vector<float> size_numbers;  // [rows, 6 or 5]: see models::AdditionConfig
};

// The picture that a ControlNet follows, embedded once for all steps.
struct Hint {
    int64_t height = 0, width = 0;  // of latents
    std::vector<float> values;      // [1, height, width, channels]
};

// What ControlNets add to a UNet's maps: those of its way down, from the finest on, then its middle's.
struct ResidualMap {
    ops::Map map;  // its extents; no tensor
    std::vector<float> values;
};
struct Residuals {
    std::vector<ResidualMap> maps;
};

// What a single prediction may say beside its timestep.
struct PredictOptions {
    models::Perturbation perturbed;
    std::vector<std::shared_ptr<const Residuals>> residuals;  // those of several ControlNets are summed
    std::optional<double> guidance;  // the scale, for a UNet that was distilled with it (arXiv 2310.04378)
};

// Pixels or latents, and whether their network gave other values than numbers until it was computed in f32.
struct Picture {
    std::vector<float> values;
    bool was_retried = false;
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
    std::vector<float> addition;           // to the timestep's embedding, [rows, time_width]; empty where there is none
    std::shared_ptr<const AdapterSet> adapters = nullptr;  // what the UNet is changed by
};

// What an unconditional UNet is called with.
inline const Context kNoContext{0, 1, 0, {}, {}, nullptr};

// The networks that have a place each: a ControlNet is in that of its UNet.
enum class Part { unet, vae, upscaler, text };

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
    // Says why it is not on the device that was chosen.
    void explain_device(std::string reason) { info_.device_reason = std::move(reason); }
    // Plans the graphs of a request, whose sizes it checks, without their memory. Components that the file lacks need
    // nothing. Throws INVALID_ARGUMENT.
    MemoryUse measure(const MemoryRequest& request);
    Stats stats() const;

    // Each throws MISSING_COMPONENT where the file lacks the network, INVALID_ARGUMENT for sizes that do not fit it,
    // ABORTED.

    // LoRAs as encode_text() and create_context() take them: of this model, with their weights.
    std::shared_ptr<const AdapterSet> create_adapters(const std::vector<AdapterUse>& uses);
    // ids [rows, context_length], by the text encoder of that number: 1, or 2 in Stable Diffusion XL. Ids from the
    // vocabulary's size on are rows of `vectors` [n, width], the embeddings of words that the vocabulary lacks.
    EncodedText encode_text(std::span<const int32_t> ids, int64_t rows, int64_t skip_layers, int64_t encoder,
                            const CancelToken& token, const AdapterSet* adapters = nullptr,
                            std::span<const float> vectors = {});
    // embeddings [rows, tokens, context_width]; `addition` is null where the UNet takes none. With the context the UNet
    // is changed by `adapters`.
    std::shared_ptr<Context> create_context(std::span<const float> embeddings, int64_t rows, const Addition* addition,
                                            const CancelToken& token,
                                            std::shared_ptr<const AdapterSet> adapters = nullptr);
    // latents [n, c, h, w], or [context.rows, n, c, h, w] where each row has its own (shape is [n, c, h, w] either way)
    // -> [context.rows, n, output channels, h, w]. An unconditional UNet takes pixels and kNoContext.
    std::vector<float> predict_noise(std::span<const float> latents, const Shape& shape, double timestep,
                                     const Context& context, const PredictOptions& options, const CancelToken& token);
    // A picture that comes out with other values than numbers is computed again in f32, from weights in f32;
    // COMPUTE_FAILED where that does not help.
    // latents [n, c, h, w], in the UNet's scale -> pixels in about -1..1 [n, 3, h * f, w * f].
    Picture decode(std::span<const float> latents, const Shape& shape, const CancelToken& token);
    // pixels in -1..1 [n, 3, H, W] -> means of the latents, in the UNet's scale [n, c, H / f, W / f].
    Picture encode(std::span<const float> pixels, const Shape& shape, const CancelToken& token);

    // pixels in 0..1 [1, 3, H, W].
    std::shared_ptr<Hint> embed_hint(std::span<const float> pixels, const Shape& shape, const CancelToken& token);
    // latents and context (of this ControlNet) as predict_noise takes them; strengths [context.rows, maps].
    std::shared_ptr<Residuals> control_residuals(std::span<const float> latents, const Shape& shape, double timestep,
                                                 const Context& context, const Hint& hint,
                                                 std::span<const float> strengths, const CancelToken& token);
    // pixels in -1..1 [n, 3, H, W] -> the same, `scale` times as large. `on_progress`, which may be empty, hears
    // shares.
    std::vector<float> upscale(std::span<const float> pixels, const Shape& shape, const CancelToken& token,
                               const std::function<void(double)>& on_progress);

  private:
    struct Vae {
        std::unique_ptr<weights::WeightStore> own_store;  // null for the model's own
        std::optional<models::VaeDecoder> decoder;
        std::optional<models::VaeEncoder> encoder;
        std::optional<models::Taesd> tiny_decoder, tiny_encoder;  // in place of the two
        ops::Formats formats;
    };
    struct PictureNetwork {
        Part part;
        std::string name;
        std::function<ops::Map(ops::Ops&, const ops::Map&)> forward;
        ops::Formats formats;
    };
    // A network of that VAE, the model's own or the exact one.
    using ChooseNetwork = std::function<PictureNetwork(const Vae&)>;

    static PictureNetwork decoder_network(const Vae& vae);
    static PictureNetwork encoder_network(const Vae& vae);
    TileGeometry decoder_tiles() const;
    TileGeometry encoder_tiles() const;
    // Finds the size of tiles whose maps stay within the budget -> the bytes of those maps.
    size_t fit_tiles(const Shape& picture, TileGeometry& geometry, const PictureNetwork& network);
    Program& picture_program(const Shape& shape, const PictureNetwork& network);
    Planes run_picture(const Planes& picture, const PictureNetwork& network, const CancelToken& token);
    // Runs a network over a picture whole, or in tiles where the budget asks for them.
    Planes run_within_budget(const Planes& picture, TileGeometry geometry, const PictureNetwork& network,
                             const CancelToken& token, const std::function<void(double)>& on_progress = nullptr);
    Planes run_finite(const Planes& picture, const TileGeometry& geometry, const ChooseNetwork& choose,
                      bool& was_retried, const CancelToken& token);
    const Vae& exact_vae(const CancelToken& token);
    std::vector<float> embed_addition(const Addition& addition, int64_t rows, const AdapterSet* adapters,
                                      const CancelToken& token);
    std::vector<float> pool(const models::ClipText& encoder, int64_t number, std::span<const int32_t> ids, int64_t rows,
                            std::span<const float> last, const AdapterSet* adapters, const CancelToken& token);
    // With room for so many `vectors` of their own.
    std::unique_ptr<Program> build_text(const models::ClipText& text, int64_t rows, int64_t skip, int64_t vectors = 0,
                                        const AdapterSet* adapters = nullptr);
    std::unique_ptr<Program> build_context(int64_t rows, int64_t tokens, const AdapterSet* adapters = nullptr);
    // The UNet's program with all its inputs written but those that are added.
    Program& prepare_unet(std::span<const float> latents, const Shape& shape, double timestep, const Context& context,
                          const PredictOptions& options, const CancelToken& token);
    void check_residuals(const PredictOptions& options) const;
    static void write_residuals(Program& program, const PredictOptions& options);
    std::unique_ptr<Program> build_unet(const Shape& shape, const Context& context, const PredictOptions& options);
    // Changes a component's weights -> the ending of its programs' keys.
    std::string adapt(const AdapterSet* adapters, Component component, const CancelToken& token);
    // Chooses where each network lives, and declares its weights there.
    void choose_places(const weights::ModelFile& file, const LoadOptions& options, const CancelToken& token,
                       const std::function<void(double)>& on_progress);
    // Makes the networks of a part, whose weights it declares in `store`.
    void declare(Part part, const weights::ModelFile& file, weights::WeightStore& store);
    // `begun` and `share`: of all weights, those that are loaded already and those of the place that is being loaded.
    void load_weights(double& begun, double& share);
    size_t weight_bytes() const;
    Place& place(Part part) const;
    // Of what the model is there for.
    Place& main_place() const;
    // An empty program.
    std::unique_ptr<Program> create_program(Part part, ops::Formats formats) const;
    // The same of a component that is changed so.
    std::unique_ptr<Program> create_program(ops::Formats formats, const AdapterSet* adapters, Component component);

    ModelInfo info_;
    std::list<Place> places_;           // one, or the device and the CPU
    std::array<Place*, 4> place_of_{};  // each part
    std::unique_ptr<Adapters> adapters_;
    std::map<Component, std::string> adapted_;  // the endings of keys that are in use
    std::optional<models::ClipText> text_, text2_;
    std::optional<models::UNet> unet_;
    std::optional<models::ControlNet> control_;
    std::optional<models::Rrdb> upscaler_;
    Vae vae_;
    std::optional<Vae> exact_vae_;  // in f32, once it was needed
    std::string path_;
    size_t tile_budget_;  // bytes of compute buffers from which on pictures are cut into tiles
    Stats stats_;
    Operations picture_operations_{};
    ops::Formats unet_formats_, upscaler_formats_;
    uint64_t next_context_id_ = 1;
};

// An engine on options.device, or on the CPU where the device refuses memory that it said to have, which
// info().device_reason tells.
std::shared_ptr<Engine> open_engine(const std::string& path, LoadOptions options, const CancelToken& token,
                                    const std::function<void(double)>& on_progress);

}  // namespace nd::engine
