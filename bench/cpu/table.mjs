/** The benchmark's rows as a Markdown table. */

function cell(value, digits = 1) {
  return value === null || value === undefined ? '' : value.toFixed(digits);
}

export function markdownTable(rows) {
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const head = ['case', 'unit', 'limit', 'ours', ...peers, 'ours / best peer', 'ours / limit', 'spread'];
  const lines = rows.map((row) => [
    row.case,
    row.unit,
    cell(row.limit),
    cell(row.ours),
    ...peers.map((peer) => cell(row.peers[peer])),
    row.ratio === null ? (row.noisy ? 'too noisy' : '') : `${cell(row.ratio, 2)}x`,
    row.limit ? cell(row.ours / row.limit, 2) : '',
    `${Math.round(row.spread * 100)}%`,
  ]);
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
