#include "native/engine/engine.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::engine {

namespace {

constexpr size_t kDefaultTileBudget = size_t{1} << 30;

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

void check_rows(int64_t rows) {
    if (rows <= 0 || rows > 4096) fail("INVALID_ARGUMENT", "rows: expected 1 to 4096, but got ", rows);
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

bool all_finite(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

// What a model's tensors lack is said together with what the model is.
[[noreturn]] void fail_recognised(const Error& error, const ModelInfo& info) {
    const std::string_view code = error.code();
    if (code != "MISSING_TENSOR" && code != "TENSOR_SHAPE") throw error;
    fail(error.code(), error.what(), " (the file is recognised as ", info.title, ")");
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
    : threads_(options.threads),
      thread_count_(options.threads),
      path_(path),
      tile_budget_(options.memory_budget.value_or(kDefaultTileBudget)),
      programs_(options.memory_budget.value_or(SIZE_MAX)) {
    const auto file = weights::ModelFile::open(path);
    info_ = describe(file);
    store_ = std::make_unique<weights::WeightStore>(
        file, weights::LoadOptions{options.precision, true, options.threads, token.flag(), on_progress});
    try {
        if (info_.text) text_.emplace("text_encoder", *info_.text, *store_);
        if (info_.text2) text2_.emplace("text_encoder_2", *info_.text2, *store_);
        if (info_.unet) unet_.emplace(*info_.unet, *store_);
        if (info_.vae) vae_.decoder.emplace(*info_.vae, *store_);
        if (info_.vae && !info_.vae->encoder_channels.empty()) vae_.encoder.emplace(*info_.vae, *store_);
    } catch (const Error& error) {
        fail_recognised(error, info_);
    }
    if (options.measures_only) {
        store_->reserve(ggml_backend_cpu_buffer_type());
    } else {
        store_->load(ggml_backend_cpu_buffer_type());
    }
    // The decoder's maps are too large for an exact stream.
    if (store_->packs("unet.")) unet_formats_ = ops::Formats::packed(true);
    if (store_->packs("vae.")) vae_.formats = ops::Formats::packed(false);
    adapters_ = std::make_unique<Adapters>(*store_, path, file.fingerprint());
    info_.precision = store_->type_name();
    info_.parameters = store_->parameters();
    info_.weight_bytes = store_->bytes();
}

Stats Engine::stats() const {
    Stats stats = stats_;
    stats.compute_bytes = programs_.bytes();
    return stats;
}

std::unique_ptr<Program> Engine::build_text(const models::ClipText& text, int64_t rows, int64_t skip, int64_t vectors,
                                            const AdapterSet* adapters) {
    auto built = create_program(ops::Formats{}, adapters, Component::text);
    built->ids = built->graph.input(GGML_TYPE_I32, {rows * text.config().context_length, 1, 1, 1});
    if (vectors > 0) built->vectors = built->graph.input(GGML_TYPE_F32, {text.config().width, vectors, 1, 1});
    const auto encoded = text.forward(built->ops, built->ids, rows, skip, built->vectors);
    built->outputs = {encoded.embeddings};
    if (encoded.last.tensor) built->outputs.push_back(encoded.last);
    for (const auto& output : built->outputs) built->ops.output(output);
    return built;
}

EncodedText Engine::encode_text(std::span<const int32_t> ids, int64_t rows, int64_t skip_layers, int64_t encoder,
                                const CancelToken& token, const AdapterSet* adapters, std::span<const float> vectors) {
    if (encoder != 1 && encoder != 2) fail("INVALID_ARGUMENT", "encoder: expected 1 or 2, but got ", encoder);
    const auto& text = encoder == 1 ? text_ : text2_;
    if (!text) missing(encoder == 1 ? "text encoder" : "second text encoder");
    const Stopwatch stopwatch(stats_.encode_text_seconds);
    const auto& config = text->config();
    check_rows(rows);
    check_size("ids", ids.size(), rows * config.context_length);
    const int64_t vector_count = static_cast<int64_t>(vectors.size()) / config.width;
    check_size("vectors", vectors.size(), vector_count * config.width);
    const int64_t known = config.vocabulary + vector_count;
    for (const int32_t id : ids) {
        if (id < 0 || id >= known) {
            fail("INVALID_ARGUMENT", "ids: expected tokens of 0 to ", known - 1, ", but got ", id);
        }
    }
    const int64_t skip = config.skipped_layers + skip_layers;
    if (skip_layers < 0 || skip >= config.layers) {
        fail("INVALID_ARGUMENT", "skipLayers: expected 0 to ", config.layers - config.skipped_layers - 1, ", but got ",
             skip_layers);
    }

    // Room for a power of two of them, so that few counts make programs of their own.
    const auto room = vector_count == 0 ? 0 : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(vector_count)));
    const std::string ending = adapt(adapters, Component::text, token);
    auto& program = programs_.get(shape_key("text", {encoder, rows, skip, room}) + ending,
                                  [&] { return build_text(*text, rows, skip, room, adapters); });
    ggml_backend_tensor_set(program.ids, ids.data(), 0, ids.size_bytes());
    if (room > 0) ggml_backend_tensor_set(program.vectors, vectors.data(), 0, vectors.size_bytes());
    program.graph.compute(&token);
    const auto read = [](const ops::Map& map) {
        std::vector<float> values(static_cast<size_t>(map.size()));
        ggml_backend_tensor_get(map.tensor, values.data(), 0, values.size() * sizeof(float));
        return values;
    };
    EncodedText encoded{read(program.outputs[0]), {}};
    if (program.outputs.size() > 1) {
        encoded.pooled = pool(*text, encoder, ids, rows, read(program.outputs[1]), adapters, token);
    }
    return encoded;
}

// The projection of what the last layer [rows, context_length, width] has at the first end-of-text token, which is the
// vocabulary's last.
std::vector<float> Engine::pool(const models::ClipText& encoder, int64_t number, std::span<const int32_t> ids,
                                int64_t rows, std::span<const float> last, const AdapterSet* adapters,
                                const CancelToken& token) {
    const auto& config = encoder.config();
    auto& program = programs_.get(shape_key("pool", {number, rows}) + adapted_[Component::text], [&] {
        auto built = create_program(ops::Formats{}, adapters, Component::text);
        built->inputs = {built->ops.input(rows, 1, 1, config.width)};
        built->outputs = {encoder.project(built->ops, built->inputs[0])};
        built->ops.output(built->outputs[0]);
        return built;
    });
    std::vector<float> ends;
    for (int64_t row = 0; row < rows; row++) {
        const auto begin = ids.begin() + row * config.context_length, end = begin + config.context_length;
        const auto found = std::find(begin, end, static_cast<int32_t>(config.vocabulary - 1));
        const int64_t place = found == end ? config.context_length - 1 : found - begin;
        const auto from = last.begin() + (row * config.context_length + place) * config.width;
        ends.insert(ends.end(), from, from + config.width);
    }
    program.ops.write(program.inputs[0], ends.data());
    program.graph.compute(&token);
    std::vector<float> pooled(static_cast<size_t>(rows * config.projection_width));
    program.ops.read(program.outputs[0], pooled.data());
    return pooled;
}

std::vector<float> Engine::embed_addition(const Addition& addition, int64_t rows, const AdapterSet* adapters,
                                          const CancelToken& token) {
    const auto& config = unet_->config().addition;
    check_size("pooled", addition.pooled.size(), rows * config.pooled_width);
    check_size("sizeNumbers", addition.size_numbers.size(), rows * config.size_numbers);
    auto& program = programs_.get(shape_key("addition", {rows}) + adapted_[Component::unet], [&] {
        auto built = create_program(unet_formats_, adapters, Component::unet);
        built->inputs = {built->ops.input(rows, 1, 1, config.width())};
        built->outputs = {unet_->addition(built->ops, built->inputs[0])};
        built->ops.output(built->outputs[0]);
        return built;
    });
    std::vector<float> input;
    for (int64_t row = 0; row < rows; row++) {
        const auto pooled =
            std::span(addition.pooled)
                .subspan(static_cast<size_t>(row * config.pooled_width), static_cast<size_t>(config.pooled_width));
        const auto numbers =
            std::span(addition.size_numbers)
                .subspan(static_cast<size_t>(row * config.size_numbers), static_cast<size_t>(config.size_numbers));
        const auto values = unet_->addition_input(pooled, numbers);
        input.insert(input.end(), values.begin(), values.end());
    }
    program.ops.write(program.inputs[0], input.data());
    program.graph.compute(&token);
    std::vector<float> embedded(static_cast<size_t>(program.outputs[0].size()));
    program.ops.read(program.outputs[0], embedded.data());
    return embedded;
}

// outputs: keys and values in turn
std::unique_ptr<Program> Engine::build_context(int64_t rows, int64_t tokens, const AdapterSet* adapters) {
    auto built = create_program(unet_formats_, adapters, Component::unet);
    built->inputs = {built->ops.input(rows, 1, tokens, unet_->config().context_width)};
    for (const auto& [keys, values] : unet_->keys(built->ops, built->inputs[0])) {
        built->outputs.insert(built->outputs.end(), {keys, values});
    }
    for (const auto& output : built->outputs) built->ops.output(output);
    return built;
}

std::shared_ptr<Context> Engine::create_context(std::span<const float> embeddings, int64_t rows,
                                                const Addition* addition, const CancelToken& token,
                                                std::shared_ptr<const AdapterSet> adapters) {
    if (!unet_) missing("UNet");
    if (unet_->config().unconditional()) {
        fail("MISSING_COMPONENT",
             "the model's UNet is unconditional and takes no text: predict noise without a context");
    }
    const Stopwatch stopwatch(stats_.context_seconds);
    const int64_t width = unet_->config().context_width, count = static_cast<int64_t>(embeddings.size());
    check_rows(rows);
    if (count == 0 || count % (rows * width) != 0) {
        fail("INVALID_ARGUMENT", "embeddings: expected [", rows, ", tokens, ", width, "], but got ", count, " values");
    }
    if (unet_->config().has_addition() != (addition != nullptr)) {
        fail("INVALID_ARGUMENT", "addition: expected ",
             addition ? "none, since the model's UNet takes none"
                      : "pooled text and numbers about the size, which the model's UNet takes");
    }
    const int64_t tokens = count / (rows * width);
    const std::string ending = adapt(adapters.get(), Component::unet, token);
    auto& program = programs_.get(shape_key("context", {rows, tokens}) + ending,
                                  [&] { return build_context(rows, tokens, adapters.get()); });
    ggml_backend_tensor_set(program.inputs[0].tensor, embeddings.data(), 0, embeddings.size_bytes());
    program.graph.compute(&token);
    auto context = std::make_shared<Context>(Context{next_context_id_++, rows, tokens, {}, {}, adapters});
    for (const auto& output : program.outputs) {
        auto& keys = context->keys.emplace_back(static_cast<size_t>(output.size()));
        ggml_backend_tensor_get(output.tensor, keys.data(), 0, keys.size() * sizeof(float));
    }
    if (addition) context->addition = embed_addition(*addition, rows, adapters.get(), token);
    return context;
}

// inputs: latents, timestep, guidance and addition where the UNet takes them, then keys and values in turn; outputs:
// the noise
std::unique_ptr<Program> Engine::build_unet(const Shape& shape, const Context& context, const PredictOptions& options) {
    auto built = create_program(unet_formats_, context.adapters.get(), Component::unet);
    auto& ops = built->ops;
    const ops::Map latents = ops.input(context.rows * shape.n, shape.height, shape.width, shape.channels);
    const auto& config = unet_->config();
    models::UNet::Conditioning conditioning;
    conditioning.timestep = ops.input(1, 1, 1, config.levels.front().channels);
    built->inputs = {latents, conditioning.timestep};
    if (config.guidance_width > 0) {
        conditioning.guidance = ops.input(1, 1, 1, config.guidance_width);
        built->inputs.push_back(conditioning.guidance);
    }
    if (config.has_addition()) {
        conditioning.addition = ops.input(context.rows, 1, 1, config.time_width);
        built->inputs.push_back(conditioning.addition);
    }
    std::vector<models::CrossAttentionKeys> keys;
    for (size_t i = 0; i < context.keys.size(); i += 2) {
        const auto channels = static_cast<int64_t>(context.keys[i].size()) / (context.rows * context.tokens);
        keys.push_back({ops.input(context.rows, 1, context.tokens, channels),
                        ops.input(context.rows, 1, context.tokens, channels)});
        built->inputs.insert(built->inputs.end(), {keys.back().keys, keys.back().values});
    }
    built->outputs = {unet_->forward(ops, latents, conditioning, keys, options.perturbed)};
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
    const bool guided = unet_->config().guidance_width > 0;
    if (guided != options.guidance.has_value()) {
        fail("INVALID_ARGUMENT", "guidance: expected ",
             guided ? "a scale, which the model's UNet takes" : "none, since the model's UNet takes none");
    }
    check_shape("latents", shape, unet_->config().in_channels, unet_->config().multiple());
    const bool own = latents.size() == static_cast<size_t>(context.rows * shape.size());
    if (!own) check_size("latents", latents.size(), shape.size());
    check_perturbation(options.perturbed, unet_->config());
    const auto key = shape_key("unet", {shape.n, shape.height, shape.width, context.rows, context.tokens}) +
                     perturbation_key(options.perturbed) + adapt(context.adapters.get(), Component::unet, token);
    auto& program = programs_.get(key, [&] { return build_unet(shape, context, options); });
    // Every conditioning sees latents of its own, or all see the same.
    std::vector<float> planes;
    if (!own) {
        planes.reserve(latents.size() * static_cast<size_t>(context.rows));
        for (int64_t row = 0; row < context.rows; row++) planes.insert(planes.end(), latents.begin(), latents.end());
    }
    program.ops.write(program.inputs[0], own ? latents.data() : planes.data());
    program.ops.write(program.inputs[1], unet_->timestep_embedding(timestep).data());
    size_t next = 2;
    if (guided) program.ops.write(program.inputs[next++], unet_->guidance_embedding(*options.guidance).data());
    if (program.context_id != context.id) {
        const auto set = [&](const std::vector<float>& values) {
            ggml_backend_tensor_set(program.inputs[next++].tensor, values.data(), 0, values.size() * sizeof(float));
        };
        if (!context.addition.empty()) set(context.addition);
        for (const auto& keys : context.keys) set(keys);
        program.context_id = context.id;
    }
    program.graph.compute(&token);
    stats_.predict_noise_operations = program.ops.operations();
    std::vector<float> noise(static_cast<size_t>(program.outputs[0].size()));
    program.ops.read(program.outputs[0], noise.data());
    return noise;
}

Program& Engine::picture_program(const Shape& shape, const PictureNetwork& network) {
    return programs_.get(shape_key(network.name.c_str(), {shape.height, shape.width}), [&] {
        auto built = std::make_unique<Program>(threads_, network.formats);
        built->inputs = {built->ops.input(1, shape.height, shape.width, shape.channels)};
        built->outputs = {network.forward(built->ops, built->inputs[0])};
        built->ops.output(built->outputs[0]);
        return built;
    });
}

Planes Engine::run_picture(const Planes& picture, const PictureNetwork& network, const CancelToken& token) {
    auto& program = picture_program({1, picture.channels, picture.height, picture.width}, network);
    program.ops.write(program.inputs[0], picture.data.data());
    program.graph.compute(&token);
    for (size_t i = 0; i < picture_operations_.size(); i++) picture_operations_[i] += program.ops.operations()[i];
    const auto& out = program.outputs[0];
    Planes result{out.channels, out.height, out.width, std::vector<float>(static_cast<size_t>(out.size()))};
    program.ops.read(out, result.data.data());
    return result;
}

size_t Engine::fit_tiles(const Shape& picture, TileGeometry& geometry, const PictureNetwork& network) {
    geometry.tile_height = picture.height, geometry.tile_width = picture.width;
    const auto measure = [&] {
        Program program(threads_, network.formats);
        const auto input = program.ops.input(1, geometry.tile_height, geometry.tile_width, picture.channels);
        program.ops.output(network.forward(program.ops, input));
        return program.graph.measure();
    };
    // Halves the longer side until the maps fit; a tile stays larger than its overlaps.
    const int64_t smallest = 3 * geometry.overlap;
    size_t bytes = measure();
    while (bytes > tile_budget_) {
        int64_t& side = geometry.tile_height > geometry.tile_width ? geometry.tile_height : geometry.tile_width;
        const int64_t half = (side / 2 + geometry.denominator - 1) / geometry.denominator * geometry.denominator;
        if (half < smallest || half >= side) break;
        side = half;
        bytes = measure();
    }
    return bytes;
}

Planes Engine::run_within_budget(const Planes& picture, TileGeometry geometry, const PictureNetwork& network,
                                 const CancelToken& token) {
    fit_tiles({1, picture.channels, picture.height, picture.width}, geometry, network);
    return run_tiled(picture, geometry, [&](const Planes& tile) { return run_picture(tile, network, token); });
}

Planes Engine::run_finite(const Planes& picture, const TileGeometry& geometry, const ChooseNetwork& choose,
                          bool& was_retried, const CancelToken& token) {
    Planes result = run_within_budget(picture, geometry, choose(vae_), token);
    if (all_finite(result.data)) return result;
    if (all_finite(picture.data) && store_->packs("vae.")) {
        was_retried = true;
        PictureNetwork exact = choose(exact_vae(token));
        exact.name += " in f32";
        result = run_within_budget(picture, geometry, exact, token);
        if (all_finite(result.data)) return result;
    }
    fail("COMPUTE_FAILED", "the VAE gives values that are not numbers, computed in f32",
         all_finite(picture.data) ? "" : ": those that it was given are not numbers either");
}

const Engine::Vae& Engine::exact_vae(const CancelToken& token) {
    if (exact_vae_) return *exact_vae_;
    const auto file = weights::ModelFile::open(path_);
    Vae vae;
    vae.own_store = std::make_unique<weights::WeightStore>(
        file, weights::LoadOptions{"f32", true, thread_count_, token.flag(), nullptr});
    vae.decoder.emplace(*info_.vae, *vae.own_store);
    if (vae_.encoder) vae.encoder.emplace(*info_.vae, *vae.own_store);
    vae.own_store->load(ggml_backend_cpu_buffer_type());
    return exact_vae_.emplace(std::move(vae));
}

Engine::PictureNetwork Engine::decoder_network(const Vae& vae) {
    return {"decode", [&](ops::Ops& ops, const ops::Map& x) { return vae.decoder->forward(ops, x); }, vae.formats};
}

Engine::PictureNetwork Engine::encoder_network(const Vae& vae) {
    return {"encode", [&](ops::Ops& ops, const ops::Map& x) { return vae.encoder->forward(ops, x); }, vae.formats};
}

TileGeometry Engine::decoder_tiles() const {
    return {0, 0, 8, info_.vae->downscale(), 1};
}

TileGeometry Engine::encoder_tiles() const {
    const int64_t f = info_.vae->downscale();
    return {0, 0, 8 * f, 1, f};
}

Picture Engine::decode(std::span<const float> latents, const Shape& shape, const CancelToken& token) {
    if (!vae_.decoder) missing("VAE decoder");
    const Stopwatch stopwatch(stats_.decode_seconds);
    const auto& config = *info_.vae;
    check_shape("latents", shape, config.latent_channels, 1);
    check_size("latents", latents.size(), shape.size());
    picture_operations_ = {};
    Picture pixels;
    const size_t size = latents.size() / static_cast<size_t>(shape.n);
    // Picture by picture: the maps of one fill the memory, and a picture's bytes do not depend on its batch.
    for (int64_t i = 0; i < shape.n; i++) {
        Planes picture{shape.channels, shape.height, shape.width, {}};
        const auto* begin = latents.data() + static_cast<size_t>(i) * size;
        picture.data.assign(begin, begin + size);
        for (float& value : picture.data) value = value / config.scaling_factor + config.shift_factor;
        const auto result = run_finite(picture, decoder_tiles(), decoder_network, pixels.was_retried, token);
        pixels.values.insert(pixels.values.end(), result.data.begin(), result.data.end());
    }
    stats_.decode_operations = picture_operations_;
    return pixels;
}

Picture Engine::encode(std::span<const float> pixels, const Shape& shape, const CancelToken& token) {
    if (!vae_.encoder) missing("VAE encoder");
    const Stopwatch stopwatch(stats_.encode_seconds);
    const auto& config = *info_.vae;
    const int64_t f = config.downscale();
    check_shape("pixels", shape, config.image_channels, f);
    check_size("pixels", pixels.size(), shape.size());
    Picture latents;
    const size_t size = pixels.size() / static_cast<size_t>(shape.n);
    for (int64_t i = 0; i < shape.n; i++) {
        const auto* begin = pixels.data() + static_cast<size_t>(i) * size;
        const Planes picture{shape.channels, shape.height, shape.width, {begin, begin + size}};
        const auto moments = run_finite(picture, encoder_tiles(), encoder_network, latents.was_retried, token);
        const size_t means = moments.data.size() / 2;  // log variances follow
        for (size_t j = 0; j < means; j++)
            latents.values.push_back((moments.data[j] - config.shift_factor) * config.scaling_factor);
    }
    return latents;
}

}  // namespace nd::engine
