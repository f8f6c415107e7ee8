//! Telling tier 2 that the interpreter is being taken down.
//!
//! The interpreter's own dictionary goes late, when all modules are gone, but before what executors rely on is: types, builtins,
//! the last code objects. A capsule in it is told. (Functions registered with `atexit` come too early, as finalizers of the
//! program run after them, and the program can take them away.)

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use std::ffi::CStr;

const NAME: &CStr = c"hotspur.shutdown";

/// What the capsule is about: nothing.
struct Shutdown;

/// Arranges for it, once per interpreter.
pub fn install(py: Python<'_>) -> PyResult<()> {
    // SAFETY: we hold the GIL; the dictionary is borrowed, or null if there is none.
    let dict =
        unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyInterpreterState_GetDict(ffi::PyInterpreterState_Get())) };
    let Some(dict) = dict else { return Ok(()) };
    let dict = dict.cast_into::<PyDict>()?;
    let key = NAME.to_string_lossy();
    if dict.contains(&*key)? {
        return Ok(());
    }
    // SAFETY: the destructor runs with the GIL held, and any code may run there.
    let told = |_: Shutdown, _| unsafe { hotspur_tier2::shut_down() };
    dict.set_item(&*key, PyCapsule::new_with_value_and_destructor(py, Shutdown, NAME, told)?)
}
