//! Unary and binary operators.

pub(crate) use crate::boxes::free_int;
use crate::boxes::{self, free_float, is_one_digit, new_one_digit_int, set_digit};
use crate::dispatch::{Ret, State};
use crate::shims;
use crate::table::op;
use crate::{adapt, handler};
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Words of BINARY_OP.
const WORDS: usize = 2;

/// The arguments of BINARY_OP (`Include/opcode.h`); those of the in-place operators follow in the same order.
pub(crate) mod nb {
    pub const ADD: usize = 0;
    pub const AND: usize = 1;
    pub const FLOOR_DIVIDE: usize = 2;
    pub const LSHIFT: usize = 3;
    pub const MULTIPLY: usize = 5;
    pub const REMAINDER: usize = 6;
    pub const OR: usize = 7;
    pub const RSHIFT: usize = 9;
    pub const SUBTRACT: usize = 10;
    pub const TRUE_DIVIDE: usize = 11;
    pub const XOR: usize = 12;
    /// How many operators there are, each with its in-place variant.
    pub const COUNT: usize = 13;
}

/// The largest count that a compact integer is shifted left by without leaving 64 bits.
pub(crate) const MAX_LSHIFT: isize = 32;

/// Whether an object is an `int` and no subclass's.
#[inline(always)]
pub(crate) unsafe fn is_int(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyLong_Type)
}

/// Whether an object is a `float` and no subclass's.
#[inline(always)]
pub(crate) unsafe fn is_float(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyFloat_Type)
}

/// Whether an object is a `str` and no subclass's.
#[inline(always)]
pub(crate) unsafe fn is_str(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyUnicode_Type)
}

/// Drops a reference to an `int`.
#[inline(always)]
pub(crate) unsafe fn drop_int(op: *mut PyObject) {
    if decref_is_zero(op) {
        free_int(op);
    }
}

/// Drops a reference to a `str`.
#[inline(always)]
pub(crate) unsafe fn drop_str(op: *mut PyObject) {
    if decref_is_zero(op) {
        _PyUnicode_ExactDealloc(op);
    }
}

/// The object of a small integer, which is immortal; `None` if the value is not one of those.
#[inline(always)]
pub(crate) unsafe fn small_int(s: State, value: i64) -> Option<*mut PyObject> {
    let index = value.wrapping_add(5) as u64;
    (index < 262).then(|| s.known().small_ints.add(index as usize).cast())
}

/// Value of a compact `int`: [`long_compact_value`] in a form that needs fewer registers.
#[inline(always)]
pub(super) unsafe fn compact_value(op: *mut PyObject) -> i64 {
    let op = op.cast::<PyLongObject>();
    // All ones if the tag's bit for negative is set.
    let mask = ((*op).lv_tag as i64) << 62 >> 63;
    (i64::from((*op).ob_digit[0]) ^ mask) - mask
}

/// `PyLong_FromLong`: a new reference, or null with an exception set.
#[inline(always)]
pub(crate) unsafe fn int_from_i64(s: State, value: i64) -> *mut PyObject {
    if let Some(small) = small_int(s, value) {
        return small;
    }
    if !is_one_digit(value) {
        return ffi::PyLong_FromLongLong(value);
    }
    new_one_digit_int(value)
}

/// Whether the instruction after a BINARY_OP stores into the local that holds `left`, its left operand. If these two
/// references are all there are, nobody can tell when the operand itself becomes the result: no code runs in between.
#[inline(always)]
unsafe fn is_stored_back(s: State, left: *mut PyObject) -> bool {
    if refcnt(left) != 2 {
        return false;
    }
    let next = s.pc.add(WORDS);
    let oparg = (*next).oparg as usize;
    let local = match (*next).op {
        op::STORE_FAST => oparg,
        op::STORE_FAST_LOAD_FAST | op::STORE_FAST_STORE_FAST => oparg >> 4,
        _ => return false,
    };
    *s.local(local) == left
}

/// Ends a specialization for two compact `int` operands.
#[inline(always)]
unsafe fn finish_int(mut s: State, value: i64) -> Ret {
    let (left, right) = (s.peek(2), s.peek(1));
    let Some(small) = small_int(s, value) else {
        return s.tail_with(int_result, value as usize);
    };
    s.put(2, small);
    s.shrink(1);
    drop_ints_then_next(s, left, right)
}

/// Drops the operands of a specialization for `int` and executes the next instruction. The result is in place; `right` is
/// still to be found in the slot above it.
#[inline(always)]
pub(super) unsafe fn drop_ints_then_next(s: State, left: *mut PyObject, right: *mut PyObject) -> Ret {
    if decref_is_zero(left) {
        return s.tail_with(free_int_drop_int, left as usize);
    }
    if decref_is_zero(right) {
        return s.tail_with(free_int_then_next, right as usize);
    }
    s.next(WORDS)
}

