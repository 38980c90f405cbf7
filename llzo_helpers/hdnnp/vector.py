"""Eight numbers at once: a vector type for numba kernels.

Compilers vectorise simple loops only. The loops over the neighbours of an atom are not
simple, so the kernels of this package are written over *vectors* of eight consecutive
numbers instead: ``x = load(array, i)`` takes ``array[i:i+8]``, arithmetic works on all eight
lanes, ``store(array, i, x)`` puts them back. The compiler turns a vector into whatever the
processor has: one AVX-512 register, two AVX2 registers or four NEON registers.

Everything here is for use inside functions compiled by numba; functions like `exp` are in
`elementary`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model

WIDTH = 8

_F64 = ir.DoubleType()
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_F64, WIDTH)
_INTEGERS = ir.VectorType(_I64, WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)

# a*b + c may become one fused operation; nothing else may be rearranged
_FLAGS = ("contract",)


class _VectorType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="vector_of_8_float64")


class _MaskType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="vector_of_8_bool")


vector = _VectorType()
mask = _MaskType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


@register_model(_MaskType)
class _MaskModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _MASK)


def _splat(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, _I64(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)


@lower_cast(types.Float, vector)
@lower_cast(types.Integer, vector)
def _number_to_vector(context: Any, builder: Any, fromty: Any, toty: Any, value: Any) -> Any:
    return _splat(builder, context.cast(builder, value, fromty, types.float64))


def _define_operator(operation: Any, n_operands: int, instruction: str) -> None:
    """Give a Python operator its meaning for vectors (and vectors with plain numbers)."""

    @infer_global(operation)
    class _Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            numbers = (types.Float, types.Integer)
            if (
                len(args) == n_operands
                and vector in args
                and all(a == vector or isinstance(a, numbers) for a in args)
            ):
                return signature(vector, *([vector] * n_operands))
            return None

    @lower_builtin(operation, *([vector] * n_operands))
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FLAGS)


_define_operator(operator.add, 2, "fadd")
_define_operator(operator.iadd, 2, "fadd")
_define_operator(operator.sub, 2, "fsub")
_define_operator(operator.isub, 2, "fsub")
_define_operator(operator.mul, 2, "fmul")
_define_operator(operator.imul, 2, "fmul")
_define_operator(operator.truediv, 2, "fdiv")
_define_operator(operator.neg, 1, "fneg")


def _pointer(context: Any, builder: Any, sig: Any, array: Any, index: Any) -> Any:
    """Address of an item. Unlike in Python, an index is not checked for being negative."""
    array_type = sig.args[0]
    struct = context.make_array(array_type)(context, builder, array)
    indices = cgutils.unpack_tuple(builder, index) if array_type.ndim > 1 else [index]
    return cgutils.get_item_pointer(context, builder, array_type, struct, indices)


def _address(context: Any, builder: Any, sig: Any, array: Any, index: Any) -> Any:
    pointer = _pointer(context, builder, sig, array, index)
    return builder.bitcast(pointer, _VECTOR.as_pointer())


@intrinsic
def item(typing: Any, array: Any, index: Any) -> Any:
    """``array[index]`` without the time that a check for negative indices takes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig, *args))

    return array.dtype(array, index), generate


