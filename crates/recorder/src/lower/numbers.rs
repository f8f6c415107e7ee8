//! Calls of C functions that compute a number from numbers, and that are one op: `ROWS` says which. What the op takes and yields, and
//! whether it would exit, follows from the op's own row.

use super::builtins::{BUILTINS, FLOAT, INT, MATH, Owner, identify};
use super::{Lowering, Outcome};
use crate::facts;
use core::ffi::CStr;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Field, FieldKind, Opcode, Type, Unboxed};

struct Row {
    owner: Owner,
    name: &'static CStr,
    op: Opcode,
    /// Whether an int will do for a double.
    converts: bool,
}

/// A function whose doubles are floats: with ints it does something else.
const fn exact(owner: Owner, name: &'static CStr, op: Opcode) -> Row {
    Row { owner, name, op, converts: false }
}

/// A function that converts ints to doubles.
const fn converting(owner: Owner, name: &'static CStr, op: Opcode) -> Row {
    Row { owner, name, op, converts: true }
}

/// The function and the op do the same with exact ints and floats, to the last bit, and return a new object. (`abs(n) is n` if n is an int that is
/// not negative.) What the function raises for, the op exits for.
static ROWS: &[Row] = &[
    exact(BUILTINS, c"abs", Opcode::AbsF64),
    converting(MATH, c"fabs", Opcode::AbsF64),
    converting(MATH, c"copysign", Opcode::CopysignF64),
    converting(MATH, c"sin", Opcode::SinF64),
    converting(MATH, c"cos", Opcode::CosF64),
    converting(MATH, c"exp", Opcode::ExpF64),
    converting(MATH, c"log", Opcode::LogF64),
    converting(MATH, c"atan2", Opcode::Atan2F64),
    converting(MATH, c"isnan", Opcode::IsNanF64),
    converting(MATH, c"isinf", Opcode::IsInfF64),
    converting(MATH, c"isfinite", Opcode::IsFiniteF64),
    exact(MATH, c"trunc", Opcode::F64ToI64Ovf),
    exact(MATH, c"floor", Opcode::FloorF64),
    exact(MATH, c"ceil", Opcode::CeilF64),
    exact(INT, c"bit_length", Opcode::BitLengthI64),
    exact(INT, c"bit_count", Opcode::BitCountI64),
    exact(FLOAT, c"is_integer", Opcode::IsIntegerF64),
];

/// A call of such a function, or of such a method of an object of exactly the method's class.
pub(super) unsafe fn call(l: &mut Lowering, callable: *mut PyObject, has_receiver: bool) -> Option<Outcome> {
    let (owner, name) = identify(callable)?;
    let name = CStr::from_ptr(name);
    let row = ROWS.iter().find(|row| row.name == name && row.owner.is(owner))?;
    let (info, n) = (row.op.info(), l.oparg());
    let count = n + usize::from(has_receiver);
    if info.fields.len() != count {
        return None;
    }
    // Operands are counted from the top of the stack.
    let kinds = || info.fields.iter().enumerate().map(|(i, &(_, kind))| (count - i, kind));
    let mut real = Vec::with_capacity(count);
    for (i, kind) in kinds() {
        real.push(if kind == FieldKind::I64 {
            Unboxed::I64(l.real_int(i)?)
        } else {
            Unboxed::F64(double(l.real(i), row.converts)?)
        });
    }
    // Whether it would exit right away.
    row.op.on(&real)??;
    l.guard_callable(n, has_receiver)?;
    let mut operands = Vec::with_capacity(count);
    for (i, kind) in kinds() {
        operands.push(Field::Value(if kind == FieldKind::I64 { l.int(i)? } else { l.double(i)? }));
    }
    if info.effects.needs_snapshot() {
        l.f.at();
    }
    let result = l.f.builder.push(row.op.with_fields(operands)?)?;
    let result = match info.result.ty()? {
        Type::I64 => l.box_int(result),
        Type::F64 => l.box_float(result),
        Type::Bool => result,
        Type::Obj | Type::Ptr => return None,
    };
    l.called(n, result)
}

/// The double that the object, as an operand, really is.
unsafe fn double(real: *mut PyObject, converts: bool) -> Option<f64> {
    if facts::is_float(real) {
        Some(float_value(real))
    } else if converts && facts::is_compact_int(real) {
        Some(long_compact_value(real) as f64)
    } else {
        None
    }
}