/// [`drop_ints_then_next`] for `float`.
#[inline(always)]
pub(super) unsafe fn drop_floats_then_next(s: State, left: *mut PyObject, right: *mut PyObject) -> Ret {
    if decref_is_zero(left) {
        return s.tail_with(free_float_drop_float, left as usize);
    }
    if decref_is_zero(right) {
        return s.tail_with(free_float_then_next, right as usize);
    }
    s.next(WORDS)
}

handler! {
    /// Replaces two `int` operands, both compact, by one with the payload's value, which is not a small integer. In a
    /// handler of its own, because with it the specializations would need more registers than need no saving.
    int_result(s, value: usize) {
        let value = value as i64;
        if !is_one_digit(value) {
            return s.tail_with(new_int, value as usize);
        }
        let (left, right) = (s.peek(2), s.peek(1));
        if refcnt(left) == 1 || is_stored_back(s, left) {
            set_digit(left, value);
            s.shrink(1);
            if decref_is_zero(right) {
                return s.tail_with(free_int_then_next, right as usize);
            }
            return s.next(WORDS);
        }
        if refcnt(right) != 1 {
            return s.tail_with(new_int, value as usize);
        }
        set_digit(right, value);
        decref_no_dealloc(left);
        s.put(2, right);
        s.shrink(1);
        s.next(WORDS)
    }

    /// Replaces two `float` operands, neither of which dies, by one whose bits are the payload.
    float_result(s, bits: usize) {
        let (left, right) = (s.peek(2), s.peek(1));
        let value = f64::from_bits(bits as u64);
        if is_stored_back(s, left) {
            (*left.cast::<PyFloatObject>()).ob_fval = value;
        } else {
            let result = boxes::quick_float(value);
            if result.is_null() {
                return s.tail_with(new_float, bits);
            }
            decref_no_dealloc(left);
            s.put(2, result);
        }
        s.shrink(1);
        // It can die after all if it is the same object as the left one.
        if decref_is_zero(right) {
            return s.tail_with(free_float_then_next, right as usize);
        }
        s.next(WORDS)
    }

    /// The payload is an `int` that died.
    free_int_then_next(s, int: usize) {
        free_int(int as *mut PyObject);
        s.next(WORDS)
    }

    /// The payload is an `int` that died, the slot above the stack has another one to drop.
    free_int_drop_int(s, int: usize) {
        let other = *s.sp;
        free_int(int as *mut PyObject);
        drop_int(other);
        s.next(WORDS)
    }

    /// The payload is a `float` that died.
    free_float_then_next(s, float: usize) {
        free_float(float as *mut PyObject);
        s.next(WORDS)
    }

    /// The payload is a `float` that died, the slot above the stack has another one to drop.
    free_float_drop_float(s, float: usize) {
        let other = *s.sp;
        free_float(float as *mut PyObject);
        if decref_is_zero(other) {
            free_float(other);
        }
        s.next(WORDS)
    }

    /// Replaces two `int` operands by a new one with the payload's value.
    new_int(s, value: usize) {
        s.save_ip();
        let (left, right) = (s.peek(2), s.peek(1));
        let result = int_from_i64(s, value as i64);
        s.shrink(2);
        drop_int(right);
        drop_int(left);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next(WORDS)
    }

    /// Replaces two operands, `int` or `float`, by a new `float` whose bits are the payload.
    new_float(s, bits: usize) {
        s.save_ip();
        let result = boxes::new_float(f64::from_bits(bits as u64));
        if result.is_null() {
            return s.error();
        }
        let (left, right) = (s.peek(2), s.peek(1));
        s.shrink(2);
        decref(left);
        decref(right);
        s.push(result);
        s.next(WORDS)
    }
}

type LongFunction = unsafe extern "C-unwind" fn(*mut PyLongObject, *mut PyLongObject) -> *mut PyObject;

/// Calls one of CPython's functions on two `int` operands of any size.
#[inline(always)]
unsafe fn big_int(mut s: State, f: LongFunction) -> Ret {
    s.save_ip();
    let (left, right) = (s.peek(2), s.peek(1));
    let result = f(left.cast(), right.cast());
    s.shrink(2);
    drop_int(right);
    drop_int(left);
    if result.is_null() {
        return s.error();
    }
    s.push(result);
    s.next(WORDS)
}

handler! {
    add_big(s) {
        big_int(s, _PyLong_Add)
    }

    subtract_big(s) {
        big_int(s, _PyLong_Subtract)
    }

    multiply_big(s) {
        big_int(s, _PyLong_Multiply)
    }
}

