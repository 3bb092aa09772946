// Layers with a low-rank change on a device against our kernels on the changed weights, in f32.
#include <memory>
#include <vector>

#include "native/engine/program_cache.h"
#include "native/test/engine/device_engines.h"
#include "native/test/engine/support.h"
#include "native/test/kernels/support.h"
#include "native/test/weights/model_files.h"

using namespace nd::engine;
using namespace nd::test;
using nd::ops::Map;

namespace {

constexpr int64_t kIn = 40, kOut = 24, kRank = 3, kWidth = 5, kHeight = 2, kBatch = 2;

struct Numbers {
    std::vector<float> weight = noise(kOut * kIn, 1), bias = noise(kOut, 2), down = noise(kRank * kIn, 3),
                       up = noise(kOut * kRank, 4), x = noise(kBatch * kIn * kHeight * kWidth, 5),
                       residual = noise(kBatch * kOut * kHeight * kWidth, 6);
};

// A linear layer with a residual, then a gated one of the same weights -> what both give.
std::vector<float> run(const std::shared_ptr<nd::backend::Device>& device, const Numbers& numbers, bool low_rank) {
    nd::backend::ThreadPool threads(1);
    ProgramCache programs(SIZE_MAX, device);
    auto built = std::make_unique<Program>(device ? Machine(device, true) : Machine(threads, {}));
    nd::ops::LowRanks changes;
    const auto tensor = [&](int64_t rows, int64_t columns) {
        return built->graph.input(GGML_TYPE_F32, {columns, rows, 1, 1});
    };
    const nd::ops::Linear layer{tensor(kOut, kIn), tensor(1, kOut), kIn, kOut};
    const nd::ops::LowRank change{tensor(kRank, kIn), tensor(kOut, kRank), kRank};
    if (low_rank) changes.emplace(layer.weight, change);
    built->ops.set_low_ranks(changes);
    const Map x = built->ops.input(kBatch, kHeight, kWidth, kIn);
    const Map residual = built->ops.input(kBatch, kHeight, kWidth, kOut);
    built->outputs = {built->ops.linear(x, layer, &residual), built->ops.geglu(x, layer)};
    for (const Map& output : built->outputs) built->ops.output(output);

    Program& program = programs.get("", [&] { return std::move(built); });
    const auto set = [](ggml_tensor* to, const std::vector<float>& values) {
        ggml_backend_tensor_set(to, values.data(), 0, values.size() * sizeof(float));
    };
    set(layer.weight, numbers.weight), set(layer.bias, numbers.bias);
    set(change.down, numbers.down), set(change.up, numbers.up);
    program.ops.write(x, numbers.x.data()), program.ops.write(residual, numbers.residual.data());
    program.graph.compute(nullptr);
    std::vector<float> values(static_cast<size_t>(program.outputs[0].size() + program.outputs[1].size()));
    program.ops.read(program.outputs[0], values.data());
    program.ops.read(program.outputs[1], values.data() + program.outputs[0].size());
    return values;
}

}  // namespace

TEST("device: low-rank changes of a layer, and of a gated one, run beside it") {
    const Numbers numbers;
    Numbers merged;
    for (int64_t row = 0; row < kOut; row++) {
        for (int64_t r = 0; r < kRank; r++) {
            const float factor = numbers.up[static_cast<size_t>(row * kRank + r)];
            for (int64_t i = 0; i < kIn; i++)
                merged.weight[static_cast<size_t>(row * kIn + i)] +=
                    factor * numbers.down[static_cast<size_t>(r * kIn + i)];
        }
    }
    const auto opened = device();
    const auto got = run(opened, numbers, true), unchanged = run(opened, numbers, false);
    const auto wanted = run(nullptr, merged, false);
    const auto size = static_cast<int64_t>(wanted.size());
    const double error = relative_error(got.data(), wanted.data(), size);
    CHECK(error < kMostInF32, error);
    CHECK(relative_error(unchanged.data(), wanted.data(), size) > 0.1);
}
