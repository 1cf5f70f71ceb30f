// Sound and pictures as tensors: files decoded, brought to the rate or size a model wants, and turned into its features.
export { type AudioSource, decodeWav, type RawAudio, type ReadAudioOptions, readAudio } from "./audio.ts"
export { MediaError } from "./errors.ts"
export { type ImageSource, readImage } from "./image.ts"
export { logMel, type MelOptions, melFilters } from "./mel.ts"
export { cropped, type PictureOptions, type PictureProcessor, pictureProcessor } from "./picture-processor.ts"
export { resample } from "./resample.ts"
export { type RawImage, type Resampling, resize } from "./resize.ts"
export type { MediaSource, SourceOptions } from "./source.ts"
export {
  type LogMelExtractor,
  logMelExtractor,
  standardized,
  type WaveformExtractor,
  type WaveformInputs,
  waveformExtractor,
} from "./speech.ts"
