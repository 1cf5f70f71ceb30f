import { describe, expect, it } from "vitest"
import {
  applyChatTemplate,
  chatML,
  chatTemplate,
  parseChatTemplate,
  TextError,
  WordTokenizer,
} from "../../src/text/index.ts"

const messages = [
  { role: "user", content: "Hello" },
  { role: "assistant", content: "Hi" },
]
const template =
  "{{ bos_token }}{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('role ' + m.role + ' unknown') }}{% endif %}" +
  "[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}{% if tools %}TOOLS {{ tools | length }}{% endif %}{% if add_generation_prompt %}[assistant]{% endif %}"
const settings = { chat_template: template, bos_token: "<s>", eos_token: { content: "</s>" } }

describe("chat templates", () => {
  it("write a conversation with the special tokens of the settings", () => {
    const chat = chatTemplate(settings)!
    expect(chat.apply(messages)).toBe("<s>[user] Hello</s>[assistant] Hi</s>")
    expect(chat.apply(messages.slice(0, 1), { addGenerationPrompt: true })).toBe("<s>[user] Hello</s>[assistant]")
    expect(chat.apply(messages, { tools: [{}, {}] })).toContain("TOOLS 2")
    expect(chatTemplate({})).toBeNull()
  })

  it("are chosen by name from a list, and the one for tools where there are tools", () => {
    const chat_template = [
      { name: "default", template: "plain" },
      { name: "tool_use", template: "tools" },
      { name: "rag", template: "documents" },
    ]
    const chat = chatTemplate({ chat_template })!
    expect(chat.apply(messages)).toBe("plain")
    expect(chat.apply(messages, { tools: [{}] })).toBe("tools")
    expect(chatTemplate({ chat_template }, "rag")!.apply(messages)).toBe("documents")
    expect(() => chatTemplate({ chat_template }, "other")).toThrow(/one of default, tool_use, rag, but got other/)
    expect(() => chatTemplate(settings, "rag")).toThrow(/has one without a name/)
  })

  it("say what is wrong with messages and templates", () => {
    const chat = chatTemplate(settings)!
    expect(() => chat.apply([{ role: "robot", content: "x" }])).toThrow(/it says: role robot unknown/)
    expect(() => chat.apply([])).toThrow(/an empty one/)
    expect(() => chat.apply([{ content: "x" } as never])).toThrow(/messages with a role/)
    expect(() => parseChatTemplate("{% for x in")).toThrow(TextError)
    expect(() => parseChatTemplate("{% for x in range(1000000000) %}a{% endfor %}").apply(messages)).toThrow(
      /range\(\)/,
    )
    expect(() => chatTemplate({ chat_template: [3] })).toThrow(/list of \{ name, template \}/)
  })

  it("are never invented; ChatML is there for who asks", () => {
    const tokenizer = new WordTokenizer(["a"])
    expect(() => applyChatTemplate(tokenizer, messages)).toThrow(/with a chat template, but .* has none/)
    expect(parseChatTemplate(chatML).apply(messages.slice(0, 1), { addGenerationPrompt: true })).toBe(
      "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    )
  })
})

describe("templates of strangers", () => {
  const rendered = (source: string) => parseChatTemplate(source).apply([{ role: "user", content: "hi" }])

  it.each([
    [
      "loops in loops",
      "{% for a in range(900) %}{% for b in range(900) %}{% for c in range(900) %}x{% endfor %}{% endfor %}{% endfor %}",
      /more than \d+ (steps|seconds)/,
    ],
    [
      "a text that doubles",
      `{% set n = namespace(x='aaaa') %}${"{% set n.x = n.x + n.x %}".repeat(30)}{{ n.x }}`,
      /characters|length/,
    ],
    ["a template without end", "x".repeat(2_000_000), /at most 1000000 characters/],
    ["blocks in blocks", "{% if 1 %}".repeat(20_000), /expected Jinja/],
    ["JavaScript", "{{ raise_exception.constructor('return process')() }}", /not a function/],
  ])(
    "%s: one clear error",
    (_, source, message) => {
      expect(() => rendered(source)).toThrow(TextError)
      expect(() => rendered(source)).toThrow(message)
    },
    60_000,
  )
})
