// Rows of weights from the type and order of a file to those of a tensor.
#include "native/weights/convert.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

// [in][taps] -> [taps][in]
template <typename T>
void transpose_row(const T* from, int64_t in, int64_t taps, T* to) {
    for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t i = 0; i < in; ++i) to[tap * in + i] = from[i * taps + tap];
    }
}

// Values of one type, moved as they are.
template <typename T>
void transpose_rows(const std::byte* from, const RowPlan& plan, int64_t count, std::byte* to) {
    const size_t n = static_cast<size_t>(plan.row_values());
    std::vector<T> in(n), out(n);  // the file's bytes need not be aligned
    for (int64_t row = 0; row < count; ++row) {
        std::memcpy(in.data(), from + static_cast<size_t>(row) * n * sizeof(T), n * sizeof(T));
        transpose_row(in.data(), plan.inner, plan.taps, out.data());
        std::memcpy(to + static_cast<size_t>(row) * n * sizeof(T), out.data(), n * sizeof(T));
    }
}

// `n` values that begin at `from`, whole blocks.
std::vector<float> read_floats(const TensorSource& source, const std::byte* from, size_t bytes, int64_t n) {
    std::vector<float> values(static_cast<size_t>(n));
    if (source.type == GGML_TYPE_F32) {
        std::memcpy(values.data(), from, bytes);
        return values;
    }
    constexpr uintptr_t kAlignment = 16;
    std::vector<std::byte> aligned;
    if (reinterpret_cast<uintptr_t>(from) % kAlignment != 0) {
        aligned.assign(from, from + bytes);
        from = aligned.data();
    }
    ggml_get_type_traits(source.type)->to_float(from, values.data(), n);
    return values;
}

void write_floats(const TensorSource& source, const RowPlan& plan, const std::vector<float>& values,
                  std::byte* target) {
    const int64_t n = static_cast<int64_t>(values.size());
    switch (plan.type) {
        case GGML_TYPE_F32:
            std::memcpy(target, values.data(), values.size() * sizeof(float));
            return;
        case GGML_TYPE_F16:
            ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(target), n);
            return;
        case GGML_TYPE_BF16:
            ggml_fp32_to_bf16_row(values.data(), reinterpret_cast<ggml_bf16_t*>(target), n);
            return;
        default:
            break;
    }
    for (float value : values) {
        if (!std::isfinite(value)) {
            fail("FILE_INVALID", "tensor ", printable(source.file_name), ": holds ", value,
                 ", which cannot be quantised to ", ggml_type_name(plan.type));
        }
    }
    ggml_quantize_chunk(plan.type, values.data(), target, 0, n / plan.inner, plan.inner, nullptr);
}

}  // namespace

void convert_rows(const TensorSource& source, const RowPlan& plan, int64_t first, int64_t count, std::byte* target) {
    // Rows of a source with blocks may be shorter than a block (see fit_row's callers); those arrive as one row.
    const int64_t begin = first * plan.row_values(), n = count * plan.row_values();
    const size_t offset = ggml_row_size(source.type, begin), bytes = ggml_row_size(source.type, n);
    const std::byte* from = source.data + offset;
    if (source.type == plan.type && plan.taps == 1) {
        std::memcpy(target, from, bytes);
        return;
    }
    if (source.type == plan.type && ggml_blck_size(source.type) == 1) {
        const bool wide = ggml_type_size(source.type) == sizeof(uint32_t);
        return wide ? transpose_rows<uint32_t>(from, plan, count, target)
                    : transpose_rows<uint16_t>(from, plan, count, target);
    }
    std::vector<float> values = read_floats(source, from, bytes, n);
    if (plan.taps > 1) {
        std::vector<float> relaid(values.size());
        for (int64_t row = 0; row < count; ++row) {
            const int64_t at = row * plan.row_values();
            transpose_row(values.data() + at, plan.inner, plan.taps, relaid.data() + at);
        }
        values.swap(relaid);
    }
    write_floats(source, plan, values, target);
}

}  // namespace nd::weights
