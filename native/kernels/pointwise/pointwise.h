// Operations that touch each value once: activations, sums, concatenation of channels.
#pragma once

#include <cstdint>

#include "native/kernels/rows/format.h"

namespace nd::kernels {

// gelu is the exact one, with erf; leaky_relu has a slope of 0.2 below zero.
enum class Activation { silu, gelu, gelu_tanh, quick_gelu, relu, leaky_relu };

struct ActivationArgs {
    Activation kind = Activation::silu;
    const void* x = nullptr;  // [rows, channels]
    void* y = nullptr;        // may be x where their formats are one
    int64_t rows = 0, channels = 0;
    Format x_format = Format::f32, y_format = Format::f32;  // x: f32 or bf16
};

// The functions that count tasks throw INVALID_ARGUMENT where a map is i8 that may not be.
int64_t activation_tasks(const ActivationArgs& args);
void activation_task(const ActivationArgs& args, int64_t task);
void activation_reference(const ActivationArgs& args);

// y[row] = scale * a[row] + b[row % b_rows]: one map of b can be added to every picture of a batch.
struct AddArgs {
    const void* a = nullptr;
    const void* b = nullptr;
    void* y = nullptr;
    int64_t rows = 0, b_rows = 0, channels = 0;
    float scale = 1.0f;
    Format a_format = Format::f32, b_format = Format::f32, y_format = Format::f32;  // a and b: f32 or bf16
};

int64_t add_tasks(const AddArgs& args);
void add_task(const AddArgs& args, int64_t task);
void add_reference(const AddArgs& args);

// y[row] = a[row] followed by b[row]; each of the three f32 or bf16.
struct ConcatArgs {
    const void* a = nullptr;
    const void* b = nullptr;
    void* y = nullptr;
    int64_t rows = 0, a_channels = 0, b_channels = 0;
    Format a_format = Format::f32, b_format = Format::f32, y_format = Format::f32;
};

int64_t concat_tasks(const ConcatArgs& args);
void concat_task(const ConcatArgs& args, int64_t task);

// y[row] = x[row] + addends[row / rows_per_addend].
struct AddRowsArgs {
    const void* x = nullptr;         // [rows, channels]
    const float* addends = nullptr;  // [rows / rows_per_addend, channels]
    void* y = nullptr;               // may be x where their formats are one
    int64_t rows = 0, channels = 0, rows_per_addend = 1;
    Format x_format = Format::f32, y_format = Format::f32;  // each f32 or bf16
};

int64_t add_rows_tasks(const AddRowsArgs& args);
void add_rows_task(const AddRowsArgs& args, int64_t task);
void add_rows_reference(const AddRowsArgs& args);

}  // namespace nd::kernels
