/**
 * Writes ops.gen.h from the op and dtype tables: op numbers, operand places, attribute structs, block sizes.
 * Made anew at each build, so TypeScript and C++ cannot drift; an op without a kernel does not link.
 */

import { dtypes, ops } from '../../graph/dist/index.js';

const capital = (name) => name[0].toUpperCase() + name.slice(1);
const bare = (operand) => operand.replace(/\?|\.\.\.$/g, '');
/** Attributes that reach C++; shapes are read from operands. */
const wireAttrs = (op) => Object.entries(op.attrs).filter(([, kind]) => kind !== 'shape');

function attrField([name, kind], i) {
  if (kind === 'bool') return { field: `bool ${name};`, read: `a[${i}] != 0` };
  if (kind === 'i32') return { field: `int32_t ${name};`, read: `a[${i}]` };
  if (kind === 'f32') return { field: `float ${name};`, read: `as_float(a[${i}])` };
  const type = capital(name);
  return {
    field: `enum class ${type} : int32_t { ${kind.join(', ')} };\n  ${type} ${name};`,
    read: `(${type})a[${i}]`,
  };
}

function opStruct(op) {
  const fields = wireAttrs(op).map(attrField);
  const operands = op.operands.map((name, i) => `${bare(name)} = ${i}`).join(', ');
  return `struct ${capital(op.name)} {
  enum Operand : int { ${operands} };
  ${fields.map(({ field }) => field).join('\n  ')}
  static ${capital(op.name)} read(const int32_t* a) { (void)a; return {${fields.map(({ read }) => read).join(', ')}}; }
};`;
}

/** Whether an enum attribute's word is a member, as a C++ condition. */
function attrsFit(op) {
  const checks = wireAttrs(op).flatMap(([, kind], i) =>
    Array.isArray(kind) ? [`a[${i}] >= 0 && a[${i}] < ${kind.length}`] : [],
  );
  return checks.length === 0 ? 'true' : checks.join(' && ');
}

function countsFit(op, code) {
  const variadic = op.operands.at(-1).endsWith('...');
  const operands = variadic ? `in >= ${op.operands.length}` : `in == ${op.operands.length}`;
  return `    case ${code}: return ${operands} && out == ${op.results.length} && attrs == ${wireAttrs(op).length};`;
}

/** Operands that may be null, by number. */
function optionalOperands(op, code) {
  const places = op.operands.flatMap((name, i) => (name.endsWith('?') ? [`i == ${i}`] : []));
  return places.length === 0 ? [] : [`    case ${code}: return ${places.join(' || ')};`];
}

export function generateHeader() {
  const list = Object.values(ops);
  const types = Object.values(dtypes);
  return `// Generated from the op and dtype tables of @steelyard/graph. Do not edit.
#pragma once
#include <cstdint>
#include <cstring>

namespace steelyard {

enum class DType : int32_t { ${types.map((t) => `${t.name === 'bool' ? 'boolean' : t.name} = ${t.code}`).join(', ')} };
struct DTypeInfo {
  int32_t block_size, block_bytes;
};
inline const DTypeInfo& dtype_info(DType dtype) {
  static constexpr DTypeInfo table[${Math.max(...types.map((t) => t.code)) + 1}] = {
${Array.from({ length: Math.max(...types.map((t) => t.code)) + 1 }, (_, code) => {
  const t = types.find((type) => type.code === code);
  return `      {${t ? `${t.blockSize}, ${t.blockBytes}` : '0, 0'}},`;
}).join('\n')}
  };
  return table[(int)dtype];
}
inline bool dtype_known(int32_t code) {
  return code >= 0 && code <= ${Math.max(...types.map((t) => t.code))} && dtype_info((DType)code).block_size > 0;
}

inline float as_float(int32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

enum class Op : int32_t { ${list.map((op, i) => `${op.name} = ${i}`).join(', ')} };
constexpr int kOpCount = ${list.length};

// KERNEL(name) for ops that compute, VIEW(name) for those that only name memory, in order of op number.
#define SY_OPS(KERNEL, VIEW) ${list.map((op) => `${op.view ? 'VIEW' : 'KERNEL'}(${op.name})`).join(' ')}

${list.map(opStruct).join('\n\n')}

inline bool op_counts_fit(int op, int in, int out, int attrs) {
  switch (op) {
${list.map(countsFit).join('\n')}
  }
  return false;
}

inline bool op_is_view(int op) {
  static constexpr bool table[kOpCount] = {${list.map((op) => op.view ?? false).join(', ')}};
  return table[op];
}

// Whether the op's first result is its first operand, a state.
inline bool op_changes_state(int op) {
  static constexpr bool table[kOpCount] = {${list.map((op) => Boolean(op.aliases && !op.view)).join(', ')}};
  return table[op];
}

inline int op_result_count(int op) {
  static constexpr int table[kOpCount] = {${list.map((op) => op.results.length).join(', ')}};
  return table[op];
}

inline bool op_operand_optional(int op, int i) {
  switch (op) {
${list.flatMap(optionalOperands).join('\n')}
  }
  return false;
}

inline bool op_attrs_fit(int op, const int32_t* a) {
  (void)a;
  switch (op) {
${list.map((op, i) => `    case ${i}: return ${attrsFit(op)};`).join('\n')}
  }
  return false;
}

}  // namespace steelyard
`;
}
