// Pictures to latents and back: the VAE, in tiles where the memory budget asks for them.
#include <algorithm>
#include <cmath>

#include "native/engine/checks.h"
#include "native/engine/engine.h"
#include "native/engine/stopwatch.h"
#include "native/error.h"

namespace nd::engine {

namespace {

bool all_finite(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

Program& Engine::picture_program(const Shape& shape, const PictureNetwork& network) {
    return place(network.part).programs().get(shape_key(network.name.c_str(), {shape.height, shape.width}), [&] {
        auto built = create_program(network.part, network.formats);
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
        Program program(place(network.part).machine(network.formats));
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
                                 const CancelToken& token, const std::function<void(double)>& on_progress) {
    fit_tiles({1, picture.channels, picture.height, picture.width}, geometry, network);
    const auto tiles = [&](int64_t side, int64_t tile) {
        return tile_positions(side, tile, geometry.overlap, geometry.denominator).size();
    };
    const auto count =
        static_cast<double>(tiles(picture.height, geometry.tile_height) * tiles(picture.width, geometry.tile_width));
    double done = 0;
    return run_tiled(picture, geometry, [&](const Planes& tile) {
        Planes result = run_picture(tile, network, token);
        if (on_progress) on_progress(++done / count);
        return result;
    });
}

Planes Engine::run_finite(const Planes& picture, const TileGeometry& geometry, const ChooseNetwork& choose,
                          bool& was_retried, const CancelToken& token) {
    Planes result = run_within_budget(picture, geometry, choose(vae_), token);
    if (all_finite(result.data)) return result;
    if (all_finite(picture.data) && info_.vae && !place(Part::vae).computes_in_f32("vae.")) {
        was_retried = true;
        PictureNetwork exact = choose(exact_vae(token));
        exact.name += " in f32";
        result = run_within_budget(picture, geometry, exact, token);
        if (all_finite(result.data)) return result;
    }
    fail("COMPUTE_FAILED", "the VAE gives values that are not numbers",
         place(Part::vae).store().packs("taesd.") ? "" : ", computed in f32",
         all_finite(picture.data) ? "" : ": those that it was given are not numbers either");
}

const Engine::Vae& Engine::exact_vae(const CancelToken& token) {
    if (exact_vae_) return *exact_vae_;
    const auto file = weights::ModelFile::open(path_);
    Vae vae;
    vae.own_store = std::make_unique<weights::WeightStore>(file, place(Part::vae).weight_options("f32", token));
    vae.decoder.emplace(*info_.vae, *vae.own_store);
    if (vae_.encoder) vae.encoder.emplace(*info_.vae, *vae.own_store);
    vae.own_store->load(place(Part::vae).buffers());
    return exact_vae_.emplace(std::move(vae));
}

Engine::PictureNetwork Engine::decoder_network(const Vae& vae) {
    const auto forward = [&](ops::Ops& ops, const ops::Map& x) {
        return vae.decoder ? vae.decoder->forward(ops, x) : vae.tiny_decoder->forward(ops, x);
    };
    return {Part::vae, "decode", forward, vae.formats};
}

Engine::PictureNetwork Engine::encoder_network(const Vae& vae) {
    const auto forward = [&](ops::Ops& ops, const ops::Map& x) {
        return vae.encoder ? vae.encoder->forward(ops, x) : vae.tiny_encoder->forward(ops, x);
    };
    return {Part::vae, "encode", forward, vae.formats};
}

TileGeometry Engine::decoder_tiles() const {
    return {0, 0, 8, info_.latent_space()->downscale, 1};
}

TileGeometry Engine::encoder_tiles() const {
    const int64_t f = info_.latent_space()->downscale;
    return {0, 0, 8 * f, 1, f};
}

Picture Engine::decode(std::span<const float> latents, const Shape& shape, const CancelToken& token) {
    if (!vae_.decoder && !vae_.tiny_decoder) missing("VAE decoder");
    const Stopwatch stopwatch(stats_.decode_seconds);
    const LatentSpace config = *info_.latent_space();
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
        if (vae_.tiny_decoder) {
            for (float& value : picture.data) value = models::Taesd::bounded(value);
        }
        auto result = run_finite(picture, decoder_tiles(), decoder_network, pixels.was_retried, token);
        if (vae_.tiny_decoder) {
            for (float& value : result.data) value = 2 * value - 1;
        }
        pixels.values.insert(pixels.values.end(), result.data.begin(), result.data.end());
    }
    stats_.decode_operations = picture_operations_;
    return pixels;
}

Picture Engine::encode(std::span<const float> pixels, const Shape& shape, const CancelToken& token) {
    if (!vae_.encoder && !vae_.tiny_encoder) missing("VAE encoder");
    const Stopwatch stopwatch(stats_.encode_seconds);
    const LatentSpace config = *info_.latent_space();
    const int64_t f = config.downscale;
    check_shape("pixels", shape, config.image_channels, f);
    check_size("pixels", pixels.size(), shape.size());
    Picture latents;
    const size_t size = pixels.size() / static_cast<size_t>(shape.n);
    for (int64_t i = 0; i < shape.n; i++) {
        const auto* begin = pixels.data() + static_cast<size_t>(i) * size;
        Planes picture{shape.channels, shape.height, shape.width, {begin, begin + size}};
        if (vae_.tiny_encoder) {
            for (float& value : picture.data) value = (value + 1) / 2;
        }
        const auto moments = run_finite(picture, encoder_tiles(), encoder_network, latents.was_retried, token);
        // Log variances follow in a whole VAE.
        const auto means = static_cast<size_t>(config.latent_channels * moments.height * moments.width);
        for (size_t j = 0; j < means; j++)
            latents.values.push_back((moments.data[j] - config.shift_factor) * config.scaling_factor);
    }
    return latents;
}

}  // namespace nd::engine
