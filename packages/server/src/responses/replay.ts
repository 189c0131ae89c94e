/** A response that is done, told once more as a stream: each text in one piece. */

import type { ResponseEvent } from '../schemas/response-events.ts';
import type { OutputItem } from '../schemas/response-items.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import { stepsOf } from '../tool-loop/item-steps.ts';
import type { Seal } from './sealed-reasoning.ts';
import { ResponseWriter } from './response-writer.ts';

export function replay(response: ResponseObject, { seal }: Seal): readonly ResponseEvent[] {
  const { usage: _, ...rest } = response;
  const begun: ResponseObject = {
    ...rest,
    status: response.background ? 'queued' : 'in_progress',
    output: [],
    error: null,
    incomplete_details: null,
    completed_at: null,
  };
  const carriesReasoning = response.output.some((item) => 'encrypted_content' in item);
  const writer = new ResponseWriter(begun, { seal: carriesReasoning ? seal : undefined });
  writer.begin();
  writer.start();
  for (const item of response.output) tell(writer, item);
  writer.endAs(response);
  return writer.take();
}

function tell(writer: ResponseWriter, item: OutputItem): void {
  if (item.type === 'function_call') return writer.addCall(item);
  if (item.type !== 'message' && item.type !== 'reasoning') {
    for (const step of stepsOf(item)) writer.step(step);
    return;
  }
  writer.open(item.type, item.id);
  const [part] = item.content ?? [];
  if (part?.type === 'output_text') {
    writer.grow(part.text, part.logprobs);
    for (const annotation of part.annotations) writer.annotate(annotation);
  }
  if (part?.type === 'reasoning_text') writer.grow(part.text);
  writer.close(item.status);
}
