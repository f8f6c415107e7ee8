//! Comparisons, identity, truth.

use super::{Lowering, Outcome};
use crate::facts;
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Value};
use hotspur_tier1::context::known;

/// The comparison that the argument of COMPARE_OP names.
fn condition(oparg: usize) -> Option<Cond> {
    match (oparg >> 5) as i32 {
        ffi::Py_LT => Some(Cond::Lt),
        ffi::Py_LE => Some(Cond::Le),
        ffi::Py_EQ => Some(Cond::Eq),
        ffi::Py_NE => Some(Cond::Ne),
        ffi::Py_GT => Some(Cond::Gt),
        ffi::Py_GE => Some(Cond::Ge),
        _ => None,
    }
}

pub(super) unsafe fn compare_op(l: &mut Lowering) -> Option<Outcome> {
    let cond = condition(l.oparg())?;
    let (left, right) = (l.real(2), l.real(1));
    if facts::is_int(left) && facts::is_int(right) && l.real_int(2).is_some() && l.real_int(1).is_some() {
        let (a, b) = (l.int(2)?, l.int(1)?);
        let truth = l.f.builder.cmp_i64(cond, a, b);
        return l.replace(2, truth);
    }
    if facts::is_str(left) && facts::is_str(right) && matches!(cond, Cond::Eq | Cond::Ne) {
        return compare_strings(l, cond);
    }
    if let Some((a, b)) = l.doubles() {
        let truth = l.f.builder.cmp_f64(cond, a, b);
        return l.replace(2, truth);
    }
    let identity = compare_identities(l, cond);
    let compared = identity.or_else(|| super::containers::compare(l));
    if compared.is_some() { compared } else { super::shims::comparison(l) }
}

/// Instances of classes that compare as `object` does, with one another or with objects of such built-in types as know nothing of them: by
/// identity.
unsafe fn compare_identities(l: &mut Lowering, cond: Cond) -> Option<Outcome> {
    if !matches!(cond, Cond::Eq | Cond::Ne) {
        return None;
    }
    let object = &raw mut ffi::PyBaseObject_Type;
    let comparison = |class: *mut PyTypeObject| (*class).tp_richcompare.map(|f| f as usize);
    // None does, too, by a function of its own.
    let by_identity =
        |op| op == ffi::Py_None() || comparison(ty(op)) == comparison(object) && facts::is_reliable(ty(op));
    let (a, b) = (l.real(2), l.real(1));
    let is_so = by_identity(a) && (by_identity(b) || is_indifferent(b)) || by_identity(b) && is_indifferent(a);
    if !is_so {
        return None;
    }
    let operands = [l.receiver(2)?, l.receiver(1)?];
    let [left, right] = operands.map(|v| l.f.boxed(v));
    let mut truth = l.f.builder.same_obj(left, right);
    if cond == Cond::Ne {
        truth = l.f.builder.not_bool(truth);
    }
    l.replace(2, truth)
}

/// Whether comparing an object with one of an unknown class is left to that.
unsafe fn is_indifferent(op: *mut PyObject) -> bool {
    [
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyTuple_Type,
        &raw mut ffi::PyList_Type,
    ]
    .contains(&ty(op))
}

unsafe fn compare_strings(l: &mut Lowering, cond: Cond) -> Option<Outcome> {
    let (left, right) = (l.f.peek(2)?, l.f.peek(1)?);
    for v in [left, right] {
        l.f.guard_class(v, &raw mut ffi::PyUnicode_Type);
    }
    let equal = l.f.builder.call_helper(Helper::StrEq, &[left, right])?;
    let one = l.f.builder.const_i64(1);
    let truth = l.f.builder.cmp_i64(cond, equal, one);
    l.replace(2, truth)
}