@intrinsic
def put(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """``array[index] = value`` without the time that a check for negative indices takes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig, *args[:2]))
        return context.get_dummy_value()

    return types.none(array, index, array.dtype), generate


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Eight consecutive numbers of a contiguous array, the first at ``index``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig, *args), align=8)

    return vector(array, index), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Put eight numbers into a contiguous array, the first at ``index``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, sig, *args[:2]), align=8)
        return context.get_dummy_value()

    return types.none(array, index, vector), generate


_ROW = ir.VectorType(_F64, 4)


def _shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """Chosen lanes of two vectors taken as one."""
    indices = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, indices)


def _row_pointers(
    context: Any, builder: Any, sig: Any, array: Any, indices: Any, index: Any
) -> Any:
    """Addresses of the eight rows, of four numbers, whose numbers begin at ``index``."""
    numbers = sig.replace(args=sig.args[1:3])
    for lane in range(WIDTH):
        here = builder.add(index, _I64(lane))
        row = builder.load(_pointer(context, builder, numbers, indices, here))
        place = cgutils.pack_array(builder, [row, _I64(0)])
        pointer = _pointer(context, builder, sig, array, place)
        yield builder.bitcast(pointer, _ROW.as_pointer())


@intrinsic
def gather_rows(typing: Any, array: Any, indices: Any, index: Any) -> Any:
    """First three columns of rows of a contiguous array of four columns, as three vectors.

    The rows' numbers are the eight that begin at ``index`` of ``indices``.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = [builder.load(p, align=8) for p in _row_pointers(context, builder, sig, *args)]
        # transpose the rows 0 to 3 and 4 to 7 side by side
        r0, r1, r2, r3 = (_shuffle(builder, rows[i], rows[i + 4], range(8)) for i in range(4))
        even, odd = (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)
        low, high = (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)
        xz01, xz23 = _shuffle(builder, r0, r1, even), _shuffle(builder, r2, r3, even)
        y01, y23 = _shuffle(builder, r0, r1, odd), _shuffle(builder, r2, r3, odd)
        columns = (
            _shuffle(builder, xz01, xz23, low),
            _shuffle(builder, y01, y23, low),
            _shuffle(builder, xz01, xz23, high),
        )
        return context.make_tuple(builder, sig.return_type, columns)

    return types.UniTuple(vector, 3)(array, indices, index), generate


@intrinsic
def add_to_rows(typing: Any, array: Any, indices: Any, index: Any, x: Any, y: Any, z: Any) -> Any:
    """Add three vectors to the first three columns of such rows; see `gather_rows`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, y, z = args[3:]
        even, odd = (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)
        zero = ir.Constant(_VECTOR, [0.0] * WIDTH)
        pairs = [(_shuffle(builder, x, y, o), _shuffle(builder, z, zero, o)) for o in (even, odd)]
        for lane, pointer in enumerate(_row_pointers(context, builder, sig, *args[:3])):
            first = lane // 2 * 2
            added = _shuffle(builder, *pairs[lane % 2], (first, first + 1, first + 8, first + 9))
            row = builder.fadd(builder.load(pointer, align=8), added)
            builder.store(row, pointer, align=8)
        return context.get_dummy_value()

    return types.none(array, indices, index, vector, vector, vector), generate


@intrinsic
def gather(typing: Any, array: Any, indices: Any, index: Any) -> Any:
    """Numbers of an array at the eight indices that begin at ``index`` of another array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, indices, index = args
        result = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(WIDTH):
            here = builder.add(index, _I64(lane))
            place = builder.load(
                _pointer(context, builder, sig.replace(args=sig.args[1:]), indices, here)
            )
            number = builder.load(_pointer(context, builder, sig, array, place))
            result = builder.insert_element(result, number, _I64(lane))
        return result

    return vector(array, indices, index), generate


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """Vector of eight equal numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return vector(types.float64), generate


@intrinsic
def lane(typing: Any, value: Any, number: Any) -> Any:
    """One of the eight numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(*args)

    return types.float64(vector, number), generate


@intrinsic
def lanes(typing: Any) -> Any:
    """Vector of the numbers 0, 1, ..., 7."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(_VECTOR, [float(lane) for lane in range(WIDTH)])

    return vector(), generate


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """Sum of the eight lanes, always in the same order."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        reduce = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_F64, [_F64, _VECTOR]),
            f"llvm.vector.reduce.fadd.v{WIDTH}f64",
        )
        return builder.call(reduce, [_F64(-0.0), args[0]], fastmath=("reassoc",))

    return types.float64(vector), generate


@intrinsic
def less(typing: Any, left: Any, right: Any) -> Any:
    """Mask of the lanes in which ``left < right``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fcmp_ordered("<", *args)

    return mask(vector, vector), generate


@intrinsic
def both(typing: Any, left: Any, right: Any) -> Any:
    """Mask of the lanes that are set in two masks."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.and_(*args)

    return mask(mask, mask), generate


@intrinsic
def where(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Lanes of ``yes`` where the mask is set, of ``no`` elsewhere."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return vector(mask, vector, vector), generate


@intrinsic
def count(typing: Any, condition: Any) -> Any:
    """Number of lanes that are set in a mask."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(WIDTH))
        return builder.ctpop(builder.zext(bits, _I64))

    return types.int64(mask), generate


@intrinsic
def compress(typing: Any, condition: Any, value: Any) -> Any:
    """Move the lanes that are set in a mask to the front."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_VECTOR, [_VECTOR, _MASK, _VECTOR]),
            f"llvm.experimental.vector.compress.v{WIDTH}f64",
        )
        return builder.call(function, [args[1], args[0], ir.Constant(_VECTOR, ir.Undefined)])

    return vector(mask, vector), generate