/// Values of compact integers, the second not zero, as 32 bits: they are quicker to divide.
#[inline(always)]
unsafe fn compact_pair(a: i64, b: i64) -> (i32, i32) {
    let (a, b) = (a as i32, b as i32);
    core::hint::assert_unchecked(a != i32::MIN && b != 0);
    (a, b)
}

/// `//` of compact integers other than by zero.
#[inline(always)]
unsafe fn floor_divide(a: i64, b: i64) -> i64 {
    let (a, b) = compact_pair(a, b);
    let (quotient, remainder) = (a / b, a % b);
    i64::from(quotient) - i64::from(remainder != 0 && (remainder ^ b) < 0)
}

/// `%` of compact integers other than by zero.
#[inline(always)]
unsafe fn remainder(a: i64, b: i64) -> i64 {
    let (a, b) = compact_pair(a, b);
    let remainder = a % b;
    i64::from(if remainder != 0 && (remainder ^ b) < 0 { remainder + b } else { remainder })
}

/// Specializations for `int`: the value for compact operands, if the specialization covers it; where operands that are not
/// compact go.
macro_rules! int_operators {
    ($($name:ident |$a:ident, $b:ident| $value:expr, $big:ident;)+) => { handler! { $(
        $name(s) {
            let (left, right) = (s.peek(2), s.peek(1));
            if !is_int(left) || !is_int(right) {
                return s.tail(BINARY_OP);
            }
            if !long_is_compact(left) || !long_is_compact(right) {
                return s.tail($big);
            }
            let ($a, $b) = (compact_value(left), compact_value(right));
            let value: Option<i64> = $value;
            let Some(value) = value else { return s.tail(BINARY_OP) };
            finish_int(s, value)
        }
    )+ } };
}

int_operators! {
    BINARY_OP_ADD_INT |a, b| Some(a + b), add_big;
    BINARY_OP_SUBTRACT_INT |a, b| Some(a - b), subtract_big;
    BINARY_OP_MULTIPLY_INT |a, b| Some(a * b), multiply_big;
    BINARY_OP_FLOOR_DIVIDE_INT |a, b| (b != 0).then(|| floor_divide(a, b)), BINARY_OP;
    BINARY_OP_REMAINDER_INT |a, b| (b != 0).then(|| remainder(a, b)), BINARY_OP;
    BINARY_OP_AND_INT |a, b| Some(a & b), BINARY_OP;
    BINARY_OP_OR_INT |a, b| Some(a | b), BINARY_OP;
    BINARY_OP_XOR_INT |a, b| Some(a ^ b), BINARY_OP;
    BINARY_OP_LSHIFT_INT |a, b| ((b as u64) <= MAX_LSHIFT as u64).then(|| a << b), BINARY_OP;
    BINARY_OP_RSHIFT_INT |a, b| (b >= 0).then(|| a >> b.min(63)), BINARY_OP;
}

/// Ends a specialization for two `float` operands.
#[inline(always)]
unsafe fn finish_float(mut s: State, value: f64) -> Ret {
    let (left, right) = (s.peek(2), s.peek(1));
    if refcnt(left) == 1 {
        (*left.cast::<PyFloatObject>()).ob_fval = value;
        s.shrink(1);
        if decref_is_zero(right) {
            return s.tail_with(free_float_then_next, right as usize);
        }
        return s.next(WORDS);
    }
    if refcnt(right) == 1 {
        (*right.cast::<PyFloatObject>()).ob_fval = value;
        decref_no_dealloc(left);
        s.put(2, right);
        s.shrink(1);
        return s.next(WORDS);
    }
    s.tail_with(float_result, value.to_bits() as usize)
}

macro_rules! float_operators {
    ($($name:ident |$a:ident, $b:ident| $value:expr;)+) => { handler! { $(
        $name(s) {
            let (left, right) = (s.peek(2), s.peek(1));
            if !is_float(left) || !is_float(right) {
                return s.tail(BINARY_OP);
            }
            let ($a, $b) = (float_value(left), float_value(right));
            let value: Option<f64> = $value;
            let Some(value) = value else { return s.tail(BINARY_OP) };
            finish_float(s, value)
        }
    )+ } };
}

float_operators! {
    BINARY_OP_ADD_FLOAT |a, b| Some(a + b);
    BINARY_OP_SUBTRACT_FLOAT |a, b| Some(a - b);
    BINARY_OP_MULTIPLY_FLOAT |a, b| Some(a * b);
    BINARY_OP_TRUE_DIVIDE_FLOAT |a, b| (b != 0.0).then(|| a / b);
}

