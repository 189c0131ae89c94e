import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listenForInterrupts } from './interrupts.ts';

function fakeProcess() {
  const exits: number[] = [];
  const target = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) });
  return { exits, target, onInterrupt: listenForInterrupts(target as unknown as NodeJS.Process) };
}

describe('listenForInterrupts', () => {
  it('ends the process when nobody is in charge', () => {
    const { exits, target } = fakeProcess();
    target.emit('SIGINT', 'SIGINT');
    target.emit('SIGTERM', 'SIGTERM');
    expect(exits).toEqual([130, 143]);
  });

  it('tells the latest handler alone, and the one before when that has left', () => {
    const { exits, target, onInterrupt } = fakeProcess();
    const told: string[] = [];
    const first = onInterrupt((signal) => told.push(`first ${signal}`));
    const second = onInterrupt((signal) => told.push(`second ${signal}`));
    target.emit('SIGINT', 'SIGINT');
    second();
    target.emit('SIGTERM', 'SIGTERM');
    first();
    target.emit('SIGINT', 'SIGINT');
    expect(told).toEqual(['second SIGINT', 'first SIGTERM']);
    expect(exits).toEqual([130]);
  });
});
