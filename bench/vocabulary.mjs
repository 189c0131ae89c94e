/** Made-up vocabularies, for models of random weights. */

/**
 * A whole byte-level BPE: GPT-2's printable stand-in of each byte, then made-up words, each an earlier word and one
 * letter more, by one merge each; the last token ends a text.
 */
export function vocabulary(size) {
  const bytes = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    bytes.push(String.fromCodePoint(visible ? byte : next++));
  }
  const letters = [...'etaoinshrdlcumwfgypbvkjxqz'];
  const words = [];
  const merges = [];
  const starts = ['\u0120', ...letters];
  for (let i = 0; words.length < size - bytes.length - 1; i++) {
    const start = i < starts.length ? starts[i] : words[i - starts.length];
    for (const letter of letters.slice(0, size - bytes.length - 1 - words.length)) {
      words.push(start + letter);
      merges.push(`${start} ${letter}`);
    }
  }
  return { tokens: [...bytes, ...words, '<|end|>'], merges };
}
