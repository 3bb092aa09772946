// What a tensor of a model becomes in a converted file: its type, its shape, and how its rows get there.
#include "native/weights/conversion_plan.h"

#include <numeric>
#include <string_view>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/precision.h"

namespace nd::weights {

namespace {

bool is_blocks(ggml_type type) {
    return ggml_blck_size(type) > 1;
}

int64_t square_root(int64_t n) {
    int64_t root = 0;
    while ((root + 1) * (root + 1) <= n) ++root;
    return root;
}

int64_t product(const std::vector<int64_t>& shape, size_t from) {
    return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(from), shape.end(), int64_t{1},
                           std::multiplies<>());
}

Role role_of(const std::string& name, const std::vector<int64_t>& shape) {
    if (shape.size() < 2) return Role::Vector;
    return name.find(".embeddings.") != std::string::npos ? Role::Table : Role::Weight;
}

// The source as rows that can be quantised: [rows][inner], or [rows][inner][taps] as a convolution has them.
struct Rows {
    int64_t rows = 1, inner = 1, taps = 1;
    std::vector<int64_t> shape;  // once each row is [taps][inner]
};

Rows as_rows(const std::vector<int64_t>& shape) {
    if (shape.size() == 4) {
        const int64_t taps = shape[2] * shape[3];
        if (taps == 1) return {shape[0], shape[1], 1, {shape[0], shape[1]}};
        return {shape[0], shape[1], taps, {shape[0], taps, shape[1]}};
    }
    if (shape.size() == 3 && shape[2] == 1) return {shape[0], shape[1], 1, {shape[0], shape[1]}};
    const int64_t inner = shape.empty() ? 1 : shape.back();
    return {product(shape, 0) / inner, inner, 1, shape};
}

ggml_type choose(const std::string& name, const TensorSource& source, const Rows& rows, const ConversionTypes& types) {
    std::optional<ggml_type> wanted = types.type;
    bool by_rule = false;
    for (const ConversionRule& rule : types.rules) {
        if (!matches(name, rule.pattern)) continue;
        wanted = rule.type, by_rule = true;
        break;
    }
    const Role role = role_of(name, source.shape);
    const bool floats = wanted && !is_blocks(*wanted);
    const ggml_type kept = is_blocks(source.type) ? role == Role::Vector ? GGML_TYPE_F32 : GGML_TYPE_F16 : source.type;
    if (role == Role::Vector) return floats && (by_rule || *wanted == GGML_TYPE_F32) ? *wanted : kept;
    if (role == Role::Table && floats) {
        const bool positions = name.find("position_embedding") != std::string::npos;
        return !positions || by_rule || *wanted == GGML_TYPE_F32 ? *wanted : kept;
    }
    const ggml_type type = stored_type(role, wanted, source.type, rows.taps > 1, rows.rows, rows.inner);
    return is_blocks(type) && !types.blocks ? kept : type;
}

}  // namespace

// Takes each `*` as short as possible first, and only ever comes back to the last one: n * m steps at most.
bool matches(const std::string& name, const std::string& pattern) {
    size_t n = 0, p = 0, star = std::string::npos, after = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++, after = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p, ++n;
        } else if (star != std::string::npos) {
            p = star + 1, n = ++after;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

ConversionPlan plan_conversion(const std::string& name, const TensorSource& source, const ConversionTypes& types) {
    const std::vector<int64_t>& shape = source.shape;
    const Rows rows = as_rows(shape);
    ConversionPlan plan;
    plan.rows.type = choose(name, source, rows, types);
    const int64_t side = shape.size() == 3 ? square_root(shape[1]) : 0;
    if (is_blocks(plan.rows.type)) {
        plan.rows.rows = rows.rows, plan.rows.inner = rows.inner, plan.rows.taps = rows.taps;
        plan.shape = rows.shape;
    } else if (shape.size() == 3 && shape[2] > 1 && side * side == shape[1]) {
        // [out, k * k, in] -> [out, in, k, k]: the other way round, the one is the other's transpose.
        plan.rows.rows = shape[0], plan.rows.inner = shape[1], plan.rows.taps = shape[2];
        plan.shape = {shape[0], shape[2], side, side};
    } else {
        plan.rows.rows = shape.size() < 2 ? 1 : shape[0];
        plan.rows.inner = product(shape, shape.size() < 2 ? 0 : 1);
        plan.shape = shape;
    }
    if (plan.rows.row_values() % ggml_blck_size(source.type) != 0) {
        fail("UNSUPPORTED_TYPE", "tensor ", printable(source.file_name), ": shape ", shape_text(shape), " of ",
             ggml_type_name(source.type), " does not split into rows of ", plan.rows.row_values(), " values");
    }
    return plan;
}

}  // namespace nd::weights