@intrinsic
def totals(
    typing: Any, v0: Any, v1: Any, v2: Any, v3: Any, v4: Any, v5: Any, v6: Any, v7: Any
) -> Any:
    """Sums of eight vectors, as one vector; faster than eight times `total`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = list(args)
        # halve the number of vectors three times; each lane of a sum of two vectors adds
        # two lanes of one of them
        for step in (1, 2, 4):
            order = [
                high | which | low
                for high in range(0, WIDTH, 2 * step)
                for which in (0, WIDTH)
                for low in range(step)
            ]
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [_add_lanes(builder, *pair, order, step) for pair in pairs]
        return vectors[0]

    return vector(*[vector] * WIDTH), generate


def _add_lanes(builder: Any, first: Any, second: Any, order: list[int], step: int) -> Any:
    """Sums of lanes ``order`` and ``order + step`` of two vectors taken as one of 16."""
    shifted = [lane + step for lane in order]
    return builder.fadd(
        _shuffle(builder, first, second, order), _shuffle(builder, first, second, shifted)
    )


def _elementwise(name: str, n_operands: int, doc: str) -> Any:
    """Vector function that LLVM knows by name."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_VECTOR, [_VECTOR] * n_operands),
            f"{name}.v{WIDTH}f64",
        )
        return builder.call(function, args)

    if n_operands == 1:

        def one(typing: Any, x: Any) -> Any:
            return vector(vector), generate

        one.__doc__ = doc
        return intrinsic(one)

    def two(typing: Any, x: Any, y: Any) -> Any:
        return vector(vector, vector), generate

    two.__doc__ = doc
    return intrinsic(two)


sqrt = _elementwise("llvm.sqrt", 1, "Square root.")
absolute = _elementwise("llvm.fabs", 1, "Absolute value.")
maximum = _elementwise("llvm.maxnum", 2, "Larger of two, lane by lane.")
nearest = _elementwise("llvm.rint", 1, "Nearest whole number.")
minimum = _elementwise("llvm.minnum", 2, "Smaller of two, lane by lane.")


@intrinsic
def add_to_exponent(typing: Any, value: Any, shifted: Any) -> Any:
    """``value * 2**n``, where the low bits of ``shifted`` hold the integer n."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits, n = (builder.bitcast(arg, _INTEGERS) for arg in args)
        n = builder.shl(n, ir.Constant(_INTEGERS, [52] * WIDTH))
        return builder.bitcast(builder.add(bits, n), _VECTOR)

    return vector(vector, vector), generate


@intrinsic
def guess_inverse_sqrt(typing: Any, value: Any) -> Any:
    """``1 / sqrt(value)`` of a positive number to 3.4 %: the exponent is halved and negated."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _INTEGERS)
        half = builder.lshr(bits, ir.Constant(_INTEGERS, [1] * WIDTH))
        magic = ir.Constant(_INTEGERS, [0x5FE6EB50C7B537A9] * WIDTH)
        return builder.bitcast(builder.sub(magic, half), _VECTOR)

    return vector(vector), generate


@intrinsic
def exponent_of(typing: Any, value: Any) -> Any:
    """Binary exponent of a positive number: n for 2**n <= value < 2**(n + 1)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _INTEGERS)
        biased = builder.lshr(bits, ir.Constant(_INTEGERS, [52] * WIDTH))
        # an integer below 2**52 becomes a float by giving it the exponent of 2**52
        number = builder.or_(biased, ir.Constant(_INTEGERS, [0x4330000000000000] * WIDTH))
        offset = ir.Constant(_VECTOR, [2.0**52 + 1023.0] * WIDTH)
        return builder.fsub(builder.bitcast(number, _VECTOR), offset)

    return vector(vector), generate


@intrinsic
def mantissa_of(typing: Any, value: Any) -> Any:
    """``value / 2**n`` in [1, 2)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _INTEGERS)
        fraction = builder.and_(bits, ir.Constant(_INTEGERS, [0x000FFFFFFFFFFFFF] * WIDTH))
        one = builder.or_(fraction, ir.Constant(_INTEGERS, [0x3FF0000000000000] * WIDTH))
        return builder.bitcast(one, _VECTOR)

    return vector(vector), generate


# Kernels allocate nothing, so numba need not count references to arrays: it would at every call,
# for each of the tables, and that took a tenth of the time. (`_nrt` is numba's "runtime",
# which counts.) Nor do they look whether a divisor is zero. Neither Python nor C calls them: what
# would let these takes a quarter of the compiler's time.
_KERNEL = {
    "_nrt": False,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
compiled = njit(**_KERNEL)
inlined = njit(**_KERNEL, forceinline=True)
