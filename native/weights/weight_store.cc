// The weights of a loaded model: declared by the networks, then read from the file in the wanted precision.
#include "native/weights/weight_store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "native/error.h"
#include "native/huge_pages.h"
#include "native/weights/checks.h"
#include "native/weights/convert.h"
#include "native/weights/packing_plan.h"
#include "native/weights/precision.h"
#include "native/weights/workers.h"

namespace nd::weights {

// PlaneConvolution: one whose rows are [in][taps], as files have them, for devices other than the CPU.
enum class WeightStore::Kind { Matrix, GatedMatrix, Convolution, PlaneConvolution, Vector, Table };

struct WeightStore::Entry {
    Kind kind;
    std::vector<int64_t> shape;
    TensorSource source;  // its bytes are there as long as its file
    RowPlan plan;         // of packed weights: what they are packed from
    ggml_tensor* tensor;

    kernels::Packing packing() const { return kernels::packing_of(*tensor); }
    bool panels() const { return kernels::in_panels(packing()); }
    bool gated() const { return kind == Kind::GatedMatrix; }
    bool as_planes() const { return kind == Kind::PlaneConvolution; }
    int64_t taps() const { return kind == Kind::Convolution || as_planes() ? shape[1] : 1; }
    // What chunks are cut from: rows of the plan, with those that fill up a gated layer's panels.
    int64_t rows() const { return panels() && gated() ? kernels::places_of(plan.rows, true) : plan.rows; }
    // Rows of the plan that make a row of the tensor: a relaid convolution's are its taps.
    int64_t plan_rows() const { return kind == Kind::Convolution ? taps() / plan.taps : 1; }
    // How `count` of the plan's rows become f32 as a change takes them, [taps][in], and how those become the tensor's.
    RowPlan to_change() const {
        RowPlan values = plan;
        values.type = GGML_TYPE_F32;
        if (as_planes()) {  // which the plan turns where a change does not, and the other way round
            const bool turned = plan.taps > 1;
            values.inner = turned ? plan.row_values() : shape[2];
            values.taps = turned ? 1 : taps();
        }
        return values;
    }
    RowPlan from_change(int64_t count) const {
        if (as_planes() && taps() > 1) return {count, taps(), shape[2], plan.type};
        return {count * plan.taps, plan.inner, 1, plan.type};
    }
    int64_t size() const {
        int64_t product = 1;
        for (const int64_t extent : shape) product *= extent;
        return product;
    }
};

namespace {

constexpr size_t kMaxTensors = 16384;               // of a store; Stable Diffusion 2 has some 1,300
constexpr int64_t kMaxKernel = 4096;                // keeps its square representable
constexpr int64_t kChunkValues = 1 << 18;           // 1 MiB as f32: what one thread converts at a time
constexpr size_t kReleaseBytes = size_t{64} << 20;  // of the file that may stay mapped into memory

// PyTorch prints a leading 1 where GGUF may leave it out.
bool same_shape(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
    const auto skip_ones = [](const std::vector<int64_t>& shape) {
        return std::find_if(shape.begin(), shape.end(), [](int64_t n) { return n != 1; });
    };
    return std::equal(skip_ones(a), a.end(), skip_ones(b), b.end());
}

// Whole rows of blocks in the file, so that any row can be read on its own.
bool rows_are_whole_blocks(const TensorSource& source, int64_t row_values) {
    return row_values % ggml_blck_size(source.type) == 0;
}

}  // namespace

WeightStore::WeightStore(const ModelFile& file, LoadOptions options)
    : file_(file), options_(std::move(options)), precision_(parse_precision(options_.precision)) {
    const size_t tensors = std::min(kMaxTensors, file.tensors().size() + 1);
    context_.emplace(tensors);
}

WeightStore::~WeightStore() = default;

ggml_tensor* WeightStore::matrix(const std::string& name, int64_t out, int64_t in) {
    return declare(name, Kind::Matrix, {out, in}, {{out, in}, {out, in, 1, 1}, {out, in, 1}});
}

ggml_tensor* WeightStore::gated_matrix(const std::string& name, int64_t out, int64_t in) {
    return declare(name, Kind::GatedMatrix, {out, in}, {{out, in}, {out, in, 1, 1}, {out, in, 1}});
}

ggml_tensor* WeightStore::convolution(const std::string& name, int64_t out, int64_t in, int64_t kernel) {
    const int64_t taps = kernel > 0 && kernel <= kMaxKernel ? kernel * kernel : -1;  // -1: no shape at all
    std::vector<std::vector<int64_t>> accepted = {{out, in, kernel, kernel}, {out, taps, in}};
    if (kernel == 1) accepted.push_back({out, in});
    return declare(name, options_.multiplies ? Kind::PlaneConvolution : Kind::Convolution, {out, taps, in}, accepted);
}

ggml_tensor* WeightStore::vector(const std::string& name, int64_t n) {
    return declare(name, Kind::Vector, {n}, {{n}});
}

ggml_tensor* WeightStore::table(const std::string& name, int64_t rows, int64_t width) {
    return declare(name, Kind::Table, {rows, width}, {{rows, width}});
}

// `shape` is the tensor's, outermost first, of convolutions [out, taps, in] in either order; `accepted` are the file's
// shapes that hold the same values, of which [out, in, k, k] alone has its rows as [in][taps].
ggml_tensor* WeightStore::declare(const std::string& name, Kind kind, const std::vector<int64_t>& shape,
                                  const std::vector<std::vector<int64_t>>& accepted) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) {
        const Entry& entry = entries_[known->second];
        if (entry.kind != kind || entry.shape != shape) {
            fail("INVALID_ARGUMENT", "tensor ", name, " is declared as ", shape_text(shape), " and as ",
                 shape_text(entry.shape));
        }
        return entry.tensor;
    }
    if (buffer_) fail("INVALID_ARGUMENT", "tensor ", name, " is declared after the weights have been loaded");
    if (entries_.size() + 1 >= kMaxTensors) fail("FILE_INVALID", file_.path(), ": more than ", kMaxTensors, " tensors");

    const TensorSource& source = file_.at(name);
    const auto match = std::find_if(accepted.begin(), accepted.end(),
                                    [&](const auto& candidate) { return same_shape(source.shape, candidate); });
    const std::optional<uint64_t> count = element_count(shape);
    if (match == accepted.end() || !count || *count == 0) {
        fail("TENSOR_SHAPE", file_.path(), ": tensor ", printable(source.file_name), " (", name, "): expected ",
             shape_text(accepted.front()), ", got ", shape_text(source.shape));
    }
    // A convolution that comes in the other order than its kind's is transposed, row by row.
    const bool as_planes = kind == Kind::PlaneConvolution;
    const bool turns =
        as_planes ? match->size() == 3 && (*match)[1] != 1 : kind == Kind::Convolution && match->size() == 4;
    const int64_t row = as_planes ? shape[1] * shape[2] : shape.back();
    const int64_t inner = as_planes && turns ? shape[1] : row;
    const int64_t taps = !turns ? 1 : as_planes ? shape[2] : shape[1];
    const bool packable = options_.pack && kind != Kind::Vector && kind != Kind::Table;
    const ggml_type type = rows_type(kind, source.type, taps > 1, shape.front(), inner);
    const auto packing = packable ? choose_packing(name, precision_, source.type, type, shape.front(),
                                                   kind == Kind::Convolution ? shape[1] : 1, inner)
                                  : kernels::Packing::rows;
    const bool panels = kernels::in_panels(packing);
    RowPlan plan;
    plan.inner = inner;
    plan.taps = taps;
    plan.type = panels ? GGML_TYPE_F32 : type;
    plan.rows = static_cast<int64_t>(*count) / plan.row_values();
    if (!rows_are_whole_blocks(source, plan.row_values())) {
        fail("UNSUPPORTED_TYPE", file_.path(), ": tensor ", printable(source.file_name), ": shape ",
             shape_text(source.shape), " of ", ggml_type_name(source.type), " does not split into rows of ",
             plan.row_values(), " values");
    }

    ggml_tensor* tensor = nullptr;
    if (panels) {
        const int64_t places = kernels::places_of(shape.front(), kind == Kind::GatedMatrix);
        const kernels::PackedLayout layout(packing, places, kind == Kind::Convolution ? shape[1] : 1, inner);
        tensor = ggml_new_tensor_1d(context_->get(), GGML_TYPE_I8, static_cast<int64_t>(layout.size));
    } else {
        const std::vector<int64_t> ne =
            as_planes ? std::vector<int64_t>{row, shape.front()} : std::vector<int64_t>(shape.rbegin(), shape.rend());
        tensor = ggml_new_tensor(context_->get(), plan.type, static_cast<int>(ne.size()), ne.data());
    }
    kernels::set_packing(*tensor, packing, panels && kind == Kind::GatedMatrix);
    ggml_set_name(tensor, name.c_str());
    by_name_.emplace(name, entries_.size());
    entries_.push_back({kind, shape, source, plan, tensor});
    return tensor;
}

