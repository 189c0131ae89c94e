import { describe, expect, it } from 'vitest';
import { ProgressBar } from './progress-bar.ts';
import { styleFor } from './style.ts';

function bar(isTTY: boolean, columns = 100) {
  const clock = { ms: 0 };
  const out = { text: '', isTTY, columns, write: (text: string) => ((out.text += text), true) };
  const progress = new ProgressBar(out, styleFor({}, {}), () => clock.ms);
  const at = (ms: number, done: number, total?: number): void => {
    clock.ms = ms;
    progress.update('model.gguf', done, total);
  };
  return { progress, out, at };
}

describe('ProgressBar', () => {
  it('shows share, amount, rate and time left', () => {
    const { out, at } = bar(true);
    at(0, 0, 100e6);
    at(1000, 25e6, 100e6);
    const line = out.text.split('\u001b[K').at(-1);
    expect(line).toContain('25%  25.0 MB of 100 MB  25.0 MB/s  3.0 s left');
    expect(line?.match(/█/g)).toHaveLength(6);
  });

  it('follows the link: old samples leave the rate', () => {
    const { progress, at } = bar(true);
    at(0, 0, 100e6);
    at(10_000, 90e6, 100e6);
    at(20_000, 91e6, 100e6);
    expect(progress.line('x', 91e6, 100e6)).toContain('100 kB/s');
  });

  it('never exceeds the terminal', () => {
    for (const columns of [20, 40, 60, 80, 200]) {
      const { progress, at } = bar(true, columns);
      at(0, 0, 100e6);
      at(1000, 25e6, 100e6);
      const line = progress.line('a-very-long-file-name-that-goes-on-and-on.safetensors', 25e6, 100e6);
      expect([...line].length).toBeLessThan(columns);
    }
  });

  it('redraws at most ten times a second, but shows the end', () => {
    const { out, at } = bar(true);
    for (let ms = 0; ms <= 1000; ms += 10) at(ms, ms, 1000);
    expect(out.text.split('\r').length - 1).toBeLessThanOrEqual(12);
    expect(out.text).toContain('100%');
  });

  it('writes a line per tenth without a terminal', () => {
    const { out, at } = bar(false);
    for (let i = 0; i <= 100; i++) at(i * 100, i * 1e6, 100e6);
    expect(out.text.split('\n')).toHaveLength(12);
    expect(out.text).not.toContain('\u001b');
  });

  it('works without a total', () => {
    const { out, at } = bar(true);
    at(0, 0);
    at(1000, 5e6);
    expect(out.text).toContain('5.00 MB  5.00 MB/s');
  });
});
