//! A trace's constants, as the optimizer may ask about them.
//!
//! Answers have to hold as long as the superblock is valid. So types are told only of instances of static types, which stay what they
//! are, and items only of tuples. Types and items that the optimizer is told of become constants of the trace, if they are not: a static type
//! needs nobody to keep it alive, and an item is kept alive by whoever keeps its tuple alive.
//!
//! Whatever can be asked is looked up beforehand, so that the optimizer may ask in another thread, without the GIL: what the constants refer to
//! may have changed, or be gone, by then. (What it makes of the trace is of no use in that case: the executor is invalid.) Only static
//! types are looked at later: they stay.

use crate::trace::{Keep, Object, Trace, What};
use core::cell::RefCell;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Builtin, CodeRef, Facts, ObjRef};
use std::collections::HashMap;

/// See the module's documentation.
#[derive(Debug)]
pub struct Constants {
    known: RefCell<Vec<Known>>,
    /// The items of tuples that are constants, or items of those.
    tuples: HashMap<*mut PyObject, Vec<Known>>,
    /// Types that are watched, with their version.
    types: Vec<Watched>,
}

// SAFETY: the addresses are only compared; see the module's documentation for static types.
unsafe impl Send for Constants {}

#[derive(Clone, Copy, Debug)]
struct Known {
    object: Object,
    immortal: bool,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    class: *mut PyObject,
    version: u32,
    no_finalizer: bool,
}

/// Items of tuples that are looked up for a trace, all tuples together. Those of a tuple that would make them more are not told.
const MOST_ITEMS: usize = 2000;

impl Constants {
    /// The constants of a trace.
    ///
    /// # Safety
    /// The GIL is held. What the trace depends on is alive, and so are its constants, except those that are [`Keep::Guarded`].
    pub unsafe fn of(trace: &Trace) -> Constants {
        // SAFETY: as the caller promises.
        unsafe {
            let known: Vec<Known> = trace.objects.iter().map(|&object| Known::of(object)).collect();
            let mut tuples = HashMap::new();
            let mut left = MOST_ITEMS;
            known.iter().for_each(|known| look_up_items(known.object, &mut tuples, &mut left));
            let types = trace.dependencies.types.iter().map(|&(class, version)| {
                let ty: *mut PyTypeObject = class.cast();
                let no_finalizer = (*ty).tp_finalize.is_none() && (*ty).tp_del.is_none();
                Watched { class, version, no_finalizer }
            });
            Constants { known: RefCell::new(known), tuples, types: types.collect() }
        }
    }

    /// The constants with those that were added, by [`ObjRef`].
    pub fn into_objects(self) -> Vec<Object> {
        self.known.into_inner().into_iter().map(|known| known.object).collect()
    }

    fn known(&self, object: ObjRef) -> Option<Known> {
        self.known.borrow().get(object.as_u32() as usize).copied()
    }

    fn get(&self, object: ObjRef) -> Option<Object> {
        self.known(object).map(|known| known.object)
    }

    fn address(&self, object: ObjRef) -> Option<*mut PyObject> {
        self.get(object).map(|o| o.object)
    }

    /// The number of a constant, which is added if it has none. One that only a guard proves to be alive is not the same as one that is kept.
    fn number(&self, added: Known) -> ObjRef {
        let mut all = self.known.borrow_mut();
        let is_it = |k: &Known| k.object.object == added.object.object && k.object.keep != Keep::Guarded;
        let index = all.iter().position(is_it).unwrap_or_else(|| {
            all.push(added);
            all.len() - 1
        });
        ObjRef::from_u32(index as u32)
    }

    fn watched(&self, class: ObjRef) -> Option<&Watched> {
        let class = self.address(class)?;
        self.types.iter().find(|watched| watched.class == class)
    }
}

impl Known {
    /// # Safety
    /// As for [`Constants::of`].
    unsafe fn of(object: Object) -> Known {
        // SAFETY: the object is alive.
        Known { object, immortal: object.keep != Keep::Guarded && unsafe { is_immortal(object.object) } }
    }
}