ggml_type WeightStore::rows_type(Kind kind, ggml_type source, bool relaid, int64_t rows, int64_t row) const {
    const Role role = kind == Kind::Vector ? Role::Vector : kind == Kind::Table ? Role::Table : Role::Weight;
    const ggml_type type = stored_type(role, precision_, source, relaid, rows, row);
    if (!options_.multiplies || role != Role::Weight || type == GGML_TYPE_F32) return type;
    if (kind == Kind::PlaneConvolution) {
        return precision_.value_or(source) == GGML_TYPE_F32 ? GGML_TYPE_F32 : GGML_TYPE_F16;
    }
    return options_.multiplies(type) ? type : GGML_TYPE_F16;
}

void WeightStore::check_cancelled(const std::atomic<bool>* cancelled) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
        fail("ABORTED", "loading the weights was cancelled");
    }
}

void WeightStore::load(ggml_backend_buffer_type_t type) {
    if (buffer_) fail("INVALID_ARGUMENT", "the weights have been loaded already");
    check_cancelled(options_.cancelled);
    if (!entries_.empty()) {
        backend::check_headroom();
        const size_t wanted = ggml_backend_alloc_ctx_tensors_from_buft_size(context_->get(), type);
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_->get(), type));
        if (!buffer_)
            fail("OUT_OF_MEMORY", "the weights need ", wanted, " bytes of ", ggml_backend_buft_name(type), " memory");
        if (ggml_backend_buffer_is_host(buffer_.get()))
            prefer_huge_pages(ggml_backend_buffer_get_base(buffer_.get()), ggml_backend_buffer_get_size(buffer_.get()));
        ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        try {
            fill();
        } catch (const std::bad_alloc&) {
            fail("OUT_OF_MEMORY", "no memory to convert the weights, of which there are ", bytes(), " bytes");
        }
    }
    file_.check_whole();
    file_.release_pages();
    if (options_.on_progress) options_.on_progress(1.0);
}

