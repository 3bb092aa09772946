// Writes a model as one file, GGUF or safetensors, in other number formats.
#include "native/weights/model_conversion.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/conversion_plan.h"
#include "native/weights/file_header.h"
#include "native/weights/model_file.h"
#include "native/weights/output_file.h"
#include "native/weights/precision.h"
#include "native/weights/workers.h"

namespace nd::weights {

namespace {

constexpr int64_t kChunkValues = 1 << 20;           // 4 MiB as f32: what one thread converts at a time
constexpr size_t kReleaseBytes = size_t{64} << 20;  // of the input that may stay mapped into memory
constexpr const char* kVae = "vae.";

bool ends_with(const std::string& path, const std::string& ending) {
    return path.size() >= ending.size() &&
           std::equal(ending.rbegin(), ending.rend(), path.rbegin(),
                      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

std::string format_of(const std::string& output) {
    if (ends_with(output, ".gguf")) return "gguf";
    if (ends_with(output, ".safetensors")) return "safetensors";
    fail("INVALID_ARGUMENT", "output: expected a path that ends in .gguf or .safetensors, got ", printable(output));
}

class Conversion {
  public:
    Conversion(const std::string& input, const std::string& output, const ConversionOptions& options)
        : output_(output), options_(options), format_(format_of(output)), types_(parse_types()) {
        model_.emplace(ModelFile::open(input));
        if (!options.vae.empty()) vae_.emplace(ModelFile::open(options.vae));
        if (vae_ && !vae_->has_component(kVae))
            fail("MISSING_COMPONENT", options.vae, ": expected a VAE, of which it has none");
        for (const auto& [name, tensor] : model_->tensors()) {
            if (!vae_ || !name.starts_with(kVae)) add(name, tensor);
        }
        if (vae_) {
            for (const auto& [name, tensor] : vae_->tensors()) {
                if (name.starts_with(kVae)) add(name, tensor);
            }
        }
        check_readable();
        check_rules();
    }

    ConversionResult run() {
        const auto header =
            format_ == "gguf" ? gguf_header(written_, metadata()) : safetensors_header(written_, metadata());
        OutputFile file(output_);
        const auto write = [&](const void* data, size_t size) {
            file.write({static_cast<const std::byte*>(data), size});
            result_.bytes += size;
        };
        write(header.bytes.data(), header.bytes.size());
        convert([&](const std::vector<std::byte>& bytes, bool last) {
            write(bytes.data(), bytes.size());
            if (!last) return;
            static constexpr std::byte kZeros[64] = {};
            write(kZeros, (header.alignment - result_.bytes % header.alignment) % header.alignment);
        });
        check_cancelled();
        model_->check_whole();
        if (vae_) vae_->check_whole();
        file.commit();
        if (options_.on_progress) options_.on_progress(1.0);
        result_.format = format_;
        return result_;
    }

  private:
    struct Chunk {
        size_t tensor;
        int64_t first, count;
        bool last;  // of its tensor
    };

    ConversionTypes parse_types() const {
        ConversionTypes types;
        types.blocks = format_ == "gguf";
        const auto parse = [&](const std::string& name) {
            const std::optional<ggml_type> type = parse_precision(name, "type");
            if (type && !types.blocks && ggml_is_quantized(*type)) {
                fail("INVALID_ARGUMENT", "type: expected auto, f32, f16 or bf16 for a .safetensors file, which has no ",
                     "quantised types, got ", name, ": write a .gguf file");
            }
            return type;
        };
        types.type = parse(options_.type);
        for (const auto& [pattern, name] : options_.rules) types.rules.push_back({pattern, parse(name)});
        return types;
    }

    void add(const std::string& name, const TensorSource& source) {
        const std::optional<uint64_t> count = element_count(source.shape);
        if (!count || *count == 0) return;  // no network can use it
        const ConversionPlan plan = plan_conversion(name, source, types_);
        sources_.push_back(&source);
        plans_.push_back(plan);
        written_.push_back({name, plan.rows.type, plan.shape, plan.bytes()});
        result_.type_bytes[ggml_type_name(plan.rows.type)] += plan.bytes();
        result_.parameters += static_cast<int64_t>(*count);
        result_.tensors++;
    }

    // A model without one of its tensors would be none.
    void check_readable() const {
        for (const auto& name : model_->unreadable_names()) {
            if (!vae_ || !name.starts_with(kVae)) model_->at(name);
        }
        if (!vae_) return;
        for (const auto& name : vae_->unreadable_names()) {
            if (name.starts_with(kVae)) vae_->at(name);
        }
    }

    // A pattern that matches nothing is a misspelt one.
    void check_rules() const {
        for (const ConversionRule& rule : types_.rules) {
            const auto matched = [&](const auto& tensor) { return matches(tensor.name, rule.pattern); };
            if (std::any_of(written_.begin(), written_.end(), matched)) continue;
            fail("INVALID_ARGUMENT",
                 "rules: expected patterns that match a tensor's name, such as unet.* or vae.*, got ",
                 printable(rule.pattern));
        }
    }

    std::map<std::string, std::string> metadata() const {
        nlohmann::json config = model_->config();
        if (vae_) config["vae"] = vae_->config().at("vae");
        std::map<std::string, std::string> metadata = {{kConfigKey, config.dump()}};
        if (!model_->merges().empty()) metadata[kMergesKey] = model_->merges();
        if (format_ == "gguf") metadata["general.architecture"] = "node-diffusion";
        if (format_ == "safetensors") metadata["format"] = "pt";
        return metadata;
    }

    void check_cancelled() const {
        if (options_.cancelled != nullptr && options_.cancelled->load(std::memory_order_relaxed))
            fail("ABORTED", "the conversion was cancelled");
    }

    // Calls `write(bytes, last of its tensor)` for all chunks in order; some of them are converted at a time.
    template <typename Write>
    void convert(const Write& write) {
        std::vector<Chunk> chunks;
        uint64_t total = 0, done = 0, released = 0;
        for (size_t i = 0; i < plans_.size(); ++i) {
            const RowPlan& rows = plans_[i].rows;
            const int64_t step = std::max<int64_t>(1, kChunkValues / rows.row_values());
            for (int64_t row = 0; row < rows.rows; row += step)
                chunks.push_back({i, row, std::min(step, rows.rows - row), row + step >= rows.rows});
            total += sources_[i]->size;
        }
        const size_t at_once = 2 * static_cast<size_t>(std::max(1, options_.threads));
        std::vector<std::vector<std::byte>> results(at_once);
        for (size_t begin = 0; begin < chunks.size(); begin += at_once) {
            const size_t count = std::min(at_once, chunks.size() - begin);
            Workers(count, options_.threads)
                .run(
                    [&](size_t job, ConvertBuffers& buffers) {
                        check_cancelled();
                        const Chunk& chunk = chunks[begin + job];
                        const RowPlan& rows = plans_[chunk.tensor].rows;
                        results[job].resize(static_cast<size_t>(chunk.count) * rows.row_bytes());
                        convert_rows(*sources_[chunk.tensor], rows, chunk.first, chunk.count, results[job].data(),
                                     buffers);
                    },
                    [] {});
            for (size_t job = 0; job < count; ++job) {
                const Chunk& chunk = chunks[begin + job];
                write(results[job], chunk.last);
                done +=
                    ggml_row_size(sources_[chunk.tensor]->type, chunk.count * plans_[chunk.tensor].rows.row_values());
            }
            if (done - released >= kReleaseBytes) {
                model_->release_pages();
                if (vae_) vae_->release_pages();
                released = done;
            }
            if (options_.on_progress) options_.on_progress(static_cast<double>(done) / static_cast<double>(total));
        }
    }

    const std::string output_;
    const ConversionOptions& options_;
    const std::string format_;
    const ConversionTypes types_;
    std::optional<ModelFile> model_, vae_;
    std::vector<const TensorSource*> sources_;
    std::vector<ConversionPlan> plans_;
    std::vector<WrittenTensor> written_;
    ConversionResult result_;
};

}  // namespace

ConversionResult convert_model(const std::string& input, const std::string& output, const ConversionOptions& options) {
    try {
        return Conversion(input, output, options).run();
    } catch (const nlohmann::json::exception& error) {
        fail("FILE_INVALID", input, ": its configuration or names cannot be written: ", printable(error.what()));
    }
}

}  // namespace nd::weights
