//! What code, places and objects are called, in logs and dumps. Nothing here runs Python code.

use core::ffi::CStr;
use core::fmt::{self, Display, Formatter};
use hotspur_cpython_sys::ffi::{self, PyObject, PyTypeObject};
use hotspur_cpython_sys::{
    PyCFunctionObject, PyCodeObject, PyFunctionObject, PyMethodDescr_Type, PyMethodDescrObject, is_type, ty,
};
use hotspur_recorder::{Object, Place, Trace, What};

/// The text of a string of Python's. An exception that is set stays.
///
/// # Safety
/// GIL held, a string.
unsafe fn text(string: *mut PyObject) -> String {
    // SAFETY: as the caller promises. A string that has no UTF-8 sets an exception.
    unsafe {
        let pending = ffi::PyErr_GetRaisedException();
        let mut length = 0;
        let bytes = ffi::PyUnicode_AsUTF8AndSize(string, &raw mut length);
        let text = if bytes.is_null() {
            ffi::PyErr_Clear();
            "?".into()
        } else {
            String::from_utf8_lossy(core::slice::from_raw_parts(bytes.cast(), length as usize)).into_owned()
        };
        ffi::PyErr_SetRaisedException(pending);
        text
    }
}

/// The qualified name of a function, given its code.
///
/// # Safety
/// GIL held, live code.
pub(crate) unsafe fn function_name(code: *mut PyCodeObject) -> String {
    // SAFETY: as the caller promises.
    unsafe { text((*code).co_qualname) }
}

/// The file that code is from.
///
/// # Safety
/// GIL held, live code.
pub(super) unsafe fn file_name(code: *mut PyCodeObject) -> String {
    // SAFETY: as the caller promises.
    unsafe { text((*code).co_filename) }
}

/// The line of an instruction, if it has one.
///
/// # Safety
/// GIL held, live code.
pub(super) unsafe fn line(code: *mut PyCodeObject, position: usize) -> Option<u32> {
    // SAFETY: as the caller promises. It reads a table, and takes a byte offset.
    let line = unsafe { ffi::PyCode_Addr2Line(code.cast(), (2 * position) as i32) };
    u32::try_from(line).ok()
}

/// A place, to be printed: `file:line function @ position`.
pub(super) struct Spot {
    file: String,
    line: Option<u32>,
    function: String,
    position: usize,
}

impl Spot {
    /// # Safety
    /// GIL held, live code.
    pub(super) unsafe fn of(code: *mut PyCodeObject, position: usize) -> Spot {
        // SAFETY: as the caller promises.
        unsafe { Spot { file: file_name(code), line: line(code, position), function: function_name(code), position } }
    }

    /// # Safety
    /// GIL held, the place is in live code.
    pub(super) unsafe fn at(place: Place) -> Spot {
        // SAFETY: as the caller promises.
        unsafe { Spot::of((*place.code).code, place.position) }
    }
}

impl Display for Spot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Spot { file, line, function, position } = self;
        match line {
            Some(line) => write!(f, "{file}:{line} {function} @ {position}"),
            None => write!(f, "{file} {function} @ {position}"),
        }
    }
}

/// The name of a class, as C has it.
///
/// # Safety
/// A live class.
unsafe fn class_name(class: *mut PyTypeObject) -> String {
    // SAFETY: a class has a name.
    unsafe { CStr::from_ptr((*class).tp_name) }.to_string_lossy().into_owned()
}

/// What a constant of a trace is, in a few words.
///
/// # Safety
/// GIL held, what the trace depends on is live.
pub(super) unsafe fn constant(trace: &Trace, object: &Object) -> String {
    match object.what {
        What::Int(value) => return format!("int {value}"),
        What::Float(bits) => return format!("float {:?}", f64::from_bits(bits)),
        What::Instance(class) if !trace.is_alive(object) => {
            // SAFETY: a static type.
            return format!("{} that is guarded to be alive", unsafe { class_name(class) });
        }
        What::Other if !trace.is_alive(object) => return "an object that is guarded to be alive".into(),
        What::Instance(_) | What::Other => {}
    }
    let object = object.object;
    // SAFETY: it is alive, and what it is, is looked at first.
    unsafe {
        if object == ffi::Py_None() || object == ffi::Py_True() || object == ffi::Py_False() {
            let names = [(ffi::Py_None(), "None"), (ffi::Py_True(), "True"), (ffi::Py_False(), "False")];
            return names.iter().find(|(o, _)| *o == object).map_or_else(String::new, |(_, name)| (*name).into());
        }
        if ffi::PyType_Check(object) != 0 {
            return format!("class {}", class_name(object.cast()));
        }
        if is_type(object, &raw mut ffi::PyFunction_Type) {
            return format!("function {}", text((*object.cast::<PyFunctionObject>()).func_qualname));
        }
        if is_type(object, &raw mut ffi::PyCFunction_Type) {
            let name = CStr::from_ptr((*(*object.cast::<PyCFunctionObject>()).m_ml).ml_name);
            return format!("built-in function {}", name.to_string_lossy());
        }
        if is_type(object, &raw mut PyMethodDescr_Type) {
            let method = object.cast::<PyMethodDescrObject>();
            let name = CStr::from_ptr((*(*method).d_method).ml_name);
            return format!("method {}.{}", class_name((*method).d_type), name.to_string_lossy());
        }
        if is_type(object, &raw mut ffi::PyUnicode_Type) {
            let text: String = text(object).chars().take(40).collect();
            return format!("str {text:?}");
        }
        if is_type(object, &raw mut ffi::PyCode_Type) {
            return format!("code {}", function_name(object.cast()));
        }
        class_name(ty(object))
    }
}