void WeightStore::reserve(ggml_backend_buffer_type_t type) {
    reserved_ = ggml_backend_alloc_ctx_tensors_from_buft_size(context_->get(), type);
    static char nowhere;
    for (const Entry& entry : entries_) entry.tensor->data = &nowhere;
}

// A range of the plan's rows, which makes whole rows of the tensor, and whole panels where it is packed. Some backends
// repack a tensor as it comes, so those that are not the host get it whole.
std::vector<WeightStore::Chunk> WeightStore::chunks_of(size_t index) const {
    const Entry& entry = entries_[index];
    const RowPlan& plan = entry.plan;
    const bool packed = entry.panels();
    const int64_t unit = entry.plan_rows() * (packed ? kernels::kPanel : 1);
    const int64_t units = std::max<int64_t>(1, kChunkValues / (unit * plan.row_values()));
    const bool host = ggml_backend_buffer_is_host(buffer_.get());
    const int64_t step = packed || host ? unit * units : plan.rows, rows = entry.rows();
    std::vector<Chunk> chunks;
    for (int64_t row = 0; row < rows; row += step) chunks.push_back({index, row, std::min(step, rows - row)});
    return chunks;
}

// In the order of the file, so that it is read once from front to end.
void WeightStore::fill() {
    std::vector<size_t> order(entries_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return std::less<const std::byte*>()(entries_[a].source.data, entries_[b].source.data);
    });
    std::vector<Chunk> chunks;
    size_t total = 0;
    for (size_t index : order) {
        const std::vector<Chunk> own = chunks_of(index);
        chunks.insert(chunks.end(), own.begin(), own.end());
        total += entries_[index].source.size;
    }

    std::atomic<size_t> done{0};
    size_t released = 0;
    std::mutex device;
    const auto work = [&](size_t job, ConvertBuffers& buffers) {
        check_cancelled(options_.cancelled);
        const Chunk& chunk = chunks[job];
        const Entry& entry = entries_[chunk.entry];
        fill_chunk(entry, chunk, nullptr, device, buffers);
        done += ggml_row_size(entry.source.type, chunk.count * entry.plan.row_values());
    };
    const auto between = [&] {
        const size_t now = done;
        if (now - released >= kReleaseBytes) {
            file_.release_pages();
            released = now;
        }
        if (options_.on_progress)
            options_.on_progress(std::min(1.0, static_cast<double>(now) / static_cast<double>(total)));
    };
    Workers(chunks.size(), options_.threads).run(work, between);
}

