// What a request would need of memory, from the graphs that it would run.
#include <algorithm>

#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

namespace {

constexpr int64_t kMaxSide = 16384;

void check(const char* what, int64_t got, int64_t most, int64_t multiple = 1) {
    if (got < 1 || got > most || got % multiple != 0) {
        fail("INVALID_ARGUMENT", what, ": expected 1 to ", most, multiple > 1 ? " and a multiple of " : "",
             multiple > 1 ? std::to_string(multiple) : "", ", but got ", got);
    }
}

}  // namespace

MemoryUse Engine::measure(const MemoryRequest& request) {
    MemoryUse use;
    use.weights = weight_bytes();
    const auto plan = [&](size_t& stage, Program& program) {
        stage = std::max(stage, program.graph.measure());
        use.inputs += program.graph.input_bytes();
    };
    const int64_t factor = info_.vae ? info_.vae->downscale() : unet_ && unet_->config().unconditional() ? 1 : 8;
    const int64_t multiple = factor * (unet_ ? unet_->config().multiple() : 1);
    check("width", request.width, kMaxSide, multiple);
    check("height", request.height, kMaxSide, multiple);
    check("batchSize", request.batch, 1024);
    check("rows", request.rows, 16);
    check("windows", request.windows, 16);
    const int64_t height = request.height / factor, width = request.width / factor;

    for (const auto* text : {&text_, &text2_}) {
        if (*text) plan(use.encode_text, *build_text(**text, request.windows, (*text)->config().skipped_layers));
    }
    if (unet_) {
        Context context = kNoContext;
        if (!unet_->config().unconditional()) {
            context.rows = request.rows;
            context.tokens = request.windows * (text_ ? text_->config().context_length : 77);
            const auto program = build_context(context.rows, context.tokens);
            plan(use.create_context, *program);
            for (const auto& output : program->outputs) {
                context.keys.emplace_back(static_cast<size_t>(output.size()));
                use.inputs += context.keys.back().size() * sizeof(float);
            }
        }
        plan(use.predict_noise, *build_unet({request.batch, unet_->config().in_channels, height, width}, context, {}));
    }
    if (vae_.decoder) {
        TileGeometry tiles = decoder_tiles();
        use.decode = fit_tiles({1, info_.vae->latent_channels, height, width}, tiles, decoder_network(vae_));
    }
    if (vae_.encoder && request.encodes_pictures) {
        TileGeometry tiles = encoder_tiles();
        const Shape picture{1, info_.vae->image_channels, request.height, request.width};
        use.encode = fit_tiles(picture, tiles, encoder_network(vae_));
    }
    return use;
}

}  // namespace nd::engine
