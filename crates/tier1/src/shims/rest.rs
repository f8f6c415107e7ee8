//! What C code does with the results of methods that shims cannot do themselves: functions that shims call. Written once more after
//! `binary_op1` and `slot_nb_*`, `do_richcompare` (`Objects/abstract.c`, `typeobject.c`, `object.c`), and so on.

use super::find::operator_slots;
use super::{COMPARISONS, OPERATORS, shims};
use core::ffi::{c_int, c_void};
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

unsafe fn is_not_implemented(result: *mut PyObject) -> bool {
    result == ffi::Py_NotImplemented()
}

/// Calls the method that a type has under a name, as a slot does; NotImplemented if there is none.
unsafe fn call_method(receiver: *mut PyObject, name: *mut PyObject, arg: *mut PyObject) -> *mut PyObject {
    let found = type_lookup(ty(receiver), name);
    if found.is_null() {
        return newref(ffi::Py_NotImplemented());
    }
    if has_feature(ty(found), TPFLAGS_METHOD_DESCRIPTOR) {
        let args = [receiver, arg];
        incref(found);
        let result = ffi::PyObject_Vectorcall(found, args.as_ptr(), 2, ptr::null_mut());
        decref(found);
        return result;
    }
    let bound = match (*ty(found)).tp_descr_get {
        Some(get) => get(found, receiver, ty(receiver).cast()),
        None => newref(found),
    };
    if bound.is_null() {
        return bound;
    }
    let result = ffi::PyObject_CallOneArg(bound, arg);
    decref(bound);
    result
}

/// What an operator is when the left operand's method has answered NotImplemented.
unsafe fn rest_of_operator(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    if ty(left) != ty(right) {
        let result = by_right_operand(left, right, oparg);
        if result.is_null() || !is_not_implemented(result) {
            return result;
        }
    }
    by_no_operand(left, right, oparg)
}

/// What the right operand's slot makes of it.
unsafe fn by_right_operand(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    let operator = oparg % OPERATORS.len();
    let row = &shims.operators[operator];
    let [slot, _] = operator_slots(ty(right), operator);
    if slot == row.slots[0] {
        call_method(right, row.reflected, left)
    } else if slot.is_null() {
        ffi::Py_NotImplemented()
    } else {
        let call: ffi::binaryfunc = core::mem::transmute(slot);
        call(left, right)
    }
}

/// What an operator in place is when the method for that has answered NotImplemented: the operator that is not in place (`binary_op1`). The
/// left operand is no sequence.
unsafe fn rest_of_in_place(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    let operator = oparg % OPERATORS.len();
    let slots = [ty(left), ty(right)].map(|t| operator_slots(t, operator)[0]);
    let [l, r] = slots.map(|slot| {
        // SAFETY: the slot has a function of this type, or is empty.
        unsafe { core::mem::transmute::<*const c_void, Option<ffi::binaryfunc>>(slot) }
    });
    let mut other = if ty(left) != ty(right) && slots[0] != slots[1] { r } else { None };
    if let Some(l) = l {
        if let Some(r) = other
            && ffi::PyType_IsSubtype(ty(right), ty(left)) != 0
        {
            let result = r(left, right);
            if !is_not_implemented(result) {
                return result;
            }
            other = None;
        }
        let result = l(left, right);
        if !is_not_implemented(result) {
            return result;
        }
    }
    if let Some(r) = other {
        let result = r(left, right);
        if !is_not_implemented(result) {
            return result;
        }
    }
    by_no_operand(left, right, oparg)
}

/// What an operator is when all methods have answered NotImplemented.
unsafe fn by_no_operand(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    let operator = oparg % OPERATORS.len();
    let row = &shims.operators[operator];
    let (l, r) = (ty(left), ty(right));
    let is_in_place = oparg >= OPERATORS.len();
    const MULTIPLY: usize = 5;
    let sequence = (*r).tp_as_sequence;
    // A left operand with a table of sequence slots (that does not repeat) ends the search of `*=`.
    let may_repeat = operator == MULTIPLY && (!is_in_place || (*l).tp_as_sequence.is_null()) && !sequence.is_null();
    if may_repeat && let Some(repeat) = (*sequence).sq_repeat {
        if ffi::PyIndex_Check(left) == 0 {
            return ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"can't multiply sequence by non-int of type '%.200s'".as_ptr(),
                (*l).tp_name,
            );
        }
        let count = ffi::PyNumber_AsSsize_t(left, ffi::PyExc_OverflowError);
        if count == -1 && !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        return repeat(right, count);
    }
    ffi::PyErr_Format(
        ffi::PyExc_TypeError,
        c"unsupported operand type(s) for %.100s: '%.100s' and '%.100s'".as_ptr(),
        row.symbols[usize::from(is_in_place)].as_ptr(),
        (*l).tp_name,
        (*r).tp_name,
    )
}

/// What a comparison is when the left operand's method has answered NotImplemented.
unsafe fn rest_of_comparison(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    const REFLECTED: [c_int; 6] = [ffi::Py_GT, ffi::Py_GE, ffi::Py_EQ, ffi::Py_NE, ffi::Py_LT, ffi::Py_LE];
    let comparison = oparg >> 5;
    if let Some(compare) = (*ty(right)).tp_richcompare {
        let result = compare(right, left, REFLECTED[comparison]);
        if result.is_null() || !is_not_implemented(result) {
            return result;
        }
    }
    let equals = |wanted| newref(if (left == right) == wanted { ffi::Py_True() } else { ffi::Py_False() });
    match comparison as c_int {
        ffi::Py_EQ => equals(true),
        ffi::Py_NE => equals(false),
        _ => ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"'%s' not supported between instances of '%.100s' and '%.100s'".as_ptr(),
            COMPARISONS[comparison].1.as_ptr(),
            (*ty(left)).tp_name,
            (*ty(right)).tp_name,
        ),
    }
}

