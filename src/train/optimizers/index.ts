// The optimizers, one record each, by family.
export { type AdafactorOptions, adafactor } from "./adafactor.ts"
export { type AdamOptions, adam, adamax, adamW, adamWBert, nadam, radam } from "./adam.ts"
export { adadelta, adagrad, rmsprop } from "./adaptive.ts"
export { type SgdOptions, sgd } from "./sgd.ts"
