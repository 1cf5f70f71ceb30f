// The languages Whisper was trained on: their codes, which are its tokens (<|de|>), and their English names.

import { nearestName } from "../config/index.ts"
import { ValueError } from "../tensor/index.ts"

const table = `en english, zh chinese, de german, es spanish, ru russian, ko korean, fr french, ja japanese, pt portuguese, tr turkish,
pl polish, ca catalan, nl dutch, ar arabic, sv swedish, it italian, id indonesian, hi hindi, fi finnish, vi vietnamese, he hebrew,
uk ukrainian, el greek, ms malay, cs czech, ro romanian, da danish, hu hungarian, ta tamil, no norwegian, th thai, ur urdu,
hr croatian, bg bulgarian, lt lithuanian, la latin, mi maori, ml malayalam, cy welsh, sk slovak, te telugu, fa persian, lv latvian,
bn bengali, sr serbian, az azerbaijani, sl slovenian, kn kannada, et estonian, mk macedonian, br breton, eu basque, is icelandic,
hy armenian, ne nepali, mn mongolian, bs bosnian, kk kazakh, sq albanian, sw swahili, gl galician, mr marathi, pa punjabi,
si sinhala, km khmer, sn shona, yo yoruba, so somali, af afrikaans, oc occitan, ka georgian, be belarusian, tg tajik, sd sindhi,
gu gujarati, am amharic, yi yiddish, lo lao, uz uzbek, fo faroese, ht haitian creole, ps pashto, tk turkmen, nn nynorsk, mt maltese,
sa sanskrit, lb luxembourgish, my myanmar, bo tibetan, tl tagalog, mg malagasy, as assamese, tt tatar, haw hawaiian, ln lingala,
ha hausa, ba bashkir, jw javanese, su sundanese, yue cantonese`

const others = `burmese my, valencian ca, flemish nl, haitian ht, letzeburgesch lb, pushto ps, panjabi pa, moldavian ro, moldovan ro,
sinhalese si, castilian es, mandarin zh`

/** Names of languages by their codes. */
export const whisperLanguages: ReadonlyMap<string, string> = new Map(
  table.split(/,\s*/).map(entry => {
    const [code, ...name] = entry.split(" ")
    return [code!, name.join(" ")]
  }),
)

const codes = new Map([
  ...[...whisperLanguages].map(([code, name]) => [name, code] as const),
  ...others.split(/,\s*/).map(entry => entry.split(" ") as [string, string]),
])

/** The code of a language given by name ("German"), code ("de") or token ("<|de|>"). Throws ValueError that names the nearest. */
export function languageCode(language: string): string {
  const given = language
    .toLowerCase()
    .trim()
    .replace(/^<\|(.*)\|>$/, "$1")
  if (whisperLanguages.has(given)) return given
  const code = codes.get(given)
  if (code !== undefined) return code
  const near = nearestName(given, [...codes.keys()])
  throw new ValueError(
    `whisper: expected a language it knows, but got ${JSON.stringify(language)}`,
    near ? `the nearest is ${near.name}` : "for example english or en",
  )
}