pub(super) unsafe extern "C" fn other_operand(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    rest_of_operator(*args, *args.add(1), long_compact_value(*args.add(2)) as usize)
}

pub(super) unsafe extern "C" fn other_comparison(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    _: isize,
) -> *mut PyObject {
    rest_of_comparison(*args, *args.add(1), long_compact_value(*args.add(2)) as usize)
}

pub(super) unsafe extern "C" fn no_operand(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    by_no_operand(*args, *args.add(1), long_compact_value(*args.add(2)) as usize)
}

pub(super) unsafe extern "C" fn not_in_place(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    rest_of_in_place(*args, *args.add(1), long_compact_value(*args.add(2)) as usize)
}

/// `__bool__` has returned something else.
pub(super) unsafe extern "C" fn no_bool(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    let format = c"__bool__ should return bool, returned %s";
    ffi::PyErr_Format(ffi::PyExc_TypeError, format.as_ptr(), (*ty(*args)).tp_name)
}

/// `__init__` has returned something else.
pub(super) unsafe extern "C" fn no_none(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    let format = c"__init__() should return None, not '%.200s'";
    ffi::PyErr_Format(ffi::PyExc_TypeError, format.as_ptr(), (*ty(*args)).tp_name)
}

/// Whether an object is an int that a length can be as it is, and no large one.
pub unsafe fn is_length(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyLong_Type) && long_is_compact(op) && long_compact_value(op) >= 0
}

/// What `len` makes of what `__len__` has returned (`slot_sq_length`).
pub(super) unsafe extern "C" fn checked_length(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    if is_length(*args) {
        return newref(*args);
    }
    let index = ffi::PyNumber_Index(*args);
    if index.is_null() {
        return index;
    }
    let mut length = -1;
    const SIGN: usize = 3;
    const NEGATIVE: usize = 2;
    if (*index.cast::<PyLongObject>()).lv_tag & SIGN == NEGATIVE {
        ffi::PyErr_SetString(ffi::PyExc_ValueError, c"__len__() should return >= 0".as_ptr());
    } else {
        length = ffi::PyNumber_AsSsize_t(index, ffi::PyExc_OverflowError);
    }
    decref(index);
    if length < 0 { ptr::null_mut() } else { ffi::PyLong_FromSsize_t(length) }
}

/// What `iter` makes of what `__iter__` has returned (`PyObject_GetIter`).
pub(super) unsafe extern "C" fn checked_iterator(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    _: isize,
) -> *mut PyObject {
    if ffi::PyIter_Check(*args) != 0 {
        return newref(*args);
    }
    let format = c"iter() returned non-iterator of type '%.100s'";
    ffi::PyErr_Format(ffi::PyExc_TypeError, format.as_ptr(), (*ty(*args)).tp_name)
}

/// The hash that what `__hash__` has returned stands for (`slot_tp_hash`); None with an exception.
unsafe fn hash_of(result: *mut PyObject) -> Option<isize> {
    if ffi::PyLong_Check(result) == 0 {
        ffi::PyErr_SetString(ffi::PyExc_TypeError, c"__hash__ method should return an integer".as_ptr());
        return None;
    }
    let mut hash = ffi::PyLong_AsSsize_t(result);
    if hash == -1 && !ffi::PyErr_Occurred().is_null() {
        ffi::PyErr_Clear();
        // The hash of an int of any size.
        hash = ffi::PyLong_Type.tp_hash.map_or(0, |f| f(result));
    }
    Some(usable_hash(hash))
}

/// -1 stands for an error.
#[inline(always)]
pub fn usable_hash(hash: isize) -> isize {
    if hash == -1 { -2 } else { hash }
}

/// Whether an item is in a dictionary or set, after its `__hash__`.
pub(super) unsafe extern "C" fn is_in(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    let (container, item) = (*args, *args.add(1));
    let Some(hash) = hash_of(*args.add(2)) else { return ptr::null_mut() };
    let is_found = if is_type(container, &raw mut ffi::PyDict_Type) {
        if !_PyDict_GetItem_KnownHash(container, item, hash).is_null() {
            1
        } else if ffi::PyErr_Occurred().is_null() {
            0
        } else {
            -1
        }
    } else {
        set_contains_hashed(container, item, hash)
    };
    match is_found {
        0 => newref(ffi::Py_False()),
        1 => newref(ffi::Py_True()),
        _ => ptr::null_mut(),
    }
}

/// The value under a key of a dictionary, after the key's `__hash__`.
pub(super) unsafe extern "C" fn item_of(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    let (dict, key) = (*args, *args.add(1));
    let Some(hash) = hash_of(*args.add(2)) else { return ptr::null_mut() };
    let value = _PyDict_GetItem_KnownHash(dict, key, hash);
    if value.is_null() {
        if ffi::PyErr_Occurred().is_null() {
            _PyErr_SetKeyError(key);
        }
        return value;
    }
    newref(value)
}
