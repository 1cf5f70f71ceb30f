// The tiny world: a small closed world of people, animals, places and things, told in simple English, with its truth known.
export { type CheckedSentence, checkStory, type StoryCheck, sentenceSpans } from "./check.ts"
export { type PronounQuestion, pronounQuestions, type QuestionShape, questionShapes } from "./questions.ts"
export { type StoryRecord, worldStories, worldStory, worldText } from "./story.ts"
export type { Pronoun, Span } from "./tell.ts"
export { worldTokenizer, worldWords } from "./vocabulary.ts"
