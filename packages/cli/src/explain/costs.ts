/**
 * Where a step's bytes and operations go, from the op table alone. Bytes are what must move if every operand is read
 * once and every result written once; caches may save some, bad kernels may add.
 */

import {
  bindDim,
  bindShape,
  byteLength,
  elementCount,
  opDefinition,
  type Bindings,
  type BoundType,
  type Graph,
  type Node,
  type Value,
} from '@steelyard/graph';

export interface Cost {
  count: number;
  flops: number;
  weightBytes: number;
  /** Cache pages read and written. */
  stateBytes: number;
  /** Inputs and temporaries. */
  otherBytes: number;
}

export interface StepCosts {
  readonly byOp: ReadonlyMap<string, Cost>;
  /** Keyed by the weight's name without its layer number. */
  readonly byWeight: ReadonlyMap<string, Cost>;
  readonly total: Cost;
}

function emptyCost(): Cost {
  return { count: 0, flops: 0, weightBytes: 0, stateBytes: 0, otherBytes: 0 };
}

function addCost(to: Cost, cost: Cost): void {
  to.count += cost.count;
  to.flops += cost.flops;
  to.weightBytes += cost.weightBytes;
  to.stateBytes += cost.stateBytes;
  to.otherBytes += cost.otherBytes;
}

/** Dims of one sequence: `tokens` new ones at the end of `context`, logits of the last. */
export function stepBindings(tokens: number, context: number, pageSize: number): Bindings {
  const pages = Math.ceil(context / pageSize);
  return { T: tokens, S: 1, V: 1, P: pages, N: pages, R: 1 };
}

export function stepCosts(graph: Graph, dims: Bindings): StepCosts {
  const byOp = new Map<string, Cost>();
  const byWeight = new Map<string, Cost>();
  const total = emptyCost();
  const roots = rootsOf(graph);
  for (const node of graph.nodes) {
    const cost = nodeCost(node, dims, roots);
    addCost(entry(byOp, node.op), cost);
    addCost(total, cost);
    const weights = node.inputs.filter((v): v is Value => v?.storage === 'weight');
    const elements = weights.reduce((sum, w) => sum + elementsOf(w, dims), 0);
    for (const weight of weights) {
      // Operations of a node with several weights are shared out by their sizes.
      const share = elementsOf(weight, dims) / elements;
      const bytes = readBytes(node, weight, dims);
      const flops = node.op.endsWith('matmul') ? cost.flops * share : 0;
      addCost(entry(byWeight, groupName(weight.name)), {
        ...emptyCost(),
        count: 1,
        flops,
        weightBytes: bytes,
      });
    }
  }
  return { byOp, byWeight, total };
}

/** `layers.3.attn.q.weight` is `layers.*.attn.q.weight`. */
export function groupName(weight: string): string {
  return weight.replace(/(^|\.)\d+(?=\.)/g, '$1*');
}

function entry(map: Map<string, Cost>, key: string): Cost {
  const cost = map.get(key) ?? emptyCost();
  map.set(key, cost);
  return cost;
}

/** The weight, state or input that a value is a view of, or itself. */
function rootsOf(graph: Graph): Map<Value, Value> {
  const roots = new Map<Value, Value>();
  for (const node of graph.nodes) {
    const { aliases } = opDefinition(node.op);
    node.outputs.forEach((output, i) => {
      const source = aliases?.[i] === undefined ? undefined : node.inputs[aliases[i]];
      if (source) roots.set(output, roots.get(source) ?? source);
    });
  }
  return roots;
}

function nodeCost(node: Node, dims: Bindings, roots: ReadonlyMap<Value, Value>): Cost {
  const definition = opDefinition(node.op);
  const cost = { ...emptyCost(), count: 1 };
  if (definition.view) return cost;
  const outputs = node.outputs.map((v) => bound(v, dims));
  cost.flops = definition.flops
    ? definition.flops(
        node.inputs.map((v) => v && bound(v, dims)),
        outputs,
        node.attrs,
      )
    : outputs.reduce((sum, type) => sum + elementCount(type.shape), 0);
  node.inputs.forEach((value, i) => {
    if (!value) return;
    const { storage, dtype } = roots.get(value) ?? value;
    if (storage === 'weight') cost.weightBytes += readBytes(node, value, dims);
    else if (storage !== 'state') cost.otherBytes += readBytes(node, value, dims);
    else if (!definition.aliases?.includes(i)) cost.stateBytes += readBytes(node, value, dims);
    else cost.stateBytes += byteLength(dtype, changedElements(node, dims));
  });
  node.outputs.forEach((value, i) => {
    if (definition.aliases?.[i] === undefined) cost.otherBytes += valueBytes(value, dims);
  });
  return cost;
}

/** Of a state changed in place: what is new of a cache; of a recurrence each sequence's row, read and written. */
function changedElements({ op, inputs }: Node, dims: Bindings): number {
  if (op === 'kvwrite') return elementsOf(inputs[1], dims);
  const row = (inputs[0]?.shape.slice(1) ?? []).reduce<number>((n, dim) => n * bindDim(dim, dims), 1);
  return 2 * elementsOf(inputs.at(-1), dims) * row;
}

/** Lookups read only the rows, and experts, they are asked for; everything else reads its operands whole. */
function readBytes(node: Node, value: Value, dims: Bindings): number {
  const whole = valueBytes(value, dims);
  const rows = bindShape(value.shape, dims)[0] ?? 1;
  if (!isLookedUp(node, value) || rows === 0) return whole;
  return (whole / rows) * Math.min(rows, elementsOf(node.inputs[1], dims));
}

/** Whether the op reads rows (dim 0) of `value` that its second operand names. */
function isLookedUp({ op, inputs }: Node, value: Value): boolean {
  if (op === 'gather') return value === inputs[0];
  return op === 'expertmatmul' && inputs.indexOf(value) >= 2;
}

function elementsOf(value: Value | null | undefined, dims: Bindings): number {
  return value ? elementCount(bindShape(value.shape, dims)) : 0;
}

function bound(value: Value, dims: Bindings): BoundType {
  return { shape: bindShape(value.shape, dims), dtype: value.dtype };
}

function valueBytes(value: Value, dims: Bindings): number {
  return byteLength(value.dtype, elementCount(bindShape(value.shape, dims)));
}
