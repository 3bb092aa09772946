// Where networks of a model live and are computed: on the CPU by our own kernels, or on a device by ggml's operations.
#pragma once

#include <memory>
#include <string>

#include "native/backend/cancel_token.h"
#include "native/backend/device.h"
#include "native/backend/thread_pool.h"
#include "native/engine/program_cache.h"
#include "native/ops/ops.h"
#include "native/weights/weight_store.h"

namespace nd::engine {

class Place {
  public:
    // `device`: null for the CPU. `threads` load weights, and compute on the CPU. `budget`: bytes that the compute
    // buffers may have.
    Place(std::shared_ptr<backend::Device> device, int threads, size_t budget);

    std::string name() const { return device_ ? device_->name() : "cpu"; }

    // How weights are loaded for this place, and what kind of memory they are loaded into.
    weights::LoadOptions weight_options(const std::string& precision, const backend::CancelToken& token) const;
    ggml_backend_buffer_type_t buffers() const;
    // Begins with no weights.
    void open_store(const weights::ModelFile& file, const weights::LoadOptions& options);
    weights::WeightStore& store() const { return *store_; }
    // Whether the layers whose names begin so are computed in f32.
    bool computes_in_f32(const std::string& prefix) const;

    // What an empty program is made of.
    Machine machine(ops::Formats formats) const;
    ProgramCache& programs() { return programs_; }
    size_t compute_bytes() const { return programs_.bytes(); }

  private:
    std::shared_ptr<backend::Device> device_;
    int thread_count_;
    mutable backend::ThreadPool threads_;
    std::unique_ptr<weights::WeightStore> store_;
    ProgramCache programs_;
};

}  // namespace nd::engine
