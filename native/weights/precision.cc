// The number formats that weights can be loaded in, and which of them a given row of weights takes.
#include "native/weights/precision.h"

#include <algorithm>
#include <iterator>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

struct Precision {
    const char* name;
    ggml_type type;
};

constexpr Precision kPrecisions[] = {
    {"f32", GGML_TYPE_F32},       {"f16", GGML_TYPE_F16},     {"bf16", GGML_TYPE_BF16},   {"q8_0", GGML_TYPE_Q8_0},
    {"q6_k", GGML_TYPE_Q6_K},     {"q5_0", GGML_TYPE_Q5_0},   {"q5_1", GGML_TYPE_Q5_1},   {"q5_k", GGML_TYPE_Q5_K},
    {"q4_0", GGML_TYPE_Q4_0},     {"q4_1", GGML_TYPE_Q4_1},   {"q4_k", GGML_TYPE_Q4_K},   {"iq4_nl", GGML_TYPE_IQ4_NL},
    {"iq4_xs", GGML_TYPE_IQ4_XS}, {"mxfp4", GGML_TYPE_MXFP4}, {"nvfp4", GGML_TYPE_NVFP4}, {"q3_k", GGML_TYPE_Q3_K},
    {"q2_k", GGML_TYPE_Q2_K},     {"tq2_0", GGML_TYPE_TQ2_0}, {"tq1_0", GGML_TYPE_TQ1_0}, {"q1_0", GGML_TYPE_Q1_0},
};

}  // namespace

std::optional<ggml_type> parse_precision(const std::string& name, const char* what) {
    if (name == "auto") return std::nullopt;
    std::string names = "auto";
    for (const Precision& precision : kPrecisions) {
        if (name == precision.name) return precision.type;
        names += std::string(", ") + precision.name;
    }
    fail("INVALID_ARGUMENT", what, ": expected one of ", names, ", got '", printable(name), "'");
}

bool can_write(ggml_type type) {
    return std::any_of(std::begin(kPrecisions), std::end(kPrecisions),
                       [&](const Precision& precision) { return precision.type == type; });
}

ggml_type fit_row(ggml_type wanted, int64_t n) {
    if (can_write(wanted) && n % ggml_blck_size(wanted) == 0) return wanted;
    return n % ggml_blck_size(GGML_TYPE_Q8_0) == 0 ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
}

ggml_type stored_type(Role role, std::optional<ggml_type> precision, ggml_type source, bool relaid, int64_t rows,
                      int64_t row) {
    constexpr int64_t kLargeTable = 4096;  // rows: a vocabulary's
    if (role == Role::Vector) return GGML_TYPE_F32;
    if (role == Role::Table) {
        if (precision && ggml_is_quantized(*precision) && rows >= kLargeTable) return fit_row(GGML_TYPE_Q8_0, row);
        return ggml_is_quantized(source) ? GGML_TYPE_F16 : source;
    }
    const ggml_type wanted = precision.value_or(source);
    if (wanted == source && !relaid && row % ggml_blck_size(wanted) == 0) return wanted;  // taken as it is
    return fit_row(wanted, row);
}

}  // namespace nd::weights
