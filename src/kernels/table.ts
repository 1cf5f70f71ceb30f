// The machine's vocabulary: every kernel's name and arguments. The C++ argument structs (generated/table.h), the
// loader's signatures and the emitter's encoding all come from this one table.

/**
 * Kinds of kernel arguments. `in` and `out` are buffers (`in?` and `out?` may be absent), `inout` is read and written in place,
 * `buffers` is a list of buffers, `int` a 64-bit integer, `float` a double, `ints` and `floats` are lists.
 */
export type FieldKind = "in" | "in?" | "out" | "out?" | "inout" | "buffers" | "int" | "float" | "ints" | "floats"

/** Codes of element types as kernels see them. */
export const elementCodes = { f32: 0, i32: 1, bool: 2, u8: 3, bf16: 4, f16: 5 } as const

/** Codes of reductions as the `reduce` kernel sees them. */
export const reductionCodes = { sum: 0, max: 1, min: 2, prod: 3, argmax: 4, argmin: 5, any: 6, all: 7 } as const

/** Codes of the distributions of the `random` kernel. */
export const distributionCodes = { uniform: 0, normal: 1, bits: 2 } as const

/** A, B, C and how they lie, as products take them. */
const matrixFields = {
  a: "in",
  b: "in",
  bias: "in?",
  c: "out",
  aType: "int",
  bType: "int",
  cType: "int",
  m: "int",
  n: "int",
  k: "int",
  aRow: "int",
  aColumn: "int",
  bRow: "int",
  bColumn: "int",
  cRow: "int",
} as const

/** How products are made. */
const productFields = {
  alpha: "float",
  accumulate: "int",
  compute: "int",
} as const