pub(super) unsafe fn is_op(l: &mut Lowering) -> Option<Outcome> {
    let (left, right) = (l.f.peek(2)?, l.f.peek(1)?);
    let constant = l.f.info(right).constant;
    let is_truth = constant == ffi::Py_True() || constant == ffi::Py_False();
    let unboxed = if l.f.is_unboxed_bool(left) { Some(left) } else { l.f.info(left).unboxed };
    let unboxed = unboxed.filter(|&v| is_truth && l.f.is_unboxed_bool(v));
    let (mut truth, is_false) = match unboxed {
        Some(v) => (v, constant == ffi::Py_False()),
        None => {
            let (left, right) = (l.f.boxed(left), l.f.boxed(right));
            (l.f.builder.same_obj(left, right), false)
        }
    };
    if is_false != (l.oparg() != 0) {
        truth = l.f.builder.not_bool(truth);
    }
    l.replace(2, truth)
}

/// The operand, which is True or False, unboxed.
unsafe fn truth(l: &mut Lowering, v: Value) -> Value {
    if l.f.is_unboxed_bool(v) {
        return v;
    }
    if let Some(unboxed) = l.f.info(v).unboxed {
        return unboxed;
    }
    l.f.guard_class(v, &raw mut ffi::PyBool_Type);
    let unboxed = l.f.builder.unbox_bool(v);
    l.f.info(v).unboxed = Some(unboxed);
    unboxed
}

pub(super) unsafe fn unary_not(l: &mut Lowering) -> Option<Outcome> {
    let v = l.f.peek(1)?;
    let truth = truth(l, v);
    let result = l.f.builder.not_bool(truth);
    l.replace(1, result)
}

pub(super) unsafe fn to_bool(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    let is = |t: *mut ffi::PyTypeObject| ptr::eq(class, t);
    let v = l.f.peek(1)?;
    let result = if is(&raw mut ffi::PyBool_Type) {
        truth(l, v)
    } else if is(&raw mut ffi::PyLong_Type) && l.real_int(1).is_some() {
        let a = l.int(1)?;
        let zero = l.f.builder.const_i64(0);
        l.f.builder.cmp_i64(Cond::Ne, a, zero)
    } else if real == ffi::Py_None() {
        let id = l.f.object(real, Keep::Immortal);
        l.guard_is(v, real, id);
        l.f.info(v).class = class;
        l.f.constant(ffi::Py_False(), Keep::Immortal)
    } else if is(&raw mut ffi::PyFloat_Type) {
        let x = l.double(1)?;
        let zero = l.f.builder.const_f64(0.0.into());
        l.f.builder.cmp_f64(Cond::Ne, x, zero)
    } else if is(&raw mut ffi::PyUnicode_Type) {
        l.f.guard_class(v, class);
        let empty = l.f.constant(known().empty_string, Keep::Hold);
        let equal = l.f.builder.call_helper(Helper::StrEq, &[v, empty])?;
        let zero = l.f.builder.const_i64(0);
        l.f.builder.cmp_i64(Cond::Eq, equal, zero)
    } else if super::sequences::has_truth_of_list_or_tuple(real) {
        let length = l.length_of_real(v, real);
        let zero = l.f.builder.const_i64(0);
        l.f.builder.cmp_i64(Cond::Ne, length, zero)
    } else if is_always_true(class) {
        if facts::is_static(class) {
            l.f.guard_class(v, class);
        } else {
            l.f.at();
            l.f.builder.guard_type_version(v, (*class).tp_version_tag);
        }
        l.f.constant(ffi::Py_True(), Keep::Immortal)
    } else {
        let shim = super::shims::truth(l);
        return if shim.is_some() { shim } else { super::containers::truth(l) };
    };
    l.replace(1, result)
}

/// Whether the class, which cannot change or has a version, says nothing of the truth of its instances.
unsafe fn is_always_true(class: *mut ffi::PyTypeObject) -> bool {
    if !facts::is_static(class) && !facts::has_version(class) {
        return false;
    }
    let (number, mapping, sequence) = ((*class).tp_as_number, (*class).tp_as_mapping, (*class).tp_as_sequence);
    (number.is_null() || (*number).nb_bool.is_none())
        && (mapping.is_null() || (*mapping).mp_length.is_none())
        && (sequence.is_null() || (*sequence).sq_length.is_none())
}
