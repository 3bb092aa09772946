#include "native/kernels/embed/embed.h"

#include <vector>

#include "native/test/tap.h"

using namespace nd::kernels;

TEST("embed: a token's row plus its position's, from f32 and f16 tables") {
    constexpr int64_t c = 5, length = 3;
    std::vector<float> tokens, positions;
    for (int i = 0; i < 4 * c; i++) tokens.push_back(static_cast<float>(i));
    for (int i = 0; i < length * c; i++) positions.push_back(0.25f * static_cast<float>(i));
    std::vector<ggml_fp16_t> half(tokens.size());
    ggml_fp32_to_fp16_row(tokens.data(), half.data(), static_cast<int64_t>(tokens.size()));
    const std::vector<int32_t> ids{3, 0, 1, 2, 2, 3};

    for (const bool f16 : {false, true}) {
        std::vector<float> y(ids.size() * c);
        EmbedArgs args;
        args.ids = ids.data();
        args.tokens = {f16 ? GGML_TYPE_F16 : GGML_TYPE_F32,
                       f16 ? static_cast<const void*>(half.data()) : tokens.data(),
                       c * (f16 ? sizeof(ggml_fp16_t) : sizeof(float)),
                       4,
                       1,
                       c};
        args.positions = {GGML_TYPE_F32, positions.data(), c * sizeof(float), length, 1, c};
        args.y = y.data();
        args.rows = static_cast<int64_t>(ids.size());
        for (int64_t task = embed_tasks(args); task-- > 0;) embed_task(args, task);
        for (size_t row = 0; row < ids.size(); row++) {
            for (size_t i = 0; i < c; i++) {
                const float want = tokens[static_cast<size_t>(ids[row]) * c + i] + positions[row % length * c + i];
                CHECK(y[row * c + i] == want, "row ", row, ": ", y[row * c + i], " is not ", want);
            }
        }
    }
}
