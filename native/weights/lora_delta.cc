#include "native/weights/lora_delta.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

// Reads the factors of one layer, checking that each has the shape that the others and the weight ask for.
class Reader {
  public:
    Reader(const LoraFile& file, const LoraLayer& layer, const WeightStore::Extent& extent)
        : file_(file), layer_(layer), extent_(extent) {}

    bool has(const char* role) const { return layer_.find(role) != nullptr; }

    const TensorSource& at(const char* role) const {
        if (const TensorSource* tensor = layer_.find(role)) return *tensor;
        const std::string& sibling = layer_.tensors.begin()->second.file_name;
        fail("FILE_INVALID", file_.path(), ": the layer of ", printable(sibling), " lacks its ", role);
    }

    int64_t extent_of(const char* role, size_t dimension) const {
        const TensorSource& tensor = at(role);
        constexpr int64_t kMost = int64_t{1} << 24;  // keeps products representable
        const bool fits =
            tensor.shape.size() > dimension && tensor.shape[dimension] > 0 && tensor.shape[dimension] < kMost;
        if (!fits) refuse(tensor, "a matrix");
        return tensor.shape[dimension];
    }

    // [rows][in] or [rows][in][taps], as one matrix [rows][taps][in].
    std::vector<float> matrix(const char* role, int64_t rows, int64_t taps, int64_t in) const {
        const TensorSource& tensor = at(role);
        const auto& shape = tensor.shape;
        const bool rows_fit = shape.size() >= 2 && shape[0] == rows;
        const bool flat = shape.size() == 2 && shape[1] == in * taps;
        const bool whole = shape.size() > 2 && shape[1] == in;
        if (!rows_fit || (!flat && !whole) || element_count(shape) != static_cast<uint64_t>(rows * in * taps)) {
            refuse(tensor, shape_text({rows, in, taps}));
        }
        return relaid(read_values(tensor), rows, in, taps);
    }

    // Any shape of that many values, in the order of a weight's rows.
    std::vector<float> full(const char* role) const {
        const TensorSource& tensor = at(role);
        const int64_t count = extent_.out * extent_.taps * extent_.in;
        if (element_count(tensor.shape) != static_cast<uint64_t>(count)) {
            refuse(tensor, shape_text({extent_.out, extent_.in, extent_.taps}));
        }
        return relaid(read_values(tensor), extent_.out, extent_.in, extent_.taps);
    }

    [[noreturn]] void refuse(const TensorSource& tensor, const std::string& expected) const {
        const std::string made_for = file_.made_for();
        fail("TENSOR_SHAPE", file_.path(), ": tensor ", printable(tensor.file_name), ": expected ", expected,
             " for this model, got ", shape_text(tensor.shape),
             made_for.empty() ? "" : " (the file is for " + made_for + ")");
    }

  private:
    // [rows][in][taps] -> [rows][taps][in]
    static std::vector<float> relaid(std::vector<float> values, int64_t rows, int64_t in, int64_t taps) {
        if (taps == 1) return values;
        std::vector<float> result(values.size());
        for (int64_t row = 0; row < rows; ++row) {
            const float* from = values.data() + row * in * taps;
            float* to = result.data() + row * in * taps;
            for (int64_t tap = 0; tap < taps; ++tap) {
                for (int64_t i = 0; i < in; ++i) to[tap * in + i] = from[i * taps + tap];
            }
        }
        return result;
    }

    const LoraFile& file_;
    const LoraLayer& layer_;
    const WeightStore::Extent& extent_;
};

std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t columns) {
    std::vector<float> result(values.size());
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t column = 0; column < columns; ++column)
            result[static_cast<size_t>(column * rows + row)] = values[static_cast<size_t>(row * columns + column)];
    }
    return result;
}

// Tucker's form of a convolution: core [rank][taps][inner] and b [inner][in] -> [rank][taps][in].
std::vector<float> contracted(const std::vector<float>& core, const std::vector<float>& b, int64_t rank, int64_t taps,
                              int64_t inner, int64_t in) {
    const Factors factors{rank * taps, inner, in, core, b};
    std::vector<float> result(static_cast<size_t>(rank * taps * in));
    for (int64_t row = 0; row < factors.rows; ++row) factors.add_row(row, 1, result.data() + row * in);
    return result;
}

// up [out][rank], down [rank][in][taps]; or with mid [rank][inner][taps], down [inner][in].
Factors read_lora(const Reader& reader, const WeightStore::Extent& extent) {
    const int64_t inner = reader.extent_of("down", 0), rank = reader.extent_of("up", 1);
    std::vector<float> up = reader.matrix("up", extent.out, 1, rank), down;
    if (reader.has("mid")) {
        const std::vector<float> core = reader.matrix("mid", rank, extent.taps, inner);
        down = contracted(core, reader.matrix("down", inner, 1, extent.in), rank, extent.taps, inner, extent.in);
    } else {
        down = reader.matrix("down", rank, extent.taps, extent.in);
    }
    return {extent.out, rank, extent.taps * extent.in, std::move(up), std::move(down)};
}

// a [out][rank], b [rank][in * taps]; or with t [rank][inner][taps], a [rank][out] and b [inner][in].
Factors read_factors(const Reader& reader, const std::string& a, const std::string& b, const std::string& t,
                     int64_t out, int64_t taps, int64_t in) {
    const int64_t rank = reader.extent_of(b.c_str(), 0);
    if (!reader.has(t.c_str())) {
        return {out, rank, taps * in, reader.matrix(a.c_str(), out, 1, rank), reader.matrix(b.c_str(), rank, taps, in)};
    }
    const int64_t outer = reader.extent_of(a.c_str(), 0);
    std::vector<float> left = transposed(reader.matrix(a.c_str(), outer, 1, out), outer, out);
    const std::vector<float> core = reader.matrix(t.c_str(), outer, taps, rank);
    return {out, outer, taps * in, std::move(left),
            contracted(core, reader.matrix(b.c_str(), rank, 1, in), outer, taps, rank, in)};
}

