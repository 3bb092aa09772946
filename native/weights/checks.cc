// What all readers of untrusted files share: JSON without surprises, and values fit for a message.
#include "native/weights/checks.h"

#include <algorithm>
#include <functional>

#include "native/error.h"

namespace nd::weights {

namespace {

constexpr int kMaxDepth = 64;  // copying and printing JSON recurse: a deeper tree could exhaust the stack
constexpr uint64_t kMaxElements = uint64_t{1} << 62;

}  // namespace

nlohmann::json parse_object(std::string_view text, const std::string& what) {
    const auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        if (depth > kMaxDepth) fail("FILE_INVALID", what, ": JSON nested deeper than ", kMaxDepth, " levels");
        return true;
    };
    nlohmann::json value;
    try {
        value = nlohmann::json::parse(text.begin(), text.end(), limit_depth);
    } catch (const nlohmann::json::exception& error) {
        fail("FILE_INVALID", what, ": not valid JSON: ", printable(error.what()));
    }
    if (!value.is_object()) fail("FILE_INVALID", what, ": expected a JSON object, got ", value.type_name());
    return value;
}

std::string printable(std::string_view text) {
    constexpr size_t kMaxLength = 100;
    std::string result(text.substr(0, kMaxLength));
    for (char& c : result) {
        if (c < ' ' || c > '~') c = '?';
    }
    if (text.size() > kMaxLength) result.replace(kMaxLength - 3, 3, "...");
    return result;
}

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + "]";
}

std::optional<uint64_t> element_count(const std::vector<int64_t>& shape) {
    uint64_t count = 1;
    bool empty = false;
    for (int64_t n : shape) {
        if (n < 0) return std::nullopt;
        if (n == 0) {
            empty = true;
            continue;
        }
        if (count > kMaxElements / static_cast<uint64_t>(n)) return std::nullopt;
        count *= static_cast<uint64_t>(n);
    }
    return empty ? 0 : count;
}

void check_no_overlap(const TensorMap& tensors, const std::string& path) {
    std::vector<const TensorSource*> order;
    for (const auto& [name, tensor] : tensors) {
        if (tensor.size > 0) order.push_back(&tensor);
    }
    const std::less<const std::byte*> before;
    std::sort(order.begin(), order.end(),
              [&](const TensorSource* a, const TensorSource* b) { return before(a->data, b->data); });
    for (size_t i = 1; i < order.size(); ++i) {
        if (before(order[i]->data, order[i - 1]->data + order[i - 1]->size)) {
            fail("FILE_INVALID", path, ": tensors ", printable(order[i - 1]->file_name), " and ",
                 printable(order[i]->file_name), " share bytes");
        }
    }
}

}  // namespace nd::weights
