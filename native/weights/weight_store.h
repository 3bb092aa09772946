// The weights of a loaded model: declared by the networks, then read from the file in the wanted precision.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "native/backend/device_failures.h"
#include "native/backend/tensor_context.h"
#include "native/kernels/gemm/gate.h"
#include "native/weights/model_file.h"

namespace nd::weights {

struct ConvertBuffers;

struct LoadOptions {
    // "auto" keeps the file's types; else "f32", "f16", "bf16" or a ggml type ("q8_0", "q4_0", "q4_k", ...) for the
    // weights of linear layers and convolutions. Norms, biases and embeddings of positions stay f32. A tensor whose
    // rows do not fit the block length of a type takes q8_0, then f16 instead. packing_plan.h tells which of them are
    // packed for products of bf16 or int8 on the way.
    std::string precision = "auto";
    bool pack = true;  // false: all weights stay rows, as devices other than the CPU want them
    // Of such a device: which types it multiplies; others become f16. Its convolutions are [out][in][kernel * kernel],
    // f32 or f16.
    std::function<bool(ggml_type)> multiplies = nullptr;
    int threads = 1;
    const std::atomic<bool>* cancelled = nullptr;      // polled; throws ABORTED
    std::function<void(double fraction)> on_progress;  // 0..1, on the calling thread
};

class WeightStore {
  public:
    // `file` must outlive load().
    WeightStore(const ModelFile& file, LoadOptions options);
    ~WeightStore();

    // Whether the file has that tensor, be it of a type that declaring it then refuses.
    bool has(const std::string& name) const { return file_.has(name); }

    // Each of these checks the tensor's presence (MISSING_TENSOR) and shape (TENSOR_SHAPE, saying both) and returns a
    // tensor that holds data after load(). Asking twice for one name gives one tensor.

    // Those of matrices and convolutions below are their shapes as rows; packed ones are bytes (kernels::packing_of()).
    // A linear layer's [out, in]: ne = {in, out}. Takes a 1x1 convolution's [out, in, 1, 1] as well.
    ggml_tensor* matrix(const std::string& name, int64_t out, int64_t in);
    // The same of a layer whose outputs are values and then their gates, which its panels bring together.
    ggml_tensor* gated_matrix(const std::string& name, int64_t out, int64_t in);
    // A convolution's [out, in, kernel, kernel], or [out, kernel * kernel, in] where the file has it relaid already,
    // stored as [out][ky * kernel + kx][in]: ne = {in, kernel * kernel, out}. Block-quantised when in is a multiple of
    // the block length. ne = {in * kernel * kernel, out} for a device other than the CPU.
    ggml_tensor* convolution(const std::string& name, int64_t out, int64_t in, int64_t kernel);
    // Biases and norms, f32: ne = {n}.
    ggml_tensor* vector(const std::string& name, int64_t n);
    // Embedding tables [rows, width]: ne = {width, rows}; f32, f16 or bf16 as the file has it, f16 where the file has
    // it quantised; q8_0 where a quantised precision was asked for and the table is large (a vocabulary's).
    ggml_tensor* table(const std::string& name, int64_t rows, int64_t width);

    // Allocates one buffer of `type` and fills all declared tensors. Throws OUT_OF_MEMORY with the bytes wanted,
    // ABORTED, or FILE_INVALID where a value that should be quantised is infinite or not a number.
    void load(ggml_backend_buffer_type_t type);

    // In place of load(): gives the tensors addresses that nothing may touch, so that graphs can be planned with them.
    void reserve(ggml_backend_buffer_type_t type);

    // Adds to rows [first, first + count) of a tensor, given as f32 [count][taps][in].
    using Change = std::function<void(int64_t first, int64_t count, float* values)>;
    // Fills one tensor again, from the file that it was loaded from, opened anew; without a `change` it has the very
    // bytes that load() gave it. `cancelled` is polled. Throws FILE_INVALID where the file has become another, ABORTED.
    void refill(const ModelFile& file, const std::string& name, const Change* change,
                const std::atomic<bool>* cancelled);

    // What has been declared.
    std::vector<std::string> names() const;
    const ggml_tensor* tensor(const std::string& name) const;  // or null
    // A tensor as rows of weights [out][taps][in]; a vector is one row. All zero where there is none of that name.
    struct Extent {
        int64_t out = 0, taps = 0, in = 0;
        bool is_quantised = false;  // multiplied in blocks, or packed in eight bits
        bool is_gated = false;      // multiplied and gated in one, as the CPU does it
    };
    Extent extent(const std::string& name) const;

    size_t bytes() const;           // of the buffer; before load(), of the tensors declared so far
    int64_t parameters() const;     // values in all tensors
    const char* type_name() const;  // the precision of most linear and convolution bytes: "f16", "q8_0", ...
    // Whether any of the tensors whose names begin so is packed.
    bool packs(const std::string& prefix) const;
    // Whether all weights of layers whose names begin so are f32.
    bool is_f32(const std::string& prefix) const;

  private:
    enum class Kind;
    struct Entry;
    ggml_tensor* declare(const std::string& name, Kind kind, const std::vector<int64_t>& shape,
                         const std::vector<std::vector<int64_t>>& accepted);
    ggml_type rows_type(Kind kind, ggml_type source, bool relaid, int64_t rows, int64_t row) const;
    struct Chunk {  // a range of the plan's rows of one entry
        size_t entry;
        int64_t first, count;
    };
    static void check_cancelled(const std::atomic<bool>* cancelled);
    std::vector<Chunk> chunks_of(size_t index) const;
    void fill();
    // `change` may be null in all of these.
    static void fill_chunk(const Entry& entry, const Chunk& chunk, const Change* change, std::mutex& device,
                           ConvertBuffers& buffers);
    static void fill_packed(const Entry& entry, int64_t first, int64_t count, const Change* change,
                            ConvertBuffers& buffers);
    static void pack_run(const Entry& entry, int64_t place, kernels::Run run, const Change* change,
                         ConvertBuffers& buffers);
    static void convert_chunk(const Entry& entry, const Chunk& chunk, const Change* change, std::byte* target,
                              ConvertBuffers& buffers);
    static const float* changed_rows(const Entry& entry, const Chunk& chunk, const Change* change,
                                     ConvertBuffers& buffers);

    const ModelFile& file_;
    LoadOptions options_;
    std::optional<ggml_type> precision_;
    std::vector<Entry> entries_;
    std::map<std::string, size_t> by_name_;  // index into entries_
    std::optional<backend::TensorContext> context_;
    backend::Buffer buffer_;
    size_t reserved_ = 0;  // bytes
};

}  // namespace nd::weights
