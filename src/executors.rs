//! Executors by hand: attaching a superblock that was written as text to a function, and looking at what there is. For tests, and
//! for trying out what a superblock does on real frames.

use hotspur_cpython_sys::{PyCodeObject, PyDictObject, PyFunctionObject, cached_keys, keys_version};
use hotspur_ir::{AbortReason, ExitReason, InvalidationReason, Superblock};
use hotspur_opt::PassSet;
use hotspur_recorder::{Dependencies, Keep, Object, Place, Trace};
use hotspur_tier1::code;
use hotspur_tier2::params::{self, Parameter};
use hotspur_tier2::{graph, inspect, invalidate, optimize, recording, stats, sweep, watch};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyFunction, PyList, PyType};

/// Sets tier 2 up if need be: without a recorder, executors are those that are attached by hand.
fn start() -> PyResult<()> {
    if !crate::hook::started() {
        return Err(PyRuntimeError::new_err("Hotspur is not enabled"));
    }
    // SAFETY: the GIL is held, and tier 1 is initialized.
    unsafe { hotspur_tier2::initialize(None) }.map_err(PyRuntimeError::new_err)
}

fn code_of(function: &Bound<'_, PyAny>) -> PyResult<*mut PyCodeObject> {
    let code = match function.getattr_opt("__code__")? {
        Some(code) => code,
        None => function.clone(),
    };
    if !code.is_instance_of::<PyCode>() {
        return Err(PyTypeError::new_err("a function or a code object is needed"));
    }
    // The function, or whoever gave the code object, keeps it alive.
    Ok(code.as_ptr().cast())
}

/// A position in a function's code.
fn place(function: &Bound<'_, PyAny>, position: usize) -> PyResult<Place> {
    // SAFETY: the code is live, and tier 1 is initialized.
    let state = unsafe { code::state_of(code_of(function)?) };
    // SAFETY: a state that is not null is live as long as its code.
    if state.is_null() || position >= unsafe { (*state).len as usize } {
        return Err(PyValueError::new_err("there is no such position"));
    }
    Ok(Place { code: state, position })
}

/// Writes numbers of instructions down: for each exit, then for a round of the loop.
fn count_instructions(superblock: &mut Superblock, instructions: &[u32]) {
    let exits: Vec<_> = superblock.exits().map(|exit| exit.snapshot).collect();
    for (&snapshot, &count) in exits.iter().zip(instructions) {
        superblock.snapshots[snapshot].instructions = count;
    }
    if let (Some(body), Some(&count)) = (&mut superblock.body, instructions.get(exits.len())) {
        body.instructions = count;
    }
}

fn aborted(reason: AbortReason) -> PyErr {
    PyRuntimeError::new_err(format!("{}: {}", reason.name(), reason.message()))
}

/// Reads a superblock, and verifies it.
fn read(text: &str) -> PyResult<Superblock> {
    let superblock = hotspur_reader::parse(text).map_err(|e| PyValueError::new_err(e.to_string()))?;
    hotspur_ir::verify(&superblock).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        PyValueError::new_err(lines.join("\n"))
    })?;
    Ok(superblock)
}

/// Reads a superblock, verifies it, and returns it as it is printed.
#[pyfunction]
pub fn parse_superblock(text: &str) -> PyResult<String> {
    Ok(read(text)?.to_string())
}