/// Adds the items of a tuple, and of tuples among these, as long as there are no more than are `left` to be looked up.
///
/// # Safety
/// As for [`Constants::of`].
unsafe fn look_up_items(tuple: Object, tuples: &mut HashMap<*mut PyObject, Vec<Known>>, left: &mut usize) {
    let Object { object, keep, .. } = tuple;
    // SAFETY: as the caller promises. A tuple's items do not change, and it keeps them alive.
    unsafe {
        // What a guarded tuple is kept alive by may go after the guard, and its items with it.
        let is_tuple = || is_type(object, &raw mut ffi::PyTuple_Type);
        if keep == Keep::Guarded || !is_tuple() || tuples.contains_key(&object) {
            return;
        }
        let len = ffi::PyTuple_GET_SIZE(object);
        let Some(rest) = left.checked_sub(len as usize) else { return };
        *left = rest;
        let item = |i| Known::of(Object::new(ffi::PyTuple_GET_ITEM(object, i), keep));
        let items: Vec<Known> = (0..len).map(item).collect();
        tuples.insert(object, items.clone());
        items.iter().for_each(|item| look_up_items(item.object, tuples, left));
    }
}

impl Facts for Constants {
    fn type_of(&self, object: ObjRef) -> Option<ObjRef> {
        let class = match self.get(object)?.what {
            What::Int(_) => &raw mut ffi::PyLong_Type,
            What::Float(_) => &raw mut ffi::PyFloat_Type,
            What::Instance(class) => class,
            What::Other => return None,
        };
        // SAFETY: a static type, which is always there and does not change.
        let object = unsafe { Object::new(class.cast(), Keep::Immortal) };
        Some(self.number(Known { object, immortal: true }))
    }

    fn as_i64(&self, object: ObjRef) -> Option<i64> {
        if let What::Int(value) = self.get(object)?.what { Some(value) } else { None }
    }

    fn as_f64(&self, object: ObjRef) -> Option<f64> {
        if let What::Float(bits) = self.get(object)?.what { Some(f64::from_bits(bits)) } else { None }
    }

    fn as_bool(&self, object: ObjRef) -> Option<bool> {
        let object = self.address(object)?;
        // SAFETY: addresses of objects that are always there.
        let (is_true, is_false) = unsafe { (object == ffi::Py_True(), object == ffi::Py_False()) };
        (is_true || is_false).then_some(is_true)
    }

    fn tuple_items(&self, object: ObjRef) -> Option<Vec<ObjRef>> {
        let Object { object, keep, .. } = self.get(object)?;
        let items = self.tuples.get(&object).filter(|_| keep != Keep::Guarded)?;
        Some(items.iter().map(|&item| self.number(item)).collect())
    }

    fn is_immortal(&self, object: ObjRef) -> bool {
        self.known(object).is_some_and(|known| known.immortal)
    }

    fn type_version(&self, object: ObjRef) -> Option<u32> {
        self.watched(object).map(|watched| watched.version)
    }

    fn builtin(&self, class: ObjRef) -> Option<Builtin> {
        let class = self.address(class)?;
        Builtin::ALL.into_iter().find(|&builtin| ptr::eq(address_of(builtin).cast(), class))
    }

    /// A class that is watched, whose instances are freed as all instances of Python classes are, and which has no finalizer. (Giving it one
    /// changes its version.)
    fn has_no_finalizer(&self, class: ObjRef) -> bool {
        self.watched(class).is_some_and(|watched| watched.no_finalizer)
    }

    fn describe(&self, object: ObjRef) -> String {
        let Some(Object { what, .. }) = self.get(object) else { return object.to_string() };
        if let Some(n) = self.as_i64(object) {
            return n.to_string();
        }
        let What::Instance(class) = what else { return object.to_string() };
        // SAFETY: a static type's name is a C string that is always there.
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