/// The operator `oparg` on floats; `None` if it raises or is none of the four.
#[inline(always)]
fn mixed(oparg: usize, a: f64, b: f64) -> Option<f64> {
    let oparg = if oparg >= nb::COUNT { oparg - nb::COUNT } else { oparg };
    match oparg {
        nb::ADD => Some(a + b),
        nb::SUBTRACT => Some(a - b),
        nb::MULTIPLY => Some(a * b),
        nb::TRUE_DIVIDE if b != 0.0 => Some(a / b),
        _ => None,
    }
}

handler! {
    BINARY_OP_FLOAT_INT(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        if !is_float(left) || !is_int(right) || !long_is_compact(right) {
            return s.tail(BINARY_OP);
        }
        let value = mixed(s.oparg(), float_value(left), compact_value(right) as f64);
        let Some(value) = value else { return s.tail(BINARY_OP) };
        if refcnt(left) == 1 || is_stored_back(s, left) {
            (*left.cast::<PyFloatObject>()).ob_fval = value;
            s.shrink(1);
            if decref_is_zero(right) {
                return s.tail_with(free_int_then_next, right as usize);
            }
            return s.next(WORDS);
        }
        s.tail_with(new_float, value.to_bits() as usize)
    }

    BINARY_OP_INT_FLOAT(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        if !is_int(left) || !long_is_compact(left) || !is_float(right) {
            return s.tail(BINARY_OP);
        }
        let value = mixed(s.oparg(), compact_value(left) as f64, float_value(right));
        let Some(value) = value else { return s.tail(BINARY_OP) };
        if refcnt(right) == 1 {
            (*right.cast::<PyFloatObject>()).ob_fval = value;
            s.put(2, right);
            s.shrink(1);
            if decref_is_zero(left) {
                return s.tail_with(free_int_then_next, left as usize);
            }
            return s.next(WORDS);
        }
        s.tail_with(new_float, value.to_bits() as usize)
    }

    BINARY_OP_ADD_UNICODE(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        if !is_str(left) || !is_str(right) {
            return s.tail(BINARY_OP);
        }
        s.save_ip();
        let result = ffi::PyUnicode_Concat(left, right);
        s.shrink(2);
        drop_str(left);
        drop_str(right);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next(WORDS)
    }

    /// `x += y` and `x = x + y`, together with the STORE_FAST that follows: with the operand's reference gone, the local
    /// is often the only holder of the string, which can then grow in place.
    BINARY_OP_INPLACE_ADD_UNICODE(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        let store = s.pc.add(WORDS);
        debug_assert_eq!((*store).op, op::STORE_FAST);
        let target = s.local((*store).oparg as usize);
        if *target != left || !is_str(left) || !is_str(right) {
            return s.tail(BINARY_OP);
        }
        s.save_ip();
        decref_no_dealloc(left);
        PyUnicode_Append(target, right);
        s.shrink(2);
        drop_str(right);
        if (*target).is_null() {
            return s.error();
        }
        s.next(WORDS + 1)
    }

    BINARY_OP(s) {
        adapt!(s, crate::specialize::operators::binary_op);
        s.save_ip();
        let (left, right) = (s.peek(2), s.peek(1));
        let found = shims::binary(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        type BinaryFunction = unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
        let f = *(&raw const _PyEval_BinaryOps).cast::<BinaryFunction>().add(s.oparg());
        let result = f(left, right);
        s.shrink(2);
        decref(left);
        decref(right);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(WORDS)
    }
}

type UnaryFunction = unsafe extern "C" fn(*mut PyObject) -> *mut PyObject;

/// Replaces the top of the stack by what `f` makes of it.
#[inline(always)]
unsafe fn unary(mut s: State, f: UnaryFunction) -> Ret {
    let value = s.pop();
    let result = f(value);
    decref(value);
    if result.is_null() {
        return s.error();
    }
    s.push(result);
    s.next_escaped(1)
}

handler! {
    UNARY_NEGATIVE(s) {
        let value = s.peek(1);
        // The only kind that often occurs and needs nothing allocated.
        if is_float(value) && refcnt(value) == 1 {
            let float = value.cast::<PyFloatObject>();
            (*float).ob_fval = -(*float).ob_fval;
            return s.next(1);
        }
        s.tail(unary_negative)
    }

    unary_negative(s) {
        s.save_ip();
        let found = shims::unary(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        unary(s, ffi::PyNumber_Negative)
    }

    UNARY_INVERT(s) {
        s.save_ip();
        let found = shims::unary(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        unary(s, ffi::PyNumber_Invert)
    }

    /// The operand is a bool.
    UNARY_NOT(s) {
        let known = s.known();
        let result = if s.peek(1) == known.false_ { known.true_ } else { known.false_ };
        s.put(1, result);
        s.next(1)
    }
}
