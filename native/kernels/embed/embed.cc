#include "native/kernels/embed/embed.h"

#include <cstring>

#include "native/kernels/scratch.h"

namespace nd::kernels {

namespace {

void read_row(const WeightView& table, int64_t row, float* values) {
    const char* data = static_cast<const char*>(table.data) + static_cast<size_t>(row) * table.row_bytes;
    if (table.type == GGML_TYPE_F32) {
        std::memcpy(values, data, static_cast<size_t>(table.c) * sizeof(float));
    } else {
        ggml_get_type_traits(table.type)->to_float(data, values, table.c);
    }
}

}  // namespace

int64_t embed_tasks(const EmbedArgs& args) {
    return args.rows;
}

void embed_task(const EmbedArgs& args, int64_t task) {
    const int64_t c = args.tokens.c;
    float* y = args.y + task * c;
    float* position = scratch(Scratch::rows, static_cast<size_t>(c));
    const int64_t id = args.ids[task];
    if (id < args.tokens.n) {
        read_row(args.tokens, id, y);
    } else {
        std::memcpy(y, args.extra + (id - args.tokens.n) * c, static_cast<size_t>(c) * sizeof(float));
    }
    read_row(args.positions, task % args.positions.n, position);
    for (int64_t i = 0; i < c; ++i) y[i] += position[i];
}

}  // namespace nd::kernels
