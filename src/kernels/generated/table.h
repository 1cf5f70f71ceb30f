// Made by scripts/generate-kernels.mjs from table.ts: do not edit.
#pragma once
#include "../kernel.h"

namespace heed {

struct pointwise_args {
  List<Buffer> operands;
  List<int64_t> types;
  int64_t outputs;
  List<int64_t> shape;
  List<int64_t> strides;
  List<int64_t> code;
  List<double> constants;
  List<int64_t> results;
};

struct reduce_args {
  List<Buffer> operands;
  List<int64_t> types;
  List<int64_t> strides;
  List<int64_t> code;
  List<double> constants;
  int64_t result;
  Buffer output;
  int64_t outputType;
  int64_t kind;
  int64_t outer;
  int64_t size;
  int64_t inner;
};

struct copy_args {
  Buffer input;
  Buffer output;
  int64_t width;
  List<int64_t> shape;
  List<int64_t> inputStrides;
  List<int64_t> outputStrides;
};

struct matmul_args {
  Buffer a;
  Buffer b;
  Buffer bias;
  Buffer c;
  int64_t aType;
  int64_t bType;
  int64_t cType;
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t aRow;
  int64_t aColumn;
  int64_t bRow;
  int64_t bColumn;
  int64_t cRow;
  List<int64_t> batch;
  List<int64_t> batchStrides;
  double alpha;
  int64_t accumulate;
  int64_t compute;
};

struct matmul_then_args {
  Buffer a;
  Buffer b;
  Buffer bias;
  Buffer c;
  int64_t aType;
  int64_t bType;
  int64_t cType;
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t aRow;
  int64_t aColumn;
  int64_t bRow;
  int64_t bColumn;
  int64_t cRow;
  double alpha;
  int64_t accumulate;
  int64_t compute;
  List<Buffer> operands;
  List<int64_t> types;
  List<int64_t> shape;
  List<int64_t> strides;
  List<int64_t> code;
  List<double> constants;
  List<int64_t> results;
};

struct attention_args {
  Buffer q;
  Buffer k;
  Buffer v;
  Buffer bias;
  Buffer mask;
  Buffer lengths;
  Buffer offset;
  Buffer key;
  Buffer marks;
  Buffer z;
  Buffer logsumexp;
  int64_t kType;
  int64_t vType;
  int64_t B;
  int64_t H;
  int64_t G;
  int64_t T;
  int64_t S;
  int64_t K;
  int64_t V;
  List<int64_t> qStrides;
  List<int64_t> kStrides;
  List<int64_t> vStrides;
  List<int64_t> zStrides;
  List<int64_t> biasStrides;
  List<int64_t> maskStrides;
  double scale;
  double cap;
  int64_t causal;
  int64_t window;
  int64_t segment;
  int64_t divide;
  int64_t shift;
  int64_t queryStep;
  int64_t keyStep;
  int64_t keyStart;
  int64_t accumulate;
  int64_t block;
  List<int64_t> spans;
  double dropout;
  int64_t stream;
  int64_t compute;
};

struct attention_backward_args {
  Buffer q;
  Buffer k;
  Buffer v;
  Buffer bias;
  Buffer mask;
  Buffer lengths;
  Buffer offset;
  Buffer key;
  Buffer marks;
  Buffer z;
  Buffer logsumexp;
  Buffer dz;
  Buffer dq;
  Buffer dk;
  Buffer dv;
  int64_t B;
  int64_t H;
  int64_t G;
  int64_t T;
  int64_t S;
  int64_t K;
  int64_t V;
  List<int64_t> qStrides;
  List<int64_t> kStrides;
  List<int64_t> vStrides;
  List<int64_t> zStrides;
  List<int64_t> dzStrides;
  List<int64_t> dqStrides;
  List<int64_t> dkStrides;
  List<int64_t> dvStrides;
  List<int64_t> biasStrides;
  List<int64_t> maskStrides;
  double scale;
  double cap;
  int64_t causal;
  int64_t window;
  int64_t segment;
  int64_t divide;
  int64_t shift;
  int64_t queryStep;
  int64_t keyStep;
  int64_t keyStart;
  int64_t accumulate;
  int64_t block;
  List<int64_t> spans;
  double dropout;
  int64_t stream;
  int64_t compute;
};

struct layer_norm_args {
  Buffer x;
  Buffer weight;
  Buffer bias;
  Buffer y;
  Buffer mean;
  Buffer rstd;
  int64_t rows;
  int64_t size;
  double epsilon;
};

struct layer_norm_backward_args {
  Buffer x;
  Buffer weight;
  Buffer mean;
  Buffer rstd;
  Buffer dy;
  Buffer dx;
  Buffer dweight;
  Buffer dbias;
  int64_t rows;
  int64_t size;
};

struct rms_norm_args {
  Buffer x;
  Buffer weight;
  Buffer y;
  Buffer rstd;
  int64_t rows;
  int64_t size;
  double epsilon;
  double shift;
};

struct rms_norm_backward_args {
  Buffer x;
  Buffer weight;
  Buffer rstd;
  Buffer dy;
  Buffer dx;
  Buffer dweight;
  int64_t rows;
  int64_t size;
  double shift;
};

struct softmax_rows_args {
  Buffer x;
  Buffer y;
  int64_t rows;
  int64_t size;
  int64_t log;
};

struct softmax_rows_backward_args {
  Buffer y;
  Buffer dy;
  Buffer dx;
  int64_t rows;
  int64_t size;
  int64_t log;
};

struct gather_rows_args {
  Buffer source;
  Buffer indices;
  Buffer output;
  int64_t count;
  int64_t rows;
  int64_t size;
  int64_t type;
  int64_t outputType;
};

struct scatter_add_rows_args {
  Buffer x;
  Buffer indices;
  Buffer output;
  int64_t count;
  int64_t rows;
  int64_t size;
};

struct take_along_args {
  Buffer source;
  Buffer indices;
  Buffer output;
  int64_t outer;
  int64_t count;
  int64_t size;
  int64_t inner;
  int64_t width;
};

struct scatter_add_along_args {
  Buffer x;
  Buffer indices;
  Buffer output;
  int64_t outer;
  int64_t count;
  int64_t size;
  int64_t inner;
};

struct cross_entropy_args {
  Buffer logits;
  Buffer targets;
  Buffer weights;
  Buffer loss;
  Buffer logsumexp;
  int64_t rows;
  int64_t size;
  int64_t ignored;
  double smoothing;
};

struct cross_entropy_backward_args {
  Buffer logits;
  Buffer targets;
  Buffer weights;
  Buffer logsumexp;
  Buffer dloss;
  Buffer dlogits;
  int64_t rows;
  int64_t size;
  int64_t ignored;
  double smoothing;
};

struct linear_cross_entropy_args {
  Buffer x;
  Buffer w;
  Buffer bias;
  Buffer targets;
  Buffer loss;
  Buffer logsumexp;
  int64_t rows;
  int64_t width;
  int64_t size;
  int64_t ignored;
  double smoothing;
  int64_t compute;
};

struct linear_cross_entropy_backward_args {
  Buffer x;
  Buffer w;
  Buffer bias;
  Buffer targets;
  Buffer logsumexp;
  Buffer dloss;
  Buffer dx;
  Buffer dw;
  Buffer dbias;
  int64_t rows;
  int64_t width;
  int64_t size;
  int64_t ignored;
  double smoothing;
  int64_t compute;
};

struct random_args {
  Buffer key;
  Buffer output;
  int64_t count;
  int64_t stream;
  int64_t distribution;
};

struct sort_rows_args {
  Buffer x;
  Buffer values;
  Buffer indices;
  int64_t rows;
  int64_t size;
  int64_t keep;
  int64_t descending;
  int64_t type;
};

struct cumulative_sum_args {
  Buffer x;
  Buffer output;
  int64_t outer;
  int64_t size;
  int64_t inner;
  int64_t reverse;
  int64_t type;
};

struct iota_args {
  Buffer output;
  int64_t count;
  int64_t start;
  int64_t step;
};

struct write_slice_args {
  Buffer base;
  Buffer value;
  Buffer start;
  int64_t outer;
  int64_t count;
  int64_t size;
  int64_t inner;
  int64_t width;
};

struct read_slice_args {
  Buffer base;
  Buffer start;
  Buffer output;
  int64_t outer;
  int64_t count;
  int64_t size;
  int64_t inner;
  int64_t width;
};

struct ctc_loss_args {
  Buffer x;
  Buffer targets;
  Buffer inputLengths;
  Buffer targetLengths;
  Buffer loss;
  int64_t rows;
  int64_t frames;
  int64_t classes;
  int64_t longest;
  int64_t blank;
};

struct ctc_loss_backward_args {
  Buffer x;
  Buffer targets;
  Buffer inputLengths;
  Buffer targetLengths;
  Buffer dloss;
  Buffer dx;
  int64_t rows;
  int64_t frames;
  int64_t classes;
  int64_t longest;
  int64_t blank;
};

// A kernel's name and its fields: b buffer, o optional buffer, B buffers, n int, f float, N ints, F floats.
struct Signature {
  const char* name;
  const char* fields;
};

inline constexpr Signature signatures[] = {
    {"pointwise", "BNnNNNFN"},
    {"reduce", "BNNNFnbnnnnn"},
    {"copy", "bbnNNN"},
    {"matmul", "bbobnnnnnnnnnnnNNfnn"},
    {"matmul_then", "bbobnnnnnnnnnnnfnnBNNNNFN"},
    {"attention", "bbboooooobbnnnnnnnnnNNNNNNffnnnnnnnnnnNfnn"},
    {"attention_backward", "bbboooooobbbbbbnnnnnnnNNNNNNNNNNffnnnnnnnnnnNfnn"},
    {"layer_norm", "boobbbnnf"},
    {"layer_norm_backward", "bobbbboonn"},
    {"rms_norm", "bobbnnff"},
    {"rms_norm_backward", "bobbbonnf"},
    {"softmax_rows", "bbnnn"},
    {"softmax_rows_backward", "bbbnnn"},
    {"gather_rows", "bbbnnnnn"},
    {"scatter_add_rows", "bbbnnn"},
    {"take_along", "bbbnnnnn"},
    {"scatter_add_along", "bbbnnnn"},
    {"cross_entropy", "bbobbnnnf"},
    {"cross_entropy_backward", "bbobbbnnnf"},
    {"linear_cross_entropy", "bbobbbnnnnfn"},
    {"linear_cross_entropy_backward", "bbobbbbbonnnnfn"},
    {"random", "bbnnn"},
    {"sort_rows", "bobnnnnn"},
    {"cumulative_sum", "bbnnnnn"},
    {"iota", "bnnn"},
    {"write_slice", "bbbnnnnn"},
    {"read_slice", "bbbnnnnn"},
    {"ctc_loss", "bbbbbnnnnn"},
    {"ctc_loss_backward", "bbbbbbnnnnn"},
};

inline constexpr int64_t kernel_count = 29;

// The whole table in one text: a device compares it with its own, so that no build runs programs meant for another.
inline constexpr const char* table_text =
    "pointwise BNnNNNFN\n"
    "reduce BNNNFnbnnnnn\n"
    "copy bbnNNN\n"
    "matmul bbobnnnnnnnnnnnNNfnn\n"
    "matmul_then bbobnnnnnnnnnnnfnnBNNNNFN\n"
    "attention bbboooooobbnnnnnnnnnNNNNNNffnnnnnnnnnnNfnn\n"
    "attention_backward bbboooooobbbbbbnnnnnnnNNNNNNNNNNffnnnnnnnnnnNfnn\n"
    "layer_norm boobbbnnf\n"
    "layer_norm_backward bobbbboonn\n"
    "rms_norm bobbnnff\n"
    "rms_norm_backward bobbbonnf\n"
    "softmax_rows bbnnn\n"
    "softmax_rows_backward bbbnnn\n"
    "gather_rows bbbnnnnn\n"
    "scatter_add_rows bbbnnn\n"
    "take_along bbbnnnnn\n"
    "scatter_add_along bbbnnnn\n"
    "cross_entropy bbobbnnnf\n"
    "cross_entropy_backward bbobbbnnnf\n"
    "linear_cross_entropy bbobbbnnnnfn\n"
    "linear_cross_entropy_backward bbobbbbbonnnnfn\n"
    "random bbnnn\n"
    "sort_rows bobnnnnn\n"
    "cumulative_sum bbnnnnn\n"
    "iota bnnn\n"
    "write_slice bbbnnnnn\n"
    "read_slice bbbnnnnn\n"
    "ctc_loss bbbbbnnnnn\n"
    "ctc_loss_backward bbbbbbnnnnn\n";

}  // namespace heed

#define HEED_KERNELS(X) \
  X(pointwise) \
  X(reduce) \
  X(copy) \
  X(matmul) \
  X(matmul_then) \
  X(attention) \
  X(attention_backward) \
  X(layer_norm) \
  X(layer_norm_backward) \
  X(rms_norm) \
  X(rms_norm_backward) \
  X(softmax_rows) \
  X(softmax_rows_backward) \
  X(gather_rows) \
  X(scatter_add_rows) \
  X(take_along) \
  X(scatter_add_along) \
  X(cross_entropy) \
  X(cross_entropy_backward) \
  X(linear_cross_entropy) \
  X(linear_cross_entropy_backward) \
  X(random) \
  X(sort_rows) \
  X(cumulative_sum) \
  X(iota) \
  X(write_slice) \
  X(read_slice) \
  X(ctc_loss) \
  X(ctc_loss_backward)
