//! A trace's constants, as the optimizer may ask about them.
//!
//! Answers have to hold as long as the superblock is valid. So types are told only of instances of static types, which stay what they
//! are, and items only of tuples. Types and items that the optimizer is told of become constants of the trace, if they are not: a static type
//! needs nobody to keep it alive, and an item is kept alive by whoever keeps its tuple alive.
//!
//! Safety, for all of the module: constants are alive except those that are [`Keep::Guarded`], and so are the types that the trace depends on, as the
//! caller of [`Constants::of`] has promised; and the GIL is held.
#![allow(clippy::undocumented_unsafe_blocks, reason = "one contract for the module, stated above")]

use crate::trace::{Dependencies, Keep, Object, Trace, What};
use core::cell::RefCell;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Builtin, CodeRef, Facts, ObjRef};

/// See the module's documentation.
#[derive(Debug)]
pub struct Constants<'a> {
    objects: RefCell<Vec<Object>>,
    dependencies: &'a Dependencies,
}

impl Constants<'_> {
    /// The constants of a trace.
    ///
    /// # Safety
    /// The GIL is held as long as questions are asked, and what the trace depends on is alive.
    pub unsafe fn of(trace: &Trace) -> Constants<'_> {
        Constants { objects: RefCell::new(trace.objects.clone()), dependencies: &trace.dependencies }
    }

    /// The constants with those that were added, by [`ObjRef`].
    pub fn into_objects(self) -> Vec<Object> {
        self.objects.into_inner()
    }

    fn get(&self, object: ObjRef) -> Option<Object> {
        self.objects.borrow().get(object.as_u32() as usize).copied()
    }

    fn address(&self, object: ObjRef) -> Option<*mut PyObject> {
        self.get(object).map(|o| o.object)
    }

    /// The number of an object, which is added if it has none. One that only a guard proves to be alive is not the same as one that is kept.
    fn number(&self, object: *mut PyObject, keep: Keep) -> ObjRef {
        let mut objects = self.objects.borrow_mut();
        let known = objects.iter().position(|o| o.object == object && o.keep != Keep::Guarded);
        let index = known.unwrap_or_else(|| {
            objects.push(unsafe { Object::new(object, keep) });
            objects.len() - 1
        });
        ObjRef::from_u32(index as u32)
    }
}

impl Facts for Constants<'_> {
    fn type_of(&self, object: ObjRef) -> Option<ObjRef> {
        let class = match self.get(object)?.what {
            What::Int(_) => &raw mut ffi::PyLong_Type,
            What::Float(_) => &raw mut ffi::PyFloat_Type,
            What::Instance(class) => class,
            What::Other => return None,
        };
        Some(self.number(class.cast(), Keep::Immortal))
    }

    fn as_i64(&self, object: ObjRef) -> Option<i64> {
        if let What::Int(value) = self.get(object)?.what { Some(value) } else { None }
    }

    fn as_f64(&self, object: ObjRef) -> Option<f64> {
        if let What::Float(bits) = self.get(object)?.what { Some(f64::from_bits(bits)) } else { None }
    }

    fn as_bool(&self, object: ObjRef) -> Option<bool> {
        let object = self.address(object)?;
        let (is_true, is_false) = unsafe { (object == ffi::Py_True(), object == ffi::Py_False()) };
        (is_true || is_false).then_some(is_true)
    }

    fn tuple_items(&self, object: ObjRef) -> Option<Vec<ObjRef>> {
        let Object { object, keep, .. } = self.get(object)?;
        // What a guarded tuple is kept alive by may go after the guard, and its items with it.
        if keep == Keep::Guarded || !unsafe { is_type(object, &raw mut ffi::PyTuple_Type) } {
            return None;
        }
        let len = unsafe { ffi::PyTuple_GET_SIZE(object) };
        Some((0..len).map(|i| self.number(unsafe { ffi::PyTuple_GET_ITEM(object, i) }, keep)).collect())
    }

    fn is_immortal(&self, object: ObjRef) -> bool {
        self.get(object).is_some_and(|o| o.keep != Keep::Guarded && unsafe { is_immortal(o.object) })
    }

    fn type_version(&self, object: ObjRef) -> Option<u32> {
        let object = self.address(object)?;
        self.dependencies.types.iter().find(|(class, _)| *class == object).map(|(_, version)| *version)
    }

    fn builtin(&self, class: ObjRef) -> Option<Builtin> {
        let class = self.address(class)?;
        Builtin::ALL.into_iter().find(|&builtin| ptr::eq(address_of(builtin).cast(), class))
    }

    /// A class that is watched, whose instances are freed as all instances of Python classes are, and which has no finalizer. (Giving it one
    /// changes its version.)
    fn has_no_finalizer(&self, id: ObjRef) -> bool {
        let Some(object) = self.address(id) else { return false };
        let class: *mut PyTypeObject = object.cast();
        self.type_version(id).is_some() && unsafe { (*class).tp_finalize.is_none() && (*class).tp_del.is_none() }
    }

    fn describe(&self, object: ObjRef) -> String {
        let Some(Object { what, .. }) = self.get(object) else { return object.to_string() };
        if let Some(n) = self.as_i64(object) {
            return n.to_string();
        }
        let What::Instance(class) = what else { return object.to_string() };
        // A static type's name is a C string that is always there.
        let name = unsafe { core::ffi::CStr::from_ptr((*class).tp_name) };
        format!("{object}: {}", name.to_string_lossy())
    }

    fn describe_code(&self, code: CodeRef) -> String {
        code.to_string()
    }
}

fn address_of(builtin: Builtin) -> *mut PyTypeObject {
    match builtin {
        Builtin::Int => &raw mut ffi::PyLong_Type,
        Builtin::Float => &raw mut ffi::PyFloat_Type,
        Builtin::Bool => &raw mut ffi::PyBool_Type,
        Builtin::Str => &raw mut ffi::PyUnicode_Type,
        // SAFETY: None always exists; its type is read.
        Builtin::NoneType => unsafe { ty(ffi::Py_None()) },
        Builtin::Tuple => &raw mut ffi::PyTuple_Type,
        Builtin::List => &raw mut ffi::PyList_Type,
        Builtin::Range => &raw mut ffi::PyRange_Type,
        Builtin::Slice => &raw mut ffi::PySlice_Type,
        Builtin::Method => &raw mut PyMethod_Type,
        Builtin::Cell => &raw mut ffi::PyCell_Type,
        Builtin::Function => &raw mut PyFunction_Type,
        Builtin::Type => &raw mut ffi::PyType_Type,
        Builtin::Dict => &raw mut ffi::PyDict_Type,
        Builtin::Module => &raw mut ffi::PyModule_Type,
        Builtin::ListIter => &raw mut PyListIter_Type,
        Builtin::TupleIter => &raw mut PyTupleIter_Type,
        Builtin::Generator => &raw mut PyGen_Type,
        Builtin::Coroutine => &raw mut PyCoro_Type,
        Builtin::RangeIter => &raw mut PyRangeIter_Type,
    }
}
