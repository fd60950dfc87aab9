/** Reads the container of dashboard/presentation/wire/packet.py: a JSON header and typed arrays that look into the packet's bytes. */

const TYPES = {
  int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array,
};

/**
 * @param {Uint8Array} bytes one packet
 * @returns {{header: object, arrays: Object<string, ArrayLike<number>>}} the arrays are flat, row-major
 */
export function unpack(bytes) {
  if (bytes.byteOffset % 8) bytes = bytes.slice(); // typed arrays want aligned memory
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const start = bytes.byteOffset + 4 + length;
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(header.arrays)) {
    const count = shape.reduce((product, side) => product * side, 1);
    arrays[name] = new TYPES[dtype](bytes.buffer, start + offset, count);
  }
  return { header, arrays };
}
