//! Boxes, building objects, dropping references.

use super::{Obj, made, raw};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_interp::Register;
use hotspur_ir::VirtualKind;
use hotspur_tier1::{boxes, context};
use smallvec::SmallVec;

/// An int. Small ones are those that CPython has made already, and immortal.
pub(super) unsafe fn int(value: i64) -> Obj {
    let index = value.wrapping_add(5) as u64;
    if index < 262 {
        return made(context::known().small_ints.add(index as usize).cast());
    }
    made(boxes::new_int(value))
}

/// Drops a reference. Runs code if it is the last one of an object that does so when it is freed.
pub(super) unsafe fn drop_reference(value: Obj) {
    let op = value.as_ptr();
    if decref_is_zero(op) {
        free_simple(op);
    }
}

/// Frees an object whose count is zero; numbers and iterators of ranges, lists and tuples go where they are found again.
pub(crate) unsafe fn free_simple(op: *mut PyObject) {
    if is_type(op, &raw mut ffi::PyFloat_Type) {
        boxes::free_float(op);
    } else if is_type(op, &raw mut ffi::PyLong_Type) {
        boxes::free_int(op);
    } else if is_type(op, &raw mut PyRangeIter_Type) {
        boxes::free_range_iter(op);
    } else if !super::free_iterator(op) {
        dealloc(op);
    }
}

/// The fields of an object that is to be built.
pub(crate) trait Fields {
    fn count(&self) -> usize;
    fn object(&self, i: usize) -> *mut PyObject;
    fn number(&self, i: usize) -> i64;
    fn double(&self, i: usize) -> f64;
    /// All of them as objects, one behind the other, and how many.
    fn with_objects<T>(&self, f: impl FnOnce(*const *mut PyObject, isize) -> T) -> T;
}

/// In registers of the tier 2 interpreter.
impl Fields for [Register<Obj>] {
    fn count(&self) -> usize {
        self.len()
    }
    fn object(&self, i: usize) -> *mut PyObject {
        if let Register::Obj(object) = self[i] { raw(object) } else { core::ptr::null_mut() }
    }
    fn number(&self, i: usize) -> i64 {
        if let Register::I64(n) = self[i] { n } else { 0 }
    }
    fn double(&self, i: usize) -> f64 {
        if let Register::F64(x) = self[i] { x } else { 0.0 }
    }
    fn with_objects<T>(&self, f: impl FnOnce(*const *mut PyObject, isize) -> T) -> T {
        let objects: SmallVec<[*mut PyObject; 8]> = (0..self.len()).map(|i| self.object(i)).collect();
        f(objects.as_ptr(), objects.len() as isize)
    }
}

/// As machine code leaves them in memory.
impl Fields for [u64] {
    fn count(&self) -> usize {
        self.len()
    }
    fn object(&self, i: usize) -> *mut PyObject {
        core::ptr::with_exposed_provenance_mut(self[i] as usize)
    }
    fn number(&self, i: usize) -> i64 {
        self[i] as i64
    }
    fn double(&self, i: usize) -> f64 {
        f64::from_bits(self[i])
    }
    fn with_objects<T>(&self, f: impl FnOnce(*const *mut PyObject, isize) -> T) -> T {
        // They are addresses, as C has them.
        f(self.as_ptr().cast(), self.len() as isize)
    }
}

/// Builds an object; references in the fields pass to it.
pub(crate) unsafe fn build<F: Fields + ?Sized>(kind: VirtualKind, fields: &F) -> Obj {
    let field = |i: usize| fields.object(i);
    match kind {
        VirtualKind::Int => int(fields.number(0)),
        VirtualKind::Float => made(boxes::new_float(fields.double(0))),
        VirtualKind::Tuple => made(fields.with_objects(|items, count| _PyTuple_FromArraySteal(items, count))),
        VirtualKind::List => made(fields.with_objects(|items, count| _PyList_FromArraySteal(items, count))),
        VirtualKind::Slice => {
            let slice = made(ffi::PySlice_New(field(0), field(1), field(2)));
            // It has taken references of its own.
            (0..3).for_each(|i| xdecref(field(i)));
            slice
        }
        VirtualKind::Range => {
            let args: [_; 3] = core::array::from_fn(|i| int(fields.number(i)).as_ptr());
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
        VirtualKind::Instance => instance(fields),
        VirtualKind::ListIter | VirtualKind::TupleIter => {
            super::sequence_iters::iterator_at(field(0), fields.number(1))
        }
        VirtualKind::RangeIter => made(boxes::new_range_iter(fields.number(0), fields.number(1), fields.number(2))),
    }
}

/// An instance of the class, without attributes.
pub(crate) unsafe fn new_instance_of(class: *mut ffi::PyTypeObject) -> Obj {
    made(super::instances::new_instance(class))
}

/// An instance of the class with the attributes behind it in its inline values, in the order of its class's keys; the rest is absent.
unsafe fn instance<F: Fields + ?Sized>(fields: &F) -> Obj {
    let class = fields.object(0);
    let instance = new_instance_of(class.cast());
    let values = inline_values(instance.as_ptr());
    for i in 1..fields.count() {
        let content = fields.object(i);
        if !content.is_null() {
            *inline_value_slot(values, i - 1) = content;
            values_add_to_insertion_order(values, i - 1);
        }
    }
    // The instance has a reference of its own.
    decref(class);
    instance
}
