//! Boxes, building objects, dropping references.

use super::{Obj, made, raw};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_interp::Register;
use hotspur_ir::VirtualKind;
use hotspur_tier1::{boxes, context};

/// An int. Small ones are those that CPython has made already, and immortal.
pub(super) unsafe fn int(value: i64) -> Obj {
    let index = value.wrapping_add(5) as u64;
    if index < 262 {
        return made(context::known().small_ints.add(index as usize).cast());
    }
    made(if boxes::is_one_digit(value) { boxes::new_one_digit_int(value) } else { ffi::PyLong_FromLongLong(value) })
}

/// Drops a reference. Runs code if it is the last one of an object that does so when it is freed.
pub(super) unsafe fn drop_reference(value: Obj) {
    let op = value.as_ptr();
    if decref_is_zero(op) {
        free_simple(op);
    }
}

/// Frees an object whose count is zero; numbers go where tier 1 finds them again.
pub(crate) unsafe fn free_simple(op: *mut PyObject) {
    if is_type(op, &raw mut ffi::PyFloat_Type) {
        boxes::free_float(op);
    } else if is_type(op, &raw mut ffi::PyLong_Type) {
        boxes::free_int(op);
    } else {
        dealloc(op);
    }
}

fn object(field: Register<Obj>) -> *mut PyObject {
    if let Register::Obj(object) = field { raw(object) } else { core::ptr::null_mut() }
}

fn number(field: Register<Obj>) -> i64 {
    if let Register::I64(n) = field { n } else { 0 }
}

/// Builds an object; references in the fields pass to it.
pub(super) unsafe fn build(kind: VirtualKind, fields: &[Register<Obj>]) -> Obj {
    let field = |i: usize| object(fields[i]);
    match kind {
        VirtualKind::Int => int(number(fields[0])),
        VirtualKind::Float => made(boxes::new_float(if let Register::F64(x) = fields[0] { x } else { 0.0 })),
        VirtualKind::Tuple => {
            let items: Vec<_> = fields.iter().map(|&f| object(f)).collect();
            made(_PyTuple_FromArraySteal(items.as_ptr(), items.len() as isize))
        }
        VirtualKind::List => {
            let items: Vec<_> = fields.iter().map(|&f| object(f)).collect();
            made(_PyList_FromArraySteal(items.as_ptr(), items.len() as isize))
        }
        VirtualKind::Slice => {
            let slice = made(ffi::PySlice_New(field(0), field(1), field(2)));
            // It has taken references of its own.
            (0..3).for_each(|i| xdecref(field(i)));
            slice
        }
        VirtualKind::Range => {
            let numbers = fields.iter().map(|&f| int(number(f)).as_ptr());
            let args: Vec<_> = numbers.collect();
            let range = made(ffi::PyObject_Vectorcall(
                (&raw mut ffi::PyRange_Type).cast(),
                args.as_ptr(),
                args.len(),
                core::ptr::null_mut(),
            ));
            args.into_iter().for_each(|n| decref(n));
            range
        }
        VirtualKind::BoundMethod => {
            let method = made(PyMethod_New(field(0), field(1)));
            decref(field(0));
            decref(field(1));
            method
        }
        VirtualKind::Cell => {
            let cell = made(ffi::PyCell_New(field(0)));
            xdecref(field(0));
            cell
        }
        VirtualKind::Instance => instance(field(0), &fields[1..]),
        VirtualKind::ListIter => {
            let iter = made(ffi::PyObject_GetIter(field(0)));
            (*iter.as_ptr().cast::<ListIterObject>()).it_index = number(fields[1]) as isize;
            decref(field(0));
            iter
        }
        VirtualKind::TupleIter => {
            let iter = made(ffi::PyObject_GetIter(field(0)));
            (*iter.as_ptr().cast::<TupleIterObject>()).it_index = number(fields[1]) as isize;
            decref(field(0));
            iter
        }
        VirtualKind::RangeIter => {
            let iter = made(ffi::PyObject_New::<PyObject>(&raw mut PyRangeIter_Type));
            let range = iter.as_ptr().cast::<RangeIterObject>();
            (*range).start = number(fields[0]);
            (*range).step = number(fields[1]);
            (*range).len = number(fields[2]);
            iter
        }
    }
}

/// An instance with these attributes in its inline values, in the order of its class's keys; the rest is absent.
unsafe fn instance(class: *mut PyObject, attributes: &[Register<Obj>]) -> Obj {
    let instance = made(ffi::PyType_GenericAlloc(class.cast(), 0));
    let values = inline_values(instance.as_ptr());
    for (i, &attribute) in attributes.iter().enumerate() {
        let content = object(attribute);
        if !content.is_null() {
            *inline_value_slot(values, i) = content;
            values_add_to_insertion_order(values, i);
        }
    }
    // The instance has a reference of its own.
    decref(class);
    instance
}
