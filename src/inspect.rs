//! Looking into tier 1 from Python: its table of instructions, and what it made of a function.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyList};

/// The table of instructions, as a list of dicts: number, name, base, caches, flags, and `effect`, the net effect on the
/// stack for the arguments 0 to 4 (when the instruction does not jump).
#[pyfunction]
pub fn instructions(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for (number, row) in hotspur_tier1::table::INFO.iter().enumerate().filter(|(_, row)| !row.name.is_empty()) {
        let dict = PyDict::new(py);
        dict.set_item("number", number)?;
        dict.set_item("name", row.name)?;
        dict.set_item("base", hotspur_tier1::table::INFO[usize::from(row.base)].name)?;
        dict.set_item("caches", row.caches)?;
        dict.set_item("flags", row.flags)?;
        let effects: Vec<i64> = (0..=4).map(|oparg| (row.effect)(oparg)).map(|(pops, pushes)| pushes - pops).collect();
        dict.set_item("effect", effects)?;
        list.append(dict)?;
    }
    Ok(list)
}

/// Calls a function without arguments and returns its result together with the instructions that this thread executed in
/// tier 1 meanwhile: a list of tuples (id of the code object, index, name).
#[pyfunction]
#[allow(clippy::type_complexity, reason = "a row of a listing")]
pub fn record<'py>(function: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Vec<(usize, usize, &'static str)>)> {
    if !crate::hook::started() {
        return Err(pyo3::exceptions::PyRuntimeError::new_err("Hotspur is not enabled"));
    }
    // SAFETY: the GIL is held, and tier 1 is initialized.
    unsafe { hotspur_tier1::start_recording() };
    let result = function.call0();
    // SAFETY: as above.
    let recorded = unsafe { hotspur_tier1::stop_recording() };
    let rows = recorded
        .into_iter()
        .map(|r| (r.code as usize, r.index, hotspur_tier1::table::INFO[usize::from(r.op)].name))
        .collect();
    Ok((result?, rows))
}

/// The instructions that tier 1 executes for a function (or code object), as they stand: a list of tuples (index, name,
/// name in CPython, argument, counter, cache words). None if it has not executed it yet.
#[pyfunction]
#[allow(clippy::type_complexity, reason = "a row of a listing")]
pub fn disassemble(
    function: &Bound<'_, PyAny>,
) -> PyResult<Option<Vec<(usize, &'static str, &'static str, u32, u16, Vec<u64>)>>> {
    let code = match function.getattr_opt("__code__")? {
        Some(code) => code,
        None => function.clone(),
    };
    if !code.is_instance_of::<PyCode>() {
        return Err(PyTypeError::new_err("a function or a code object is needed"));
    }
    if !crate::hook::started() {
        return Ok(None);
    }
    // SAFETY: tier 1 is initialized, and `code` is a live code object while we hold a reference.
    let lines = unsafe { hotspur_tier1::disassemble(code.as_ptr().cast()) };
    Ok(lines.map(|lines| lines.into_iter().map(|l| (l.index, l.name, l.base, l.oparg, l.counter, l.caches)).collect()))
}
