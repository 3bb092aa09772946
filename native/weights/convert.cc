// Rows of weights from the type and order of a file to those of a tensor.
#include "native/weights/convert.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

constexpr int64_t kBlockValues = 1 << 15;  // 128 KiB as f32: what stays in the caches from one pass to the next

// [in][taps] -> [taps][in], from and to bytes of any alignment.
template <typename T>
void transpose_row(const std::byte* from, int64_t in, int64_t taps, std::byte* to) {
    for (int64_t tap = 0; tap < taps; ++tap) {
        const std::byte* value = from + static_cast<size_t>(tap) * sizeof(T);
        for (int64_t i = 0; i < in; ++i, to += sizeof(T), value += static_cast<size_t>(taps) * sizeof(T))
            std::memcpy(to, value, sizeof(T));
    }
}

// Rows of values of one type, moved as they are.
template <typename T>
void transpose_rows(const std::byte* from, const RowPlan& plan, int64_t count, std::byte* to) {
    const size_t bytes = static_cast<size_t>(plan.row_values()) * sizeof(T);
    for (int64_t row = 0; row < count; ++row, from += bytes, to += bytes)
        transpose_row<T>(from, plan.inner, plan.taps, to);
}

// `n` values that begin at `from`, whole blocks.
void read_floats(const TensorSource& source, const std::byte* from, size_t bytes, int64_t n, float* values,
                 std::vector<std::byte>& aligned) {
    if (source.type == GGML_TYPE_F32) {
        std::memcpy(values, from, bytes);
        return;
    }
    constexpr uintptr_t kAlignment = 16;
    if (reinterpret_cast<uintptr_t>(from) % kAlignment != 0) {
        aligned.assign(from, from + bytes);
        from = aligned.data();
    }
    ggml_get_type_traits(source.type)->to_float(from, values, n);
}

void write_floats(const TensorSource& source, const RowPlan& plan, const float* values, int64_t n, std::byte* target) {
    switch (plan.type) {
        case GGML_TYPE_F32:
            std::memcpy(target, values, static_cast<size_t>(n) * sizeof(float));
            return;
        case GGML_TYPE_F16:
            ggml_fp32_to_fp16_row(values, reinterpret_cast<ggml_fp16_t*>(target), n);
            return;
        case GGML_TYPE_BF16:
            ggml_fp32_to_bf16_row(values, reinterpret_cast<ggml_bf16_t*>(target), n);
            return;
        default:
            break;
    }
    check_finite(source, ggml_type_name(plan.type), values, static_cast<size_t>(n));
    ggml_quantize_chunk(plan.type, values, target, 0, n / plan.inner, plan.inner, nullptr);
}

// Rows by way of f32.
void convert_block(const TensorSource& source, const RowPlan& plan, const std::byte* from, int64_t count,
                   std::byte* target, ConvertBuffers& buffers) {
    const int64_t n = count * plan.row_values();
    buffers.values.resize(static_cast<size_t>(n));
    read_floats(source, from, ggml_row_size(source.type, n), n, buffers.values.data(), buffers.aligned);
    const float* values = buffers.values.data();
    if (plan.taps > 1) {
        buffers.relaid.resize(static_cast<size_t>(n));
        transpose_rows<float>(reinterpret_cast<const std::byte*>(values), plan, count,
                              reinterpret_cast<std::byte*>(buffers.relaid.data()));
        values = buffers.relaid.data();
    }
    write_floats(source, plan, values, n, target);
}

}  // namespace

void check_finite(const TensorSource& source, const char* type, const float* values, size_t n) {
    // All of them at once, which a compiler makes vectors of, before looking for which it is.
    constexpr uint32_t kExponent = 0x7f800000;
    bool bad = false;
    for (size_t i = 0; i < n; ++i) bad |= (std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent;
    for (size_t i = 0; bad && i < n; ++i) {
        if (std::isfinite(values[i])) continue;
        fail("FILE_INVALID", "tensor ", printable(source.file_name), ": holds ", values[i],
             ", which cannot be quantised to ", type);
    }
}

void convert_rows(const TensorSource& source, const RowPlan& plan, int64_t first, int64_t count, std::byte* target,
                  ConvertBuffers& buffers) {
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
    const int64_t step = std::max<int64_t>(1, kBlockValues / plan.row_values());
    const size_t row_bytes = ggml_row_size(source.type, plan.row_values());
    for (int64_t row = 0; row < count; row += step) {
        convert_block(source, plan, from + static_cast<size_t>(row) * row_bytes, std::min(step, count - row),
                      target + static_cast<size_t>(row) * plan.row_bytes(), buffers);
    }
}

}  // namespace nd::weights
