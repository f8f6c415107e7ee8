//! Whether the running CPython is laid out as this crate believes.
//!
//! Two kinds of evidence. CPython publishes some of its private offsets, for debuggers and profilers, in
//! `_PyRuntime.debug_offsets`; these are compared with ours (`published.rs`). For the rest small objects are made, and what
//! lies at our offsets is compared with what the public API says about them (`live.rs`, `code.rs`). A patch release that
//! moved something would be noticed here, at import, and not as a crash later.

mod code;
mod live;
mod published;

use core::ffi::{CStr, c_long};
use core::fmt;
use pyo3_ffi::{self as ffi, PyObject, PyTypeObject};

/// What is not as expected, and in which CPython.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError {
    /// The release, such as `3.13.5`.
    pub python: String,
    /// The first thing that differs.
    pub what: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the private layout of CPython {} is not the one that this build knows: {}", self.python, self.what)
    }
}

impl std::error::Error for LayoutError {}

/// Where `_PyRuntime` is.
pub(crate) fn runtime() -> *const u8 {
    (&raw const published::_PyRuntime).cast()
}

type Checked = Result<(), String>;

/// Checks everything. Needs the GIL, and no exception set; takes some 100 microseconds.
pub fn verify() -> Result<(), LayoutError> {
    // SAFETY: the caller holds the GIL, see above. The published offsets are read first, so that a CPython that is quite
    // another one is noticed before anything is read at our own offsets; those are inside objects that we have just made.
    let checked = unsafe { published::published(&published::_PyRuntime).and_then(|()| live::live()) };
    checked.map_err(|what| {
        // SAFETY: a constant that CPython exports.
        let version = unsafe { ffi::Py_Version };
        LayoutError { python: format!("{}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff), what }
    })
}

fn same<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Checked {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, expected {expected:?}")) }
}

/// A reference that is dropped at the end.
struct Owned(*mut PyObject);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: `new` has taken over one reference to a live object, with the GIL held as for all of this module.
        unsafe { ffi::Py_DECREF(self.0) }
    }
}

impl Owned {
    /// Takes over a new reference; a null pointer means that an exception is set, which is cleared.
    unsafe fn new(object: *mut PyObject, what: &str) -> Result<Owned, String> {
        if object.is_null() {
            ffi::PyErr_Clear();
            return Err(format!("cannot make {what}"));
        }
        Ok(Owned(object))
    }

    unsafe fn attribute(&self, name: &CStr) -> Result<Owned, String> {
        Owned::new(ffi::PyObject_GetAttrString(self.0, name.as_ptr()), &name.to_string_lossy())
    }

    unsafe fn attribute_number(&self, name: &CStr) -> Result<c_long, String> {
        Ok(ffi::PyLong_AsLong(self.attribute(name)?.0))
    }

    unsafe fn as_type(&self) -> *mut PyTypeObject {
        self.0.cast()
    }
}

unsafe fn number(value: c_long) -> Result<Owned, String> {
    Owned::new(ffi::PyLong_FromLong(value), "an int")
}

unsafe fn string(value: &CStr) -> Result<Owned, String> {
    Owned::new(ffi::PyUnicode_InternFromString(value.as_ptr()), "a str")
}

unsafe fn item(dict: &Owned, name: &CStr) -> Result<Owned, String> {
    let value = ffi::PyDict_GetItemString(dict.0, name.as_ptr());
    ffi::Py_XINCREF(value);
    Owned::new(value, &name.to_string_lossy())
}

#[cfg(test)]
mod tests {
    // Without a Python there is nothing to check against; the tests of the root package do that. What can be shown here
    // is that the error names what it should.
    use super::*;

    #[test]
    fn error() {
        let what = same("dk_kind", 3, 1).unwrap_err();
        let error = LayoutError { python: "3.13.99".to_string(), what };
        assert_eq!(
            error.to_string(),
            "the private layout of CPython 3.13.99 is not the one that this build knows: dk_kind is 3, expected 1"
        );
    }
}
