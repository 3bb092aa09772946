#include "native/engine/engine.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "native/engine/checks.h"
#include "native/engine/stopwatch.h"
#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::engine {

namespace {

constexpr size_t kDefaultTileBudget = size_t{1} << 30;

// What a model's tensors lack is said together with what the model is.
[[noreturn]] void fail_recognised(const Error& error, const ModelInfo& info) {
    const std::string_view code = error.code();
    if (code != "MISSING_TENSOR" && code != "TENSOR_SHAPE") throw error;
    fail(error.code(), error.what(), " (the file is recognised as ", info.title, ")");
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
    : path_(path), tile_budget_(options.memory_budget.value_or(kDefaultTileBudget)) {
    const auto file = weights::ModelFile::open(path);
    info_ = describe(file);
    if (options.vae_only) {
        if (!info_.latent_space()) fail("MISSING_COMPONENT", path, ": expected a VAE, but the file has none");
        info_.text.reset();
        info_.text2.reset();
        info_.unet.reset();
    }
    if (info_.vae && options.scaling_factor != 0 && !file.config().at("vae").contains("scaling_factor"))
        info_.vae->scaling_factor = options.scaling_factor;
    double begun = 0, share = 1;  // of all weights, by the place that is loaded
    const auto report = [&](double done) {
        if (on_progress) on_progress(begun + share * done);
    };
    try {
        choose_places(file, options, token, report);
    } catch (const Error& error) {
        fail_recognised(error, info_);
    }
    if (options.measures_only) {
        places_.front().store().reserve(ggml_backend_cpu_buffer_type());
    } else {
        load_weights(begun, share);
    }
    // The decoder's maps are too large for an exact stream.
    if (place(Part::upscaler).store().packs("upscaler.")) upscaler_formats_ = ops::Formats::packed(true);
    if (place(Part::unet).store().packs("unet.")) unet_formats_ = ops::Formats::packed(true);
    const auto& vae = place(Part::vae).store();
    if (vae.packs("vae.") || vae.packs("taesd.")) vae_.formats = ops::Formats::packed(false);
    adapters_ =
        std::make_unique<Adapters>(place(Part::unet).store(), place(Part::text).store(), path, file.fingerprint());
    info_.precision = main_place().store().type_name();
    info_.device = main_place().name();
    info_.parameters = 0;  // those that are loaded
    for (const Place& place : places_) info_.parameters += place.store().parameters();
    info_.weight_bytes = weight_bytes();
}

Stats Engine::stats() const {
    Stats stats = stats_;
    for (const Place& place : places_) stats.compute_bytes += place.compute_bytes();
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
    auto& program = place(Part::text).programs().get(shape_key("text", {encoder, rows, skip, room}) + ending, [&] {
        return build_text(*text, rows, skip, room, adapters);
    });
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
    auto& program =
        place(Part::text).programs().get(shape_key("pool", {number, rows}) + adapted_[Component::text], [&] {
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
    auto& program = place(Part::unet).programs().get(shape_key("addition", {rows}) + adapted_[Component::unet], [&] {
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
    auto& program = place(Part::unet).programs().get(shape_key("context", {rows, tokens}) + ending, [&] {
        return build_context(rows, tokens, adapters.get());
    });
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

// inputs: latents, timestep, guidance and addition where the UNet takes them, then keys and values in turn; added: a
// ControlNet's hint, or the residuals of others; outputs: the noise, or a ControlNet's maps
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
    if (control_) {
        built->added = {ops.input(1, shape.height, shape.width, config.levels.front().channels)};
        built->outputs = control_->residuals(ops, unet_->maps(ops, latents, built->added[0], conditioning, keys));
    } else {
        if (!options.residuals.empty()) {
            for (const auto& [map, values] : options.residuals.front()->maps)
                built->added.push_back(ops.input(map.batch, map.height, map.width, map.channels));
        }
        built->outputs = {unet_->forward(ops, latents, conditioning, keys, options.perturbed, built->added)};
    }
    for (const auto& output : built->outputs) ops.output(output);
    return built;
}

Program& Engine::prepare_unet(std::span<const float> latents, const Shape& shape, double timestep,
                              const Context& context, const PredictOptions& options, const CancelToken& token) {
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
    check_residuals(options);
    const auto key = shape_key("unet", {shape.n, shape.height, shape.width, context.rows, context.tokens}) +
                     perturbation_key(options.perturbed) + (options.residuals.empty() ? "" : " controlled") +
                     adapt(context.adapters.get(), Component::unet, token);
    auto& program = place(Part::unet).programs().get(key, [&] { return build_unet(shape, context, options); });
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
    return program;
}

std::vector<float> Engine::predict_noise(std::span<const float> latents, const Shape& shape, double timestep,
                                         const Context& context, const PredictOptions& options,
                                         const CancelToken& token) {
    if (!unet_ || control_) missing("UNet");
    const Stopwatch stopwatch(stats_.predict_noise_seconds);
    auto& program = prepare_unet(latents, shape, timestep, context, options, token);
    write_residuals(program, options);
    program.graph.compute(&token);
    stats_.predict_noise_operations = program.ops.operations();
    std::vector<float> noise(static_cast<size_t>(program.outputs[0].size()));
    program.ops.read(program.outputs[0], noise.data());
    return noise;
}

}  // namespace nd::engine