Factors multiplied(const Factors& factors) {
    Factors matrix{factors.rows, factors.rows, factors.columns, {}, {}};
    matrix.b.resize(static_cast<size_t>(factors.rows * factors.columns));
    for (int64_t row = 0; row < factors.rows; ++row) factors.add_row(row, 1, matrix.b.data() + row * factors.columns);
    return matrix;
}

// One of a Kronecker product's matrices [out][taps][in], whole or as factors.
Factors read_kronecker(const Reader& reader, const std::string& name, int64_t out, int64_t taps, int64_t in) {
    if (reader.has(name.c_str())) return {out, out, taps * in, {}, reader.matrix(name.c_str(), out, taps, in)};
    return multiplied(
        read_factors(reader, name + "_a", name + "_b", name == "lokr_w2" ? "lokr_t2" : "", out, taps, in));
}

// Rows and columns of a Kronecker product's matrix, without its taps.
std::pair<int64_t, int64_t> kronecker_extents(const Reader& reader, const std::string& name, int64_t taps) {
    if (reader.has(name.c_str())) return {reader.extent_of(name.c_str(), 0), reader.extent_of(name.c_str(), 1)};
    const std::string a = name + "_a", b = name + "_b";
    const bool tucker = name == "lokr_w2" && reader.has("lokr_t2");
    return {reader.extent_of(a.c_str(), tucker ? 1 : 0), reader.extent_of(b.c_str(), 1) / (tucker ? 1 : taps)};
}

}  // namespace

void Factors::add_row(int64_t row, float scale, float* values) const {
    const bool whole = a.empty();
    for (int64_t r = whole ? row : 0; r < (whole ? row + 1 : rank); ++r) {
        const float factor = whole ? scale : scale * a[static_cast<size_t>(row * rank + r)];
        const float* from = b.data() + r * columns;
        for (int64_t i = 0; i < columns; ++i) values[i] += factor * from[i];
    }
}

bool changes(const LoraLayer& layer, bool bias) {
    const auto any = [&](std::initializer_list<const char*> roles) {
        return std::any_of(roles.begin(), roles.end(), [&](const char* role) { return layer.find(role) != nullptr; });
    };
    return bias ? any({"diff_b", "b_norm"}) : std::string(layer.kind()) != "full" || any({"diff", "w_norm"});
}

bool is_low_rank(const LoraLayer& layer, bool bias) {
    return !bias && std::string(layer.kind()) == "lora";
}

LoraDelta::LoraDelta(const LoraFile& file, const LoraLayer& layer, const WeightStore::Extent& extent, bool bias)
    : columns_(extent.taps * extent.in), taps_(extent.taps), scale_(static_cast<float>(layer.scale)) {
    const Reader reader(file, layer, extent);
    const std::string kind = bias ? "full" : layer.kind();
    if (kind == "lora") {
        kind_ = Kind::product;
        first_ = read_lora(reader, extent);
    } else if (kind == "loha") {
        kind_ = Kind::hadamard;
        first_ = read_factors(reader, "hada_w1_a", "hada_w1_b", "hada_t1", extent.out, extent.taps, extent.in);
        second_ = read_factors(reader, "hada_w2_a", "hada_w2_b", "hada_t2", extent.out, extent.taps, extent.in);
    } else if (kind == "lokr") {
        kind_ = Kind::kronecker;
        const auto [out1, in1] = kronecker_extents(reader, "lokr_w1", 1);
        const auto [out2, in2] = kronecker_extents(reader, "lokr_w2", extent.taps);
        if (out1 * out2 != extent.out || in1 * in2 != extent.in) {
            reader.refuse(layer.tensors.begin()->second,
                          "factors of [" + std::to_string(extent.out) + ", " + std::to_string(extent.in) + "]");
        }
        first_ = read_kronecker(reader, "lokr_w1", out1, 1, in1);
        second_ = read_kronecker(reader, "lokr_w2", out2, extent.taps, in2);
    } else {
        const char* role = bias ? (reader.has("diff_b") ? "diff_b" : "b_norm") : reader.has("diff") ? "diff" : "w_norm";
        first_ = {extent.out, extent.out, columns_, {}, reader.full(role)};
        scale_ = 1;
    }
}

void LoraDelta::add(int64_t first, int64_t count, float scale, float* values) const {
    const float factor = scale * scale_;
    std::vector<float> left, right;
    for (int64_t row = first; row < first + count; ++row, values += columns_) {
        if (kind_ == Kind::hadamard) {
            left.assign(static_cast<size_t>(columns_), 0.0f);
            right.assign(static_cast<size_t>(columns_), 0.0f);
            first_.add_row(row, 1, left.data());
            second_.add_row(row, 1, right.data());
            for (size_t i = 0; i < left.size(); ++i) values[i] += factor * left[i] * right[i];
        } else if (kind_ == Kind::kronecker) {
            const int64_t in1 = first_.columns, in2 = second_.columns / taps_;
            const float* outer = first_.b.data() + row / second_.rows * in1;
            const float* inner = second_.b.data() + row % second_.rows * second_.columns;
            for (int64_t tap = 0; tap < taps_; ++tap) {
                for (int64_t i = 0; i < in1; ++i) {
                    float* to = values + tap * in1 * in2 + i * in2;
                    for (int64_t j = 0; j < in2; ++j) to[j] += factor * outer[i] * inner[tap * in2 + j];
                }
            }
        } else {
            first_.add_row(row, factor, values);
        }
    }
}

}  // namespace nd::weights