void WeightStore::fill_chunk(const Entry& entry, const Chunk& chunk, const Change* change, std::mutex& device,
                             ConvertBuffers& buffers) {
    const RowPlan& plan = entry.plan;
    if (entry.panels()) {
        fill_packed(entry, chunk.first, chunk.count, change, buffers);
    } else if (ggml_backend_buffer_is_host(entry.tensor->buffer)) {
        auto* data = static_cast<std::byte*>(entry.tensor->data) + static_cast<size_t>(chunk.first) * plan.row_bytes();
        convert_chunk(entry, chunk, change, data, buffers);
    } else {
        std::vector<std::byte> staging(ggml_nbytes(entry.tensor));
        convert_chunk(entry, chunk, change, staging.data(), buffers);
        const std::lock_guard lock(device);
        ggml_backend_tensor_set(entry.tensor, staging.data(), 0, staging.size());
    }
}

void WeightStore::convert_chunk(const Entry& entry, const Chunk& chunk, const Change* change, std::byte* target,
                                ConvertBuffers& buffers) {
    if (change == nullptr) return convert_rows(entry.source, entry.plan, chunk.first, chunk.count, target, buffers);
    const float* values = changed_rows(entry, chunk, change, buffers);
    const RowPlan plan = entry.from_change(chunk.count);
    TensorSource source = entry.source;
    source.type = GGML_TYPE_F32;
    source.data = reinterpret_cast<const std::byte*>(values);
    convert_rows(source, plan, 0, plan.rows, target, buffers);
}

// Rows of the file as f32 [taps][in], changed, in buffers.panel.
const float* WeightStore::changed_rows(const Entry& entry, const Chunk& chunk, const Change* change,
                                       ConvertBuffers& buffers) {
    const RowPlan plan = entry.to_change();
    std::vector<float>& values = buffers.panel;
    values.resize(static_cast<size_t>(chunk.count * plan.row_values()));
    convert_rows(entry.source, plan, chunk.first, chunk.count, reinterpret_cast<std::byte*>(values.data()), buffers);
    const int64_t rows = entry.plan_rows();
    if (change != nullptr) (*change)(chunk.first / rows, chunk.count / rows, values.data());
    return values.data();
}

// The places [first, first + count) of whole panels, counted in rows of the plan, of which each has `plan_rows`.
void WeightStore::fill_packed(const Entry& entry, int64_t first, int64_t count, const Change* change,
                              ConvertBuffers& buffers) {
    const int64_t n = entry.shape.front(), plan_rows = entry.plan_rows();
    const int64_t step = entry.gated() ? kernels::kGateRun : kernels::kPanel;
    for (int64_t place = first / plan_rows; place < (first + count) / plan_rows; place += step)
        pack_run(entry, place, kernels::run_at(place, step, n, entry.gated()), change, buffers);
}

// Rows of weights to the places from `place` on.
void WeightStore::pack_run(const Entry& entry, int64_t place, kernels::Run run, const Change* change,
                           ConvertBuffers& buffers) {
    const TensorSource& source = entry.source;
    const RowPlan& plan = entry.plan;
    const kernels::Packing packing = entry.packing();
    const int64_t taps = entry.taps(), c = plan.inner, plan_rows = entry.plan_rows();
    const int64_t places = kernels::places_of(entry.shape.front(), entry.gated());
    const int64_t row = run.row * plan_rows, rows = run.count * plan_rows;
    const auto pack = [&](const kernels::FileRows& from) {
        return kernels::pack_file_rows(packing, from, places, taps, c, place, run.count, entry.tensor->data);
    };
    const size_t offset = ggml_row_size(source.type, row * plan.row_values());
    if (change == nullptr && pack({source.type, source.data + offset, plan.taps > 1})) return;
    const float* values = changed_rows(entry, {0, row, rows}, change, buffers);
    if (packing == kernels::Packing::i8)
        check_finite(source, "q8_0", values, static_cast<size_t>(rows * plan.row_values()));
    if (pack({GGML_TYPE_F32, values, false})) return;
    kernels::pack_rows(packing, values, places, taps, c, place, run.count, entry.tensor->data);
}