const kernelTable = {
  // Fused elementwise code. Operands are the inputs, then the `outputs` last ones are written. shape: iteration space, [] for a
  // scalar; strides: in elements, operand by operand, one number per axis; types: element code per operand.
  // code: 5 numbers per instruction [opcode, destination, a, b, c]; registers 0.. hold the loaded inputs in order;
  // `load constant` instructions index `constants`; stores: register of each output in `results`.
  pointwise: {
    operands: "buffers",
    types: "ints",
    outputs: "int",
    shape: "ints",
    strides: "ints",
    code: "ints",
    constants: "floats",
    results: "ints",
  },
  // Elementwise code followed by a reduction of its one result over the middle of [outer n inner]; operands, types, strides (3 per
  // input operand), code and constants as in pointwise; output is contiguous [outer inner]; kind: see reductionCodes; resultType f32 or i32.
  reduce: {
    operands: "buffers",
    types: "ints",
    strides: "ints",
    code: "ints",
    constants: "floats",
    result: "int",
    output: "out",
    outputType: "int",
    kind: "int",
    outer: "int",
    size: "int",
    inner: "int",
  },
  // out[i] = in[i] over a strided space; width: bytes per element (1, 2, 4, 8); strides in elements, may be 0 or negative.
  copy: { input: "in", output: "out", width: "int", shape: "ints", inputStrides: "ints", outputStrides: "ints" },
  // C[b] = alpha · A[b] · B[b] (+ bias over columns) (+ C[b] when accumulate); A m×k, B k×n, C m×n. Strides in elements: row and column of
  // A and B, row of C (its columns are adjacent). batch: sizes; batchStrides: A's, B's, then C's. compute: 0 fp32, 1 bf16 products with fp32 sums.
  matmul: {
    ...matrixFields,
    batch: "ints",
    batchStrides: "ints",
    ...productFields,
  },
  // matmul of one batch into row-major C, then elementwise code as in pointwise over C's elements, part by part while they are near. C is
  // the last operand, which is written, and may be among the others; those have adjacent or repeated elements along rows.
  matmul_then: {
    ...matrixFields,
    ...productFields,
    operands: "buffers",
    types: "ints",
    shape: "ints",
    strides: "ints",
    code: "ints",
    constants: "floats",
    results: "ints",
  },
  // z = softmax(mask(cap(scale · q kᵀ) + bias)) v, streaming over keys. q [B H T K], k [B G S K], v [B G S V]; strides in elements for
  // (batch, head, position), the last axis adjacent. bias: f32, mask: bool (1 = may be seen), each with 4 strides (0 = broadcast).
  // lengths: i32 [B], keys from there on are hidden. offset: i32 scalar, absolute position of query 0 (absent: S - T).
  // causal: 1 hides later keys; window: > 0 hides keys at distance >= window. cap: 0 = none. dropout: rate of dropped weights, key: i32 [2].
  // Patterns (position of query t: offset + shift + t / divide): segment: > 0 hides keys outside the query's own segment of that many
  // positions. queryStep n > 1: phase r < n is attention among queries r, r + n, … and keys keyStart + r, … alone; keyStep, keyStart: only
  // keys keyStart, keyStart + keyStep, … are seen, counted from 0. marks: bool [B S], T = S: marked positions are seen by all and see
  // all, whatever the window. block: > 0 makes queries of block i see keys of listed blocks only; spans: [n, n + 1 starts, key blocks of each query
  // block in order] (backward: query blocks of each key block). accumulate: 1 adds to what z and logsumexp (dq, dk and dv) already hold.
  // logsumexp: f32 [B H T]; rows without any visible key give z = 0 and logsumexp = -Infinity. Types: f32 (or bf16 k and v).
  attention: {
    q: "in",
    k: "in",
    v: "in",
    bias: "in?",
    mask: "in?",
    lengths: "in?",
    offset: "in?",
    key: "in?",
    marks: "in?",
    z: "out",
    logsumexp: "out",
    kType: "int",
    vType: "int",
    B: "int",
    H: "int",
    G: "int",
    T: "int",
    S: "int",
    K: "int",
    V: "int",
    qStrides: "ints",
    kStrides: "ints",
    vStrides: "ints",
    zStrides: "ints",
    biasStrides: "ints",
    maskStrides: "ints",
    scale: "float",
    cap: "float",
    causal: "int",
    window: "int",
    segment: "int",
    divide: "int",
    shift: "int",
    queryStep: "int",
    keyStep: "int",
    keyStart: "int",
    accumulate: "int",
    block: "int",
    spans: "ints",
    dropout: "float",
    stream: "int",
    compute: "int",
  },
  // Gradients of `attention`; dq, dk, dv have their own strides. z and logsumexp are the forward's.
  attention_backward: {
    q: "in",
    k: "in",
    v: "in",
    bias: "in?",
    mask: "in?",
    lengths: "in?",
    offset: "in?",
    key: "in?",
    marks: "in?",
    z: "in",
    logsumexp: "in",
    dz: "in",
    dq: "out",
    dk: "out",
    dv: "out",
    B: "int",
    H: "int",
    G: "int",
    T: "int",
    S: "int",
    K: "int",
    V: "int",
    qStrides: "ints",
    kStrides: "ints",
    vStrides: "ints",
    zStrides: "ints",
    dzStrides: "ints",
    dqStrides: "ints",
    dkStrides: "ints",
    dvStrides: "ints",
    biasStrides: "ints",
    maskStrides: "ints",
    scale: "float",
    cap: "float",
    causal: "int",
    window: "int",
    segment: "int",
    divide: "int",
    shift: "int",
    queryStep: "int",
    keyStep: "int",
    keyStart: "int",
    accumulate: "int",
    block: "int",
    spans: "ints",
    dropout: "float",
    stream: "int",
    compute: "int",
  },
  // y = (x - mean) · rstd · weight + bias per row; mean and rstd [N] are kept for the gradient.
  layer_norm: {
    x: "in",
    weight: "in?",
    bias: "in?",
    y: "out",
    mean: "out",
    rstd: "out",
    rows: "int",
    size: "int",
    epsilon: "float",
  },
  layer_norm_backward: {
    x: "in",
    weight: "in?",
    mean: "in",
    rstd: "in",
    dy: "in",
    dx: "out",
    dweight: "out?",
    dbias: "out?",
    rows: "int",
    size: "int",
  },
  // y = x · rstd · (weight + shift) per row, rstd = 1 / sqrt(mean(x²) + epsilon); shift is 0, or 1 for Gemma.
  rms_norm: {
    x: "in",
    weight: "in?",
    y: "out",
    rstd: "out",
    rows: "int",
    size: "int",
    epsilon: "float",
    shift: "float",
  },
  rms_norm_backward: {
    x: "in",
    weight: "in?",
    rstd: "in",
    dy: "in",
    dx: "out",
    dweight: "out?",
    rows: "int",
    size: "int",
    shift: "float",
  },
  // Rows of [N C]: softmax (log: 0) or log-softmax (log: 1), and the gradient from the result y.
  softmax_rows: { x: "in", y: "out", rows: "int", size: "int", log: "int" },
  softmax_rows_backward: { y: "in", dy: "in", dx: "out", rows: "int", size: "int", log: "int" },
  // out[i] = source[indices[i]] for rows of `size` elements; an index outside 0..count-1 is an error. type: element code of source; outType f32 or the same.
  gather_rows: {
    source: "in",
    indices: "in",
    output: "out",
    count: "int",
    rows: "int",
    size: "int",
    type: "int",
    outputType: "int",
  },
  // output [count size] = 0, then output[indices[i]] += x[i], in the order of i. f32.
  scatter_add_rows: { x: "in", indices: "in", output: "out", count: "int", rows: "int", size: "int" },
  // out[o j i] = source[o indices[o j i] i], source [outer count inner], indices and output [outer size inner]; width: bytes per element.
  take_along: {
    source: "in",
    indices: "in",
    output: "out",
    outer: "int",
    count: "int",
    size: "int",
    inner: "int",
    width: "int",
  },
  // output [outer count inner] = 0, then output[o indices[o j i] i] += x[o j i]. f32.
  scatter_add_along: { x: "in", indices: "in", output: "out", outer: "int", count: "int", size: "int", inner: "int" },
  // Per row of logits [N V]: loss = -Σ target distribution · log softmax, where the distribution is one-hot(target) · (1 - smoothing) + smoothing / V and each
  // class is weighted by weights[V] (as PyTorch does); ignored rows give 0. logsumexp [N] is kept for the gradient. weight: [N], what the row counts in a mean.
  cross_entropy: {
    logits: "in",
    targets: "in",
    weights: "in?",
    loss: "out",
    logsumexp: "out",
    rows: "int",
    size: "int",
    ignored: "int",
    smoothing: "float",
  },
  // dlogits from dloss [N].
  cross_entropy_backward: {
    logits: "in",
    targets: "in",
    weights: "in?",
    logsumexp: "in",
    dloss: "in",
    dlogits: "out",
    rows: "int",
    size: "int",
    ignored: "int",
    smoothing: "float",
  },
  // cross_entropy of x Wᵀ (+ bias), x [N D], w [V D], in chunks of rows: the [N V] logits never exist.
  linear_cross_entropy: {
    x: "in",
    w: "in",
    bias: "in?",
    targets: "in",
    loss: "out",
    logsumexp: "out",
    rows: "int",
    width: "int",
    size: "int",
    ignored: "int",
    smoothing: "float",
    compute: "int",
  },
  linear_cross_entropy_backward: {
    x: "in",
    w: "in",
    bias: "in?",
    targets: "in",
    logsumexp: "in",
    dloss: "in",
    dx: "out",
    dw: "out",
    dbias: "out?",
    rows: "int",
    width: "int",
    size: "int",
    ignored: "int",
    smoothing: "float",
    compute: "int",
  },
  // Philox-4x32-10 numbers: counter = (element / 4, stream, 0, 0), key = the i32 pair; distribution: see distributionCodes. Output f32 (bits: i32).
  random: { key: "in", output: "out", count: "int", stream: "int", distribution: "int" },
  // Rows of [N C] in ascending (descending: 1) order, stable; NaN last. values may be absent. keep: how many of each row are written (topk).
  sort_rows: {
    x: "in",
    values: "out?",
    indices: "out",
    rows: "int",
    size: "int",
    keep: "int",
    descending: "int",
    type: "int",
  },
  // Running sums over the middle of [outer size inner]; reverse: 1 runs from the end. type f32 or i32.
  cumulative_sum: { x: "in", output: "out", outer: "int", size: "int", inner: "int", reverse: "int", type: "int" },
  // output[i] = start + i · step, i32.
  iota: { output: "out", count: "int", start: "int", step: "int" },
  // base [outer count inner] with rows start .. start+size-1 replaced by value [outer size inner], in place; start is read at run time and checked.
  write_slice: {
    base: "inout",
    value: "in",
    start: "in",
    outer: "int",
    count: "int",
    size: "int",
    inner: "int",
    width: "int",
  },
  // output [outer size inner] = base [outer count inner] rows start .. start+size-1; start is read at run time and checked.
  read_slice: {
    base: "in",
    start: "in",
    output: "out",
    outer: "int",
    count: "int",
    size: "int",
    inner: "int",
    width: "int",
  },
  // Per row of log-probabilities x [rows frames classes]: loss = -log of the probability that its first inputLengths frames spell the
  // first targetLengths of targets [rows longest], summed over all ways, with blanks between; Infinity where there is none.
  ctc_loss: {
    x: "in",
    targets: "in",
    inputLengths: "in",
    targetLengths: "in",
    loss: "out",
    rows: "int",
    frames: "int",
    classes: "int",
    longest: "int",
    blank: "int",
  },
  // dx [rows frames classes] from dloss [rows]: minus each frame's probability of each class, given the targets. Rows with dloss 0 give 0.
  ctc_loss_backward: {
    x: "in",
    targets: "in",
    inputLengths: "in",
    targetLengths: "in",
    dloss: "in",
    dx: "out",
    rows: "int",
    frames: "int",
    classes: "int",
    longest: "int",
    blank: "int",
  },
} as const satisfies Record<string, Record<string, FieldKind>>

/** Every kernel: name -> argument names and kinds, in the order of the C++ struct. The index of a kernel is its position here. */
export const kernels: Readonly<Record<KernelName, Readonly<Record<string, FieldKind>>>> = kernelTable

/** The name of a machine kernel. */
export type KernelName = keyof typeof kernelTable

/** All kernel names in the order of their indices. */
export const kernelNames = Object.keys(kernelTable) as KernelName[]
