//! Noticing that a frame's locals were changed from outside.
//!
//! The one way to do that is the mapping that `frame.f_locals` gives (PEP 667). Its type is a static one, and the functions that
//! write are made to count first: the slots, the methods, and the methods that stand for slots (`__setitem__`). Comparing locals
//! before and after would not do: an object can be replaced by another one at the same address.

use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicU64, Ordering};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;

static EPOCH: AtomicU64 = AtomicU64::new(0);

/// A number that is another one after a local of some frame was changed from outside.
#[inline(always)]
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// Where that number is.
pub(crate) fn epoch_address() -> u64 {
    EPOCH.as_ptr().expose_provenance() as u64
}

/// The functions take at most three words, and give back one.
type Original = unsafe extern "C-unwind" fn(usize, usize, usize) -> usize;

const SET_ITEM: usize = 0;
const IN_PLACE_OR: usize = 1;
const UPDATE: usize = 2;
const SET_DEFAULT: usize = 3;

/// Filled in once, with the GIL held, before anything calls the wrappers.
static mut ORIGINALS: [Option<Original>; 4] = [None; 4];

unsafe extern "C-unwind" fn wrapper<const I: usize>(a: usize, b: usize, c: usize) -> usize {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    // SAFETY: it was filled in before the wrapper was put in place, and the arguments are those of the original.
    unsafe { (ORIGINALS[I].unwrap_unchecked())(a, b, c) }
}

/// The attribute of the type with this name, borrowed.
unsafe fn attribute(name: &CStr, class: *mut ffi::PyTypeObject) -> Option<*mut PyObject> {
    // SAFETY: the GIL is held.
    unsafe {
        let name = ffi::PyUnicode_FromString(name.as_ptr());
        let found = _PyType_Lookup(&raw mut PyFrameLocalsProxy_Type, name);
        decref(name);
        (!found.is_null() && is_type(found, class)).then_some(found)
    }
}

/// Puts the wrappers in place. They stay.
///
/// # Errors
/// Says what is not as CPython 3.13 has it. Nothing has been changed then.
///
/// # Safety
/// GIL held; called once.
pub unsafe fn watch() -> Result<(), &'static str> {
    const UNKNOWN: &str = "the type of frame.f_locals is not as expected";
    // SAFETY: the GIL is held; the type is a static one whose tables are writable data, as `tools` relies on for `sys`.
    unsafe {
        let t = &raw mut PyFrameLocalsProxy_Type;
        if ffi::PyType_Ready(t) < 0 {
            ffi::PyErr_Clear();
            return Err(UNKNOWN);
        }
        let (mapping, number) = ((*t).tp_as_mapping, (*t).tp_as_number);
        if mapping.is_null() || number.is_null() {
            return Err(UNKNOWN);
        }
        let set_item = (*mapping).mp_ass_subscript.ok_or(UNKNOWN)?;
        let in_place_or = (*number).nb_inplace_or.ok_or(UNKNOWN)?;
        let wrapper_type = &raw mut PyWrapperDescr_Type;
        let dunder_set_item = attribute(c"__setitem__", wrapper_type).ok_or(UNKNOWN)?.cast::<PyWrapperDescrObject>();
        let dunder_ior = attribute(c"__ior__", wrapper_type).ok_or(UNKNOWN)?.cast::<PyWrapperDescrObject>();
        let method = |name: &CStr, flags: i32| {
            let found = attribute(name, &raw mut PyMethodDescr_Type)?.cast::<PyMethodDescrObject>();
            ((*(*found).d_method).ml_flags == flags).then_some((*found).d_method)
        };
        let update = method(c"update", ffi::METH_O).ok_or(UNKNOWN)?;
        let set_default = method(c"setdefault", ffi::METH_FASTCALL).ok_or(UNKNOWN)?;
        if (*dunder_set_item).d_wrapped != set_item as *mut c_void
            || (*dunder_ior).d_wrapped != in_place_or as *mut c_void
        {
            return Err(UNKNOWN);
        }
        ORIGINALS[SET_ITEM] = Some(core::mem::transmute::<ffi::objobjargproc, Original>(set_item));
        ORIGINALS[IN_PLACE_OR] = Some(core::mem::transmute::<ffi::binaryfunc, Original>(in_place_or));
        ORIGINALS[UPDATE] = Some(core::mem::transmute::<ffi::PyCFunction, Original>((*update).ml_meth.PyCFunction));
        ORIGINALS[SET_DEFAULT] =
            Some(core::mem::transmute::<ffi::PyCFunction, Original>((*set_default).ml_meth.PyCFunction));
        let set_item = wrapper::<SET_ITEM> as Original;
        let in_place_or = wrapper::<IN_PLACE_OR> as Original;
        (*mapping).mp_ass_subscript = Some(core::mem::transmute::<Original, ffi::objobjargproc>(set_item));
        (*number).nb_inplace_or = Some(core::mem::transmute::<Original, ffi::binaryfunc>(in_place_or));
        (*dunder_set_item).d_wrapped = set_item as *mut c_void;
        (*dunder_ior).d_wrapped = in_place_or as *mut c_void;
        (*update).ml_meth.PyCFunction = core::mem::transmute::<Original, ffi::PyCFunction>(wrapper::<UPDATE>);
        (*set_default).ml_meth.PyCFunction = core::mem::transmute::<Original, ffi::PyCFunction>(wrapper::<SET_DEFAULT>);
    }
    Ok(())
}
