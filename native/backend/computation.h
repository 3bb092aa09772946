// What is built once and run many times, on whatever device: graphs of our own kernels, or of ggml's operations.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include "native/backend/cancel_token.h"
#include "native/backend/extents.h"

namespace nd::backend {

class Computation {
  public:
    virtual ~Computation() = default;

    // A tensor in a buffer of its own, which keeps its contents between runs.
    virtual ggml_tensor* input(ggml_type type, Extents ne) = 0;
    // The bytes that the nodes need, inputs not counted.
    virtual size_t measure() = 0;
    // Those of the inputs, once they have been measured.
    virtual size_t input_bytes() const = 0;
    // Runs the nodes in order. Throws ABORTED where `token` asks for it, or what a node threw.
    virtual void compute(const CancelToken* token) = 0;
};

}  // namespace nd::backend
