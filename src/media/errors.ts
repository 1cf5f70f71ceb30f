// What goes wrong with sound and pictures, said so that a person can act.
import { HeedError } from "../tensor/errors.ts"

/** Sound or a picture that is damaged, of the wrong form, or that cannot be read here. */
export class MediaError extends HeedError {}
