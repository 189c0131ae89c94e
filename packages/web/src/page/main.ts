/** The chat page: joins form, conversation, stream and view. */

import { ChatError, listModels, streamAnswer, type AnswerEnd, type PageModel } from './chat-client.ts';
import { Conversation } from './conversation.ts';
import { AnswerView, userMessage } from './render.ts';

/** How near the end the reader must be, in pixels, for the page to follow the answer. */
const FOLLOW_WITHIN = 80;

function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const scroller = document.querySelector('main')!;
const log = byId('log');
const welcome = byId('welcome');
const prompt = byId<HTMLTextAreaElement>('prompt');
const modelSelect = byId<HTMLSelectElement>('model');
const sendButton = byId<HTMLButtonElement>('send');
const stopButton = byId<HTMLButtonElement>('stop');
const problem = byId('problem');
const speed = byId('speed');
const announcement = byId('announcement');

const conversation = new Conversation();
let models: readonly PageModel[] = [];
let running: AbortController | undefined;

async function loadModels(): Promise<void> {
  try {
    models = await listModels();
    modelSelect.replaceChildren(...models.map((model) => new Option(model.id, model.id)));
    modelSelect.disabled = models.length < 2;
    if (models.length === 0)
      throw new ChatError('The server has no model. Start it with one: steelyard serve MODEL.');
    showFacts();
  } catch (error) {
    showProblem(error);
  }
}

function showFacts(): void {
  const model = models.find((one) => one.id === modelSelect.value);
  const facts = model?.steelyard;
  byId('facts').textContent = facts
    ? `${count(facts.parameter_count)} parameters, ${facts.quantisation}, up to ` +
      `${facts.context_length.toLocaleString('en')} tokens, on ${facts.backend}`
    : '';
  showProblem(undefined);
  if (facts && !facts.has_chat_template) {
    showProblem(
      new ChatError('This model has no chat template, so it cannot chat. Choose an instruction-tuned one.'),
    );
  }
}

function count(parameters: number): string {
  return new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 }).format(parameters);
}

async function send(text: string): Promise<void> {
  if (running || !conversation.ask(text)) return;
  prompt.value = '';
  welcome.hidden = true;
  showProblem(undefined);
  const question = userMessage(conversation.turns.at(-1)!.content);
  const view = new AnswerView(follow);
  log.append(question, view.element);
  scroller.scrollTop = scroller.scrollHeight;
  await answer(view, question);
}

/** One answer from first byte to last; also where it ends badly. */
async function answer(view: AnswerView, question: HTMLElement): Promise<void> {
  const mine = new AbortController();
  setRunning(mine);
  const meter = new Meter();
  try {
    const tick = () => (speed.textContent = meter.tick());
    const on = {
      text(piece: string) {
        view.append(piece);
        tick();
      },
      reasoning(piece: string) {
        view.think(piece);
        tick();
      },
    };
    const end = await streamAnswer(modelSelect.value, conversation.turns, on, mine.signal);
    // A new chat has removed the view already; its answer belongs to no conversation.
    if (!view.element.isConnected) return;
    view.finish(end.reason === 'length' ? 'The answer reached its length limit.' : undefined);
    conversation.answer(view.text);
    speed.textContent = meter.final(end);
    announcement.textContent = `Answer: ${view.text}`;
  } catch (error) {
    if (!view.element.isConnected) return;
    if (mine.signal.aborted && view.text !== '') return finishStopped(view);
    withdraw(view, question);
    if (!mine.signal.aborted) showProblem(error);
  } finally {
    if (running === mine) setRunning(undefined);
  }
}

function finishStopped(view: AnswerView): void {
  view.finish('Stopped.');
  conversation.answer(view.text);
  announcement.textContent = 'Stopped.';
}

/** An unanswered question goes back into the box, so that nothing typed is lost. */
function withdraw(view: AnswerView, question: HTMLElement): void {
  view.element.remove();
  question.remove();
  prompt.value = conversation.takeBack() ?? '';
  welcome.hidden = !conversation.isEmpty;
}

function setRunning(controller: AbortController | undefined): void {
  const hadFocus = document.activeElement === sendButton || document.activeElement === stopButton;
  running = controller;
  sendButton.hidden = controller !== undefined;
  stopButton.hidden = controller === undefined;
  if (hadFocus) (controller ? stopButton : prompt).focus();
}

function showProblem(error: unknown): void {
  problem.hidden = error === undefined;
  if (error === undefined) return;
  if (!(error instanceof ChatError)) console.error(error);
  byId('problem-text').textContent =
    error instanceof ChatError ? error.message : 'This page failed; its console says why. Reload it.';
}

function follow(): void {
  const distance = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  if (distance < FOLLOW_WITHIN + lastGrowth()) scroller.scrollTop = scroller.scrollHeight;
}

let lastHeight = 0;

/** How much the conversation grew since the last frame: following is judged from before that. */
function lastGrowth(): number {
  const growth = Math.max(0, log.offsetHeight - lastHeight);
  lastHeight = log.offsetHeight;
  return growth;
}

/** Pieces per second while the answer comes; the server's own count at its end. */
class Meter {
  #first: number | undefined;
  #pieces = 0;

  tick(): string {
    const now = performance.now();
    this.#first ??= now;
    this.#pieces++;
    const seconds = (now - this.#first) / 1000;
    return seconds < 0.3 ? '' : `about ${((this.#pieces - 1) / seconds).toFixed(0)} tokens/s`;
  }

  final(end: AnswerEnd): string {
    if (end.completionTokens === undefined) return '';
    const tokens = `${end.completionTokens} ${end.completionTokens === 1 ? 'token' : 'tokens'}`;
    return end.tokensPerSecond === undefined
      ? tokens
      : `${tokens}, ${end.tokensPerSecond.toFixed(1)} tokens/s`;
  }
}

function newChat(): void {
  running?.abort();
  setRunning(undefined);
  conversation.clear();
  log.replaceChildren();
  lastHeight = 0;
  welcome.hidden = false;
  speed.textContent = '';
  announcement.textContent = 'New chat.';
  showProblem(undefined);
  prompt.focus();
}

async function retry(): Promise<void> {
  if (models.length === 0) await loadModels();
  if (models.length > 0) await send(prompt.value);
}

if (!CSS.supports('field-sizing', 'content')) {
  // The style sheet's own way of growing with the text is not known to this browser.
  prompt.addEventListener('input', () => (prompt.rows = Math.min(8, prompt.value.split('\n').length)));
}
byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  void send(prompt.value);
});
prompt.addEventListener('keydown', (event) => {
  // While an input method composes, Enter chooses a word and must not send.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  void send(prompt.value);
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') running?.abort();
});
stopButton.addEventListener('click', () => running?.abort());
byId('new-chat').addEventListener('click', newChat);
byId('retry').addEventListener('click', () => void retry());
modelSelect.addEventListener('change', showFacts);
void loadModels();