/// Attaches a superblock to a function, to run whenever execution gets to its first instruction by the function's entry or by a
/// back-edge. Returns the executor's number.
///
/// `obj0`, `obj1`, ... in the text are `objects`, which the executor keeps alive; `code0` is the function's code, `code1`, ... are
/// those of `codes` (functions or code objects); `executor0`, ... are places (function, position). The superblock relies on its code
/// objects, and on the keys of `dicts`, the values of `values` (dictionary, key), `types` and `functions`. `instructions` says for
/// each exit how many instructions it stands for (exits that share a snapshot share the number of the last), and what remains is for a round of
/// the loop. With `parent`, an executor's
/// number and that of one of its exits, it is attached to that exit.
#[pyfunction]
#[pyo3(signature = (text, function, *, objects=vec![], codes=vec![], executors=vec![], dicts=vec![], values=vec![],
                    types=vec![], functions=vec![], instructions=vec![], parent=None))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn attach_superblock(
    text: &str,
    function: &Bound<'_, PyFunction>,
    objects: Vec<Bound<'_, PyAny>>,
    codes: Vec<Bound<'_, PyAny>>,
    executors: Vec<(Bound<'_, PyAny>, usize)>,
    dicts: Vec<Bound<'_, PyDict>>,
    values: Vec<(Bound<'_, PyDict>, Bound<'_, PyAny>)>,
    types: Vec<Bound<'_, PyType>>,
    functions: Vec<Bound<'_, PyFunction>>,
    instructions: Vec<u32>,
    parent: Option<(u64, usize)>,
) -> PyResult<u64> {
    start()?;
    let mut superblock = read(text)?;
    let mut all_codes = vec![code_of(function)?];
    for code in &codes {
        all_codes.push(code_of(code)?);
    }
    let entry = place(function, superblock.pc as usize)?;
    let executors = executors.iter().map(|(f, position)| place(f, *position)).collect::<PyResult<Vec<_>>>()?;
    // SAFETY: places are in live code.
    let linked_codes = executors.iter().map(|place| unsafe { (*place.code).code });
    let dependencies = Dependencies {
        // SAFETY: the GIL is held, and these are dictionaries.
        dicts: dicts.iter().map(|d| (d.as_ptr(), unsafe { version_of_keys(d.as_ptr()) })).collect(),
        values: values.iter().map(|(d, k)| (d.as_ptr(), k.as_ptr())).collect(),
        // SAFETY: the GIL is held, and these are types.
        types: types.iter().map(|t| (t.as_ptr(), unsafe { version_of_type(t.as_ptr()) })).collect(),
        functions: functions.iter().map(|f| f.as_ptr()).collect(),
        codes: all_codes.iter().copied().chain(linked_codes).collect(),
    };
    count_instructions(&mut superblock, &instructions);
    let trace = Trace {
        // SAFETY: the GIL is held, and these are live objects.
        objects: objects.iter().map(|o| unsafe { Object::new(o.as_ptr(), Keep::Hold) }).collect(),
        held: objects.iter().map(|o| o.as_ptr()).collect(),
        codes: all_codes,
        executors,
        dependencies,
        entry,
        inherits: false,
        ticks: Vec::new(),
        superblock,
    };
    // SAFETY: the GIL is held, and the arguments keep everything alive that the trace refers to.
    let attached = unsafe {
        match parent {
            Some((executor, exit)) => recording::attach_to_exit_by_hand(trace, executor, exit),
            None => recording::attach_by_hand(trace),
        }
    };
    attached.map_err(aborted)
}

unsafe fn version_of_keys(dict: *mut ffi::PyObject) -> u32 {
    // SAFETY: the caller has a dictionary.
    unsafe { keys_version((*dict.cast::<PyDictObject>()).ma_keys) }
}

unsafe fn version_of_type(class: *mut ffi::PyObject) -> u32 {
    // SAFETY: the caller has a type.
    unsafe {
        hotspur_cpython_sys::PyUnstable_Type_AssignVersionTag(class.cast());
        (*class.cast::<ffi::PyTypeObject>()).tp_version_tag
    }
}

/// The number that a guard compares: of a `type`, of the `shared_keys` of its instances, of the `keys` of a dictionary, of a
/// watched `dict`, of a `function`. Zero if there is none.
#[pyfunction]
pub fn version(kind: &str, object: &Bound<'_, PyAny>) -> PyResult<u32> {
    start()?;
    let address = object.as_ptr();
    // SAFETY: the GIL is held, and the object is what is looked at.
    unsafe {
        match kind {
            "type" if object.is_instance_of::<PyType>() => Ok(version_of_type(address)),
            "shared_keys" if object.is_instance_of::<PyType>() => {
                let keys = cached_keys(address.cast());
                Ok(if keys.is_null() { 0 } else { keys_version(keys) })
            }
            "keys" if object.is_exact_instance_of::<PyDict>() => Ok(version_of_keys(address)),
            "dict" if object.is_exact_instance_of::<PyDict>() => Ok(watch::watched_dict_version(address).unwrap_or(0)),
            "function" if object.is_instance_of::<PyFunction>() => {
                Ok((*address.cast::<PyFunctionObject>()).func_version)
            }
            _ => Err(PyTypeError::new_err(format!("no version {kind:?} of such an object"))),
        }
    }
}

/// All executors, as a list of dicts.
#[pyfunction]
pub fn executors(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    // SAFETY: the GIL is held.
    for view in unsafe { inspect::executors() } {
        let dict = PyDict::new(py);
        dict.set_item("id", view.id)?;
        dict.set_item("recorded", view.recorded.as_ref().unwrap_or(&view.text))?;
        dict.set_item("text", view.text)?;
        dict.set_item("invalid", view.invalid.map(InvalidationReason::name))?;
        dict.set_item("runs", view.runs)?;
        dict.set_item("warm", view.warm)?;
        dict.set_item("code_bytes", view.code_bytes)?;
        dict.set_item("exit_bytes", view.exit_bytes)?;
        dict.set_item("code", view.code)?;
        dict.set_item("position", view.position)?;
        dict.set_item("attached", view.attached)?;
        let exits = PyList::empty(py);
        for exit in view.exits {
            let row = PyDict::new(py);
            row.set_item("reason", exit.reason.name())?;
            row.set_item("pc", exit.pc)?;
            row.set_item("remaining", exit.remaining)?;
            row.set_item("hits", exit.hits)?;
            row.set_item("passage", exit.passage)?;
            row.set_item("target", exit.target)?;
            exits.append(row)?;
        }
        dict.set_item("exits", exits)?;
        list.append(dict)?;
    }
    Ok(list)
}

/// Whether there is an executor with this number that may be entered.
#[pyfunction]
pub fn executor_is_valid(number: u64) -> bool {
    // SAFETY: the GIL is held.
    unsafe { inspect::is_valid(number) }
}

/// The names of the reasons why recordings are given up, executors are left, and executors become invalid, in their order: the names
/// that counters have in statistics.
#[pyfunction]
pub fn reasons(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("abort", AbortReason::ALL.iter().map(|r| r.name()).collect::<Vec<_>>())?;
    dict.set_item("exit", ExitReason::ALL.iter().map(|r| r.name()).collect::<Vec<_>>())?;
    dict.set_item("invalidation", InvalidationReason::ALL.iter().map(|r| r.name()).collect::<Vec<_>>())?;
    Ok(dict)
}

/// What tier 2 did so far, as a dict.
#[pyfunction]
pub fn tier2_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    // SAFETY: the GIL is held.
    for (name, value) in unsafe { stats::snapshot() }.named() {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// How often tier 1 has executed each instruction while instructions were counted, by name.
#[pyfunction]
pub fn instructions_executed(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (number, count) in hotspur_tier1::instructions_executed().into_iter().enumerate().filter(|(_, n)| *n > 0) {
        dict.set_item(hotspur_tier1::table::INFO[number].name, count)?;
    }
    Ok(dict)
}

/// Removes executors: one, given its number, or all. What they held is freed.
#[pyfunction]
#[pyo3(signature = (number=None))]
pub fn remove_executors(number: Option<u64>) -> bool {
    // SAFETY: the GIL is held, and any code may run here.
    unsafe {
        let removed = match number {
            Some(number) => recording::remove(number),
            None => {
                invalidate::invalidate_all(InvalidationReason::Requested);
                true
            }
        };
        graph::empty_graveyard();
        removed
    }
}

/// Removes executors that were not entered since the last sweep, and returns how many they were.
#[pyfunction]
pub fn sweep_executors() -> usize {
    // SAFETY: the GIL is held, and any code may run here.
    unsafe {
        let removed = sweep::sweep();
        graph::empty_graveyard();
        removed
    }
}

/// For tests: has the compiler in the background take no more work, or go on.
#[pyfunction]
pub fn pause_compiler(on: bool) {
    // SAFETY: the GIL is held.
    unsafe { hotspur_tier2::pause_compiler(on) };
}

/// Installs what was compiled in the background, and waits for so many seconds at most until nothing more is to come. Returns the number
/// of executors that are still to come.
#[pyfunction]
pub fn wait_for_compiler(py: Python<'_>, seconds: f64) -> usize {
    let began = std::time::Instant::now();
    loop {
        // SAFETY: the GIL is held.
        let left = unsafe { hotspur_tier2::poll() };
        if left == 0 || began.elapsed().as_secs_f64() >= seconds {
            return left;
        }
        py.detach(|| std::thread::sleep(std::time::Duration::from_millis(1)));
    }
}

/// The table of parameters: a list of tuples (name, default, unit, smallest value, largest value, what it does).
#[pyfunction]
#[allow(clippy::type_complexity, reason = "a row of a listing")]
pub fn parameter_table() -> Vec<(&'static str, u32, &'static str, u32, u32, String)> {
    let row = |p: &Parameter| {
        let info = p.info();
        let doc = info.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        (info.name, info.default, info.unit, info.range.0, info.range.1, doc)
    };
    Parameter::ALL.iter().map(row).collect()
}

/// The parameters of tier 2, as a dict from names to values; those given are set before. All are numbers but `passes`, the passes of the
/// optimizer: `all`, `none`, or names with commas between them (`-name`: all but that one).
#[pyfunction]
#[pyo3(signature = (**changes))]
pub fn parameters<'py>(py: Python<'py>, changes: Option<Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyDict>> {
    for (name, value) in changes.iter().flatten() {
        if name.extract::<&str>()? == "passes" {
            optimize::set_passes(PassSet::parse(value.extract()?).map_err(PyValueError::new_err)?);
            continue;
        }
        params::set(&name.extract::<String>()?, value.extract()?).map_err(PyValueError::new_err)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("passes", optimize::passes().to_string())?;
    for parameter in Parameter::ALL {
        dict.set_item(parameter.info().name, parameter.get())?;
    }
    Ok(dict)
}
