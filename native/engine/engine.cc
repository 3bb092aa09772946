#include "native/engine/engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::engine {

namespace {

// Adds the seconds of its lifetime to a sum.
class Stopwatch {
  public:
    explicit Stopwatch(double& sum) : sum_(sum), start_(std::chrono::steady_clock::now()) {}
    ~Stopwatch() { sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  private:
    double& sum_;
    std::chrono::steady_clock::time_point start_;
};

void check_size(const char* what, size_t got, int64_t wanted) {
    if (wanted < 0 || got != static_cast<size_t>(wanted)) {
        fail("INVALID_ARGUMENT", what, ": expected ", wanted, " values, but got ", got);
    }
}

void check_shape(const char* what, const Shape& shape, int64_t channels, int64_t multiple) {
    constexpr int64_t kMaxSide = 16384;
    const bool fits = shape.n > 0 && shape.n <= 1024 && shape.channels == channels && shape.height > 0 &&
                      shape.width > 0 && shape.height <= kMaxSide && shape.width <= kMaxSide &&
                      shape.height % multiple == 0 && shape.width % multiple == 0;
    if (!fits) {
        fail("INVALID_ARGUMENT", what, ": expected [n, ", channels, ", height, width] with sides up to ", kMaxSide,
             " that are multiples of ", multiple, ", but got [", shape.n, ", ", shape.channels, ", ", shape.height,
             ", ", shape.width, "]");
    }
}

[[noreturn]] void missing(const char* component) {
    fail("MISSING_COMPONENT", "the model has no ", component, ", which this call needs");
}

std::string shape_key(const char* name, std::initializer_list<int64_t> extents) {
    std::string key = name;
    for (const int64_t extent : extents) key.append(" ").append(std::to_string(extent));
    return key;
}

void check_perturbation(const models::Perturbation& perturbed, const models::UNetConfig& config) {
    const auto known = config.attention_blocks();
    for (const auto& block : perturbed.blocks) {
        if (std::find(known.begin(), known.end(), block) != known.end()) continue;
        std::string list;
        for (const auto& name : known) list += (list.empty() ? "" : ", ") + name;
        fail("INVALID_ARGUMENT", "perturbed: expected blocks with attention, of ", list, ", but got ",
             weights::printable(block));
    }
}

// Graphs differ by what they leave out.
std::string perturbation_key(const models::Perturbation& perturbed) {
    if (perturbed.kind == models::Perturbation::Kind::none) return "";
    std::string key = perturbed.kind == models::Perturbation::Kind::skip ? " skip" : " identity";
    for (const auto& block : perturbed.blocks) key.append(" ").append(block);
    return key;
}

}  // namespace

Engine::Engine(const std::string& path, const LoadOptions& options, const CancelToken& token,
               const std::function<void(double)>& on_progress)
    : threads_(options.threads), budget_(options.memory_budget) {
    const auto file = weights::ModelFile::open(path);
    info_ = describe(file);
    store_ = std::make_unique<weights::WeightStore>(
        file, weights::LoadOptions{options.precision, true, options.threads, token.flag(), on_progress});
    if (info_.text) text_.emplace(*info_.text, *store_);
    if (info_.unet) unet_.emplace(*info_.unet, *store_);
    if (info_.vae) decoder_.emplace(*info_.vae, *store_);
    if (info_.vae && !info_.vae->encoder_channels.empty()) encoder_.emplace(*info_.vae, *store_);
    store_->load(ggml_backend_cpu_buffer_type());
    // The decoder's maps are too large for an exact stream.
    if (store_->packs("unet.")) unet_formats_ = ops::Formats::packed(true);
    if (store_->packs("vae.")) vae_formats_ = ops::Formats::packed(false);
    info_.precision = store_->type_name();
    info_.parameters = store_->parameters();
    info_.weight_bytes = store_->bytes();
}

Stats Engine::stats() const {
    Stats stats = stats_;
    stats.compute_bytes = programs_.bytes();
    return stats;
}

std::vector<float> Engine::encode_text(std::span<const int32_t> ids, int64_t rows, int64_t skip_layers,
                                       const CancelToken& token) {
    if (!text_) missing("text encoder");
    const Stopwatch stopwatch(stats_.encode_text_seconds);
    const auto& config = *info_.text;
    if (rows <= 0 || rows > 4096) fail("INVALID_ARGUMENT", "rows: expected 1 to 4096, but got ", rows);
    check_size("ids", ids.size(), rows * config.context_length);
    for (const int32_t id : ids) {
        if (id < 0 || id >= config.vocabulary) {
            fail("INVALID_ARGUMENT", "ids: expected tokens of 0 to ", config.vocabulary - 1, ", but got ", id);
        }
    }
    const int64_t skip = config.skipped_layers + skip_layers;
    if (skip_layers < 0 || skip >= config.layers) {
        fail("INVALID_ARGUMENT", "skipLayers: expected 0 to ", config.layers - config.skipped_layers - 1, ", but got ",
             skip_layers);
    }

    auto& program = programs_.get(shape_key("text", {rows, skip}), [&] {
        auto built = std::make_unique<Program>(threads_, ops::Formats{});
        built->ids = built->graph.input(GGML_TYPE_I32, {rows * config.context_length, 1, 1, 1});
        built->outputs = {text_->forward(built->ops, built->ids, rows, skip)};
        built->ops.output(built->outputs[0]);
        return built;
    });
    ggml_backend_tensor_set(program.ids, ids.data(), 0, ids.size_bytes());
    program.graph.compute(&token);
    std::vector<float> embeddings(static_cast<size_t>(program.outputs[0].size()));
    ggml_backend_tensor_get(program.outputs[0].tensor, embeddings.data(), 0, embeddings.size() * sizeof(float));
    return embeddings;
}

std::shared_ptr<Context> Engine::create_context(std::span<const float> embeddings, int64_t rows,
                                                const CancelToken& token) {
    if (!unet_) missing("UNet");
    if (unet_->config().unconditional()) {
        fail("MISSING_COMPONENT",
             "the model's UNet is unconditional and takes no text: predict noise without a context");
    }
    const Stopwatch stopwatch(stats_.context_seconds);
    const int64_t width = unet_->config().context_width, count = static_cast<int64_t>(embeddings.size());
    if (rows <= 0 || count == 0 || count % (rows * width) != 0) {
        fail("INVALID_ARGUMENT", "embeddings: expected [", rows, ", tokens, ", width, "], but got ", count, " values");
    }
    const int64_t tokens = count / (rows * width);
    auto& program = programs_.get(shape_key("context", {rows, tokens}), [&] {
        auto built = std::make_unique<Program>(threads_, unet_formats_);
        built->inputs = {built->ops.input(rows, 1, tokens, width)};
        for (const auto& [keys, values] : unet_->keys(built->ops, built->inputs[0])) {
            built->outputs.insert(built->outputs.end(), {keys, values});
        }
        for (const auto& output : built->outputs) built->ops.output(output);
        return built;
    });
    ggml_backend_tensor_set(program.inputs[0].tensor, embeddings.data(), 0, embeddings.size_bytes());
    program.graph.compute(&token);
    auto context = std::make_shared<Context>(Context{next_context_id_++, rows, tokens, {}});
    for (const auto& output : program.outputs) {
        auto& keys = context->keys.emplace_back(static_cast<size_t>(output.size()));
        ggml_backend_tensor_get(output.tensor, keys.data(), 0, keys.size() * sizeof(float));
    }
    return context;
}

// inputs: latents, embedding, then keys and values in turn; outputs: the noise
std::unique_ptr<Program> Engine::build_unet(const Shape& shape, const Context& context, const PredictOptions& options) {
    auto built = std::make_unique<Program>(threads_, unet_formats_);
    auto& ops = built->ops;
    const ops::Map latents = ops.input(context.rows * shape.n, shape.height, shape.width, shape.channels);
    const ops::Map embedding = ops.input(1, 1, 1, unet_->config().levels.front().channels);
    built->inputs = {latents, embedding};
    std::vector<models::CrossAttentionKeys> keys;
    for (size_t i = 0; i < context.keys.size(); i += 2) {
        const auto channels = static_cast<int64_t>(context.keys[i].size()) / (context.rows * context.tokens);
        keys.push_back({ops.input(context.rows, 1, context.tokens, channels),
                        ops.input(context.rows, 1, context.tokens, channels)});
        built->inputs.insert(built->inputs.end(), {keys.back().keys, keys.back().values});
    }
    built->outputs = {unet_->forward(ops, latents, embedding, keys, options.perturbed)};
    ops.output(built->outputs[0]);
    return built;
}

std::vector<float> Engine::predict_noise(std::span<const float> latents, const Shape& shape, double timestep,
                                         const Context& context, const PredictOptions& options,
                                         const CancelToken& token) {
    if (!unet_) missing("UNet");
    const Stopwatch stopwatch(stats_.predict_noise_seconds);
    if (context.tokens == 0 && !unet_->config().unconditional()) {
        fail("INVALID_ARGUMENT", "context: expected the result of createContext, since the model's UNet takes text");
    }
    check_shape("latents", shape, unet_->config().in_channels, unet_->config().multiple());
    const bool own = latents.size() == static_cast<size_t>(context.rows * shape.size());
    if (!own) check_size("latents", latents.size(), shape.size());
    check_perturbation(options.perturbed, unet_->config());
    const auto key = shape_key("unet", {shape.n, shape.height, shape.width, context.rows, context.tokens}) +
                     perturbation_key(options.perturbed);
    auto& program = programs_.get(key, [&] { return build_unet(shape, context, options); });
    // Every conditioning sees latents of its own, or all see the same.
    std::vector<float> planes;
    if (!own) {
        planes.reserve(latents.size() * static_cast<size_t>(context.rows));
        for (int64_t row = 0; row < context.rows; row++) planes.insert(planes.end(), latents.begin(), latents.end());
    }
    program.ops.write(program.inputs[0], own ? latents.data() : planes.data());
    const auto embedding = unet_->timestep_embedding(timestep);
    program.ops.write(program.inputs[1], embedding.data());
    if (program.context_id != context.id) {
        for (size_t i = 0; i < context.keys.size(); i++) {
            ggml_backend_tensor_set(program.inputs[2 + i].tensor, context.keys[i].data(), 0,
                                    context.keys[i].size() * sizeof(float));
        }
        program.context_id = context.id;
    }
    program.graph.compute(&token);
    stats_.predict_noise_operations = program.ops.operations();
    std::vector<float> noise(static_cast<size_t>(program.outputs[0].size()));
    program.ops.read(program.outputs[0], noise.data());
    return noise;
}

Program& Engine::picture_program(const std::string& name, const Shape& shape, const Network& network) {
    return programs_.get(shape_key(name.c_str(), {shape.height, shape.width}), [&] {
        auto built = std::make_unique<Program>(threads_, vae_formats_);
        built->inputs = {built->ops.input(1, shape.height, shape.width, shape.channels)};
        built->outputs = {network(built->ops, built->inputs[0])};
        built->ops.output(built->outputs[0]);
        return built;
    });
}

Planes Engine::run_picture(const std::string& name, const Planes& picture, const Network& network,
                           const CancelToken& token) {
    auto& program = picture_program(name, {1, picture.channels, picture.height, picture.width}, network);
    program.ops.write(program.inputs[0], picture.data.data());
    program.graph.compute(&token);
    for (size_t i = 0; i < picture_operations_.size(); i++) picture_operations_[i] += program.ops.operations()[i];
    const auto& out = program.outputs[0];
    Planes result{out.channels, out.height, out.width, std::vector<float>(static_cast<size_t>(out.size()))};
    program.ops.read(out, result.data.data());
    return result;
}

Planes Engine::run_within_budget(const std::string& name, const Planes& picture, TileGeometry geometry,
                                 const Network& network, const CancelToken& token) {
    geometry.tile_height = picture.height, geometry.tile_width = picture.width;
    const auto measure = [&] {
        Program program(threads_, vae_formats_);
        const auto input = program.ops.input(1, geometry.tile_height, geometry.tile_width, picture.channels);
        program.ops.output(network(program.ops, input));
        return program.graph.measure();
    };
    // Halves the longer side until the maps fit; a tile stays larger than its overlaps.
    const int64_t smallest = 3 * geometry.overlap;
    while (measure() > budget_) {
        int64_t& side = geometry.tile_height > geometry.tile_width ? geometry.tile_height : geometry.tile_width;
        const int64_t half = (side / 2 + geometry.denominator - 1) / geometry.denominator * geometry.denominator;
        if (half < smallest || half >= side) break;
        side = half;
    }
    return run_tiled(picture, geometry, [&](const Planes& tile) { return run_picture(name, tile, network, token); });
}

std::vector<float> Engine::decode(std::span<const float> latents, const Shape& shape, const CancelToken& token) {
    if (!decoder_) missing("VAE decoder");
    const Stopwatch stopwatch(stats_.decode_seconds);
    const auto& config = *info_.vae;
    check_shape("latents", shape, config.latent_channels, 1);
    check_size("latents", latents.size(), shape.size());
    picture_operations_ = {};
    std::vector<float> pixels;
    const size_t size = latents.size() / static_cast<size_t>(shape.n);
    // Picture by picture: the maps of one fill the memory, and a picture's bytes do not depend on its batch.
    for (int64_t i = 0; i < shape.n; i++) {
        Planes picture{shape.channels, shape.height, shape.width, {}};
        const auto* begin = latents.data() + static_cast<size_t>(i) * size;
        picture.data.assign(begin, begin + size);
        for (float& value : picture.data) value = value / config.scaling_factor + config.shift_factor;
        const TileGeometry geometry{0, 0, 8, config.downscale(), 1};
        const auto result = run_within_budget(
            "decode", picture, geometry, [&](ops::Ops& ops, const ops::Map& x) { return decoder_->forward(ops, x); },
            token);
        pixels.insert(pixels.end(), result.data.begin(), result.data.end());
    }
    stats_.decode_operations = picture_operations_;
    return pixels;
}

std::vector<float> Engine::encode(std::span<const float> pixels, const Shape& shape, const CancelToken& token) {
    if (!encoder_) missing("VAE encoder");
    const Stopwatch stopwatch(stats_.encode_seconds);
    const auto& config = *info_.vae;
    const int64_t f = config.downscale();
    check_shape("pixels", shape, config.image_channels, f);
    check_size("pixels", pixels.size(), shape.size());
    std::vector<float> latents;
    const size_t size = pixels.size() / static_cast<size_t>(shape.n);
    for (int64_t i = 0; i < shape.n; i++) {
        const auto* begin = pixels.data() + static_cast<size_t>(i) * size;
        const Planes picture{shape.channels, shape.height, shape.width, {begin, begin + size}};
        const TileGeometry geometry{0, 0, 8 * f, 1, f};
        const auto moments = run_within_budget(
            "encode", picture, geometry, [&](ops::Ops& ops, const ops::Map& x) { return encoder_->forward(ops, x); },
            token);
        const size_t means = moments.data.size() / 2;  // log variances follow
        for (size_t j = 0; j < means; j++)
            latents.push_back((moments.data[j] - config.shift_factor) * config.scaling_factor);
    }
    return latents;
}

}  // namespace nd::engine