void WeightStore::refill(const ModelFile& file, const std::string& name, const Change* change,
                         const std::atomic<bool>* cancelled) {
    const auto known = by_name_.find(name);
    if (known == by_name_.end() || !buffer_) fail("INVALID_ARGUMENT", "there is no loaded tensor ", printable(name));
    const TensorSource& source = file.at(name);
    Entry entry = entries_[known->second];
    if (source.type != entry.source.type || source.shape != entry.source.shape || source.size != entry.source.size) {
        fail("FILE_INVALID", file.path(), ": tensor ", printable(name), ": it has changed since the model was loaded");
    }
    entry.source = source;
    const std::vector<Chunk> chunks = chunks_of(known->second);
    std::mutex device;
    const auto work = [&](size_t job, ConvertBuffers& buffers) {
        check_cancelled(cancelled);
        fill_chunk(entry, chunks[job], change, device, buffers);
    };
    Workers(chunks.size(), options_.threads).run(work, [] {});
    file.check_whole();
}

std::vector<std::string> WeightStore::names() const {
    std::vector<std::string> names;
    for (const auto& [name, index] : by_name_) names.push_back(name);
    return names;
}

const ggml_tensor* WeightStore::tensor(const std::string& name) const {
    const auto known = by_name_.find(name);
    return known == by_name_.end() ? nullptr : entries_[known->second].tensor;
}

WeightStore::Extent WeightStore::extent(const std::string& name) const {
    const auto known = by_name_.find(name);
    if (known == by_name_.end()) return {};
    const Entry& entry = entries_[known->second];
    const bool is_vector = entry.kind == Kind::Vector, is_table = entry.kind == Kind::Table;
    const bool in_blocks =
        entry.packing() == kernels::Packing::i8 || (!entry.panels() && ggml_is_quantized(entry.plan.type));
    return {is_vector ? 1 : entry.shape.front(), entry.taps(), entry.shape.back(), in_blocks && !is_table,
            entry.gated() && !options_.multiplies};
}

size_t WeightStore::bytes() const {
    if (buffer_) return ggml_backend_buffer_get_size(buffer_.get());
    if (reserved_ > 0) return reserved_;
    size_t sum = 0;
    for (const Entry& entry : entries_) sum += ggml_nbytes(entry.tensor);
    return sum;
}

int64_t WeightStore::parameters() const {
    int64_t sum = 0;
    for (const Entry& entry : entries_) sum += entry.size();
    return sum;
}

bool WeightStore::packs(const std::string& prefix) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.packing() != kernels::Packing::rows &&
               std::string(ggml_get_name(entry.tensor)).starts_with(prefix);
    });
}

bool WeightStore::is_f32(const std::string& prefix) const {
    return std::all_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.kind == Kind::Vector || entry.kind == Kind::Table || entry.tensor->type == GGML_TYPE_F32 ||
               !std::string(ggml_get_name(entry.tensor)).starts_with(prefix);
    });
}

const char* WeightStore::type_name() const {
    size_t bytes_of[GGML_TYPE_COUNT] = {};
    for (const Entry& entry : entries_) {
        if (entry.kind == Kind::Vector || entry.kind == Kind::Table) continue;
        const ggml_type type = !entry.panels()                           ? entry.plan.type
                               : entry.packing() == kernels::Packing::i8 ? GGML_TYPE_Q8_0
                                                                         : GGML_TYPE_BF16;
        bytes_of[type] += ggml_nbytes(entry.tensor);
    }
    const size_t* most = std::max_element(std::begin(bytes_of), std::end(bytes_of));
    return *most == 0 ? ggml_type_name(GGML_TYPE_F32) : ggml_type_name(static_cast<ggml_type>(most - bytes_of));
}

}  // namespace nd::weights
