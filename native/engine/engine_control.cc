// A loaded ControlNet's work: the hint's embedding, once for all steps, and at each step the maps that the UNet adds.
#include <algorithm>

#include "native/engine/checks.h"
#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

std::shared_ptr<Hint> Engine::embed_hint(std::span<const float> pixels, const Shape& shape, const CancelToken& token) {
    if (!control_) missing("ControlNet");
    const auto& config = *info_.control;
    check_shape("hint", shape, 3, config.downscale());
    check_size("hint", pixels.size(), 3 * shape.height * shape.width);
    const PictureNetwork network{Part::unet, "hint",
                                 [&](ops::Ops& ops, const ops::Map& x) { return control_->embed_hint(ops, x); },
                                 unet_formats_};
    auto& program = picture_program({1, 3, shape.height, shape.width}, network);
    std::vector<float> planes(pixels.begin(), pixels.end());
    const auto plane = static_cast<ptrdiff_t>(shape.height * shape.width);
    if (config.hint_is_bgr) std::swap_ranges(planes.begin(), planes.begin() + plane, planes.begin() + 2 * plane);
    program.ops.write(program.inputs[0], planes.data());
    program.graph.compute(&token);
    const auto& embedded = program.outputs[0];
    auto hint = std::make_shared<Hint>();
    hint->height = embedded.height, hint->width = embedded.width;
    hint->values.resize(static_cast<size_t>(embedded.size()));
    ggml_backend_tensor_get(embedded.tensor, hint->values.data(), 0, hint->values.size() * sizeof(float));
    return hint;
}

std::shared_ptr<Residuals> Engine::control_residuals(std::span<const float> latents, const Shape& shape,
                                                     double timestep, const Context& context, const Hint& hint,
                                                     std::span<const float> strengths, const CancelToken& token) {
    if (!control_) missing("ControlNet");
    if (hint.height != shape.height || hint.width != shape.width) {
        fail("INVALID_ARGUMENT", "hint: expected that of a picture of the latents' size, [", shape.height, ", ",
             shape.width, "], but got [", hint.height, ", ", hint.width, "]");
    }
    const auto maps = info_.control->map_channels.size();
    check_size("strengths", strengths.size(), context.rows * static_cast<int64_t>(maps));
    auto& program = prepare_unet(latents, shape, timestep, context, {}, token);
    ggml_backend_tensor_set(program.added.at(0).tensor, hint.values.data(), 0, hint.values.size() * sizeof(float));
    program.graph.compute(&token);
    auto residuals = std::make_shared<Residuals>();
    for (size_t i = 0; i < maps; i++) {
        const auto& map = program.outputs[i];
        auto& values = residuals->maps.emplace_back(ResidualMap{map, {}}).values;
        values.resize(static_cast<size_t>(map.size()));
        ggml_backend_tensor_get(map.tensor, values.data(), 0, values.size() * sizeof(float));
        const size_t row_size = values.size() / static_cast<size_t>(context.rows);
        for (size_t j = 0; j < values.size(); j++) values[j] *= strengths[j / row_size * maps + i];
        residuals->maps.back().map.tensor = nullptr;
    }
    return residuals;
}

void Engine::write_residuals(Program& program, const PredictOptions& options) {
    for (size_t i = 0; i < program.added.size(); i++) {
        std::vector<float> sum = options.residuals.front()->maps[i].values;
        for (size_t net = 1; net < options.residuals.size(); net++) {
            const auto& values = options.residuals[net]->maps[i].values;
            for (size_t j = 0; j < sum.size(); j++) sum[j] += values[j];
        }
        ggml_backend_tensor_set(program.added[i].tensor, sum.data(), 0, sum.size() * sizeof(float));
    }
}

void Engine::check_residuals(const PredictOptions& options) const {
    for (const auto& residuals : options.residuals) {
        const auto& first = options.residuals.front()->maps;
        bool fits = residuals->maps.size() == first.size();
        for (size_t i = 0; fits && i < first.size(); i++) fits = residuals->maps[i].map.is_like(first[i].map);
        if (!fits) fail("INVALID_ARGUMENT", "residuals: expected those of several ControlNets to be of one size");
    }
}

}  // namespace nd::engine
