// preprocessor_config.json: keys that say who wrote it and for whom, not what is computed.

const remarks = new Set([
  "return_tensors",
  "device",
  "disable_grouping",
  "input_data_format",
  "processor_class",
  "feature_extractor_type",
  "image_processor_type",
  "_valid_processor_keys",
  "_processor_class",
  "auto_map",
])

/** The keys of a published configuration that say what is computed. */
export function withoutRemarks(published: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (typeof published !== "object" || published === null || Array.isArray(published)) return published
  return Object.fromEntries(Object.entries(published).filter(([key, value]) => !remarks.has(key) && value !== null))
}
