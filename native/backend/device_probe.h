// Whether a device computes at all.
#pragma once

#include <ggml-backend.h>

namespace nd::backend {

// Has it compute a small product, which must be right. Throws COMPUTE_FAILED, OUT_OF_MEMORY.
void probe(ggml_backend_t backend);

}  // namespace nd::backend
