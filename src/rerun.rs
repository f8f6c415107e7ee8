//! Running a `hotspur` command line in a Python that runs already: the installed `hotspur` command and
//! `python -m hotspur`.
//!
//! Python has started, with the flags it has, to run a program of ours. Starting it a second time would cost as much as
//! Hotspur may cost in all, so the program is replaced inside the process: the configuration of the interpreter gets
//! what CPython's own parser makes of the user's command line, all traces of our program are removed, and CPython's main
//! function runs again.

use crate::launch;
use hotspur_cpython_sys as sys;
use hotspur_launcher::find::{self, Environment};
use hotspur_launcher::handoff::Handoff;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Ends the process before any program has run.
pub fn leave(py: Python<'_>, status: i32) -> ! {
    let _ = py;
    let _ = std::io::stdout().flush();
    std::process::exit(status)
}

/// The file that this engine was loaded from.
pub fn own_file() -> Option<PathBuf> {
    // SAFETY: `Dl_info` is plain data, and the address is one of our own functions.
    let name = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let address = own_file as fn() -> Option<PathBuf> as *const libc::c_void;
        if libc::dladdr(address, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(info.dli_fname)
    };
    PathBuf::from(OsString::from_vec(name.to_bytes().to_vec())).canonicalize().ok()
}

/// Replaces this process by another one, of the same Python or another one. Returns only if that fails.
pub fn start(
    py: Python<'_>,
    python: &Path,
    program_name: Option<&OsStr>,
    handoff: Handoff,
    arguments: &[OsString],
) -> std::io::Error {
    let _ = py;
    hotspur_launcher::start::exec(python, program_name, arguments, Some(handoff))
}

/// `--python` in a command line of an installed Hotspur. Returns only if that fails.
pub fn other_python(py: Python<'_>, python: OsString, handoff: Handoff, arguments: &[OsString]) -> PyErr {
    match find::find(&Environment::from_process(Some(python))) {
        Ok(python) => match python.unsupported {
            None => start(py, &python.executable, None, handoff, arguments).into(),
            Some(reason) => {
                crate::hook::warn(&format_args!("{} {reason}", python.executable.display()));
                hotspur_launcher::start::exec(&python.executable, None, arguments, None).into()
            }
        },
        Err(error) => {
            eprintln!("hotspur: {error}");
            leave(py, hotspur_launcher::EXIT_USAGE)
        }
    }
}

unsafe extern "C" {
    fn _Py_GetConfig() -> *const ffi::PyConfig;
    fn _PyInterpreterState_SetNotRunningMain(interpreter: *mut ffi::PyInterpreterState);
    fn Py_ExitStatusException(status: ffi::PyStatus) -> !;
}

/// Runs Python's main function again, in this process, as for this command line. Returns only if that fails before the
/// program has started.
pub fn run_main(py: Python<'_>, handoff: &Handoff, program_name: &OsStr, arguments: &[OsString]) -> PyErr {
    let prepared = prepare(py, handoff, program_name, arguments);
    if let Err(error) = prepared {
        return error;
    }
    // SAFETY: we hold the GIL. The frames that lie below are those of our own little program. They are unlinked from the
    // thread, and never run again because this function does not return: nobody misses them. With them goes their share
    // of the recursion limit.
    unsafe {
        let thread = ffi::PyThreadState_Get().cast::<sys::ThreadState>();
        (*thread).current_frame = std::ptr::null_mut();
        (*thread).py_recursion_remaining = (*thread).py_recursion_limit;
        (*thread).c_recursion_remaining = sys::PY_C_RECURSION_LIMIT;
        _PyInterpreterState_SetNotRunningMain(ffi::PyInterpreterState_Get());
        let status = ffi::Py_RunMain();
        libc::exit(status)
    }
}

fn prepare(py: Python<'_>, handoff: &Handoff, program_name: &OsStr, arguments: &[OsString]) -> PyResult<()> {
    let config = read_command_line(program_name, arguments)?;
    let old_path = replace_configuration(py, config)?;
    forget_program(py, old_path)?;
    launch::enter(py, handoff)
}

/// What CPython's own parser makes of a command line.
fn read_command_line(program_name: &OsStr, arguments: &[OsString]) -> PyResult<ffi::PyConfig> {
    let words: Vec<CString> = std::iter::once(program_name)
        .chain(arguments.iter().map(OsString::as_os_str))
        .map(|word| CString::new(word.as_bytes()))
        .collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: the structure is initialized before it is read; the words live longer than the calls.
    unsafe {
        let mut config: ffi::PyConfig = std::mem::zeroed();
        ffi::PyConfig_InitPythonConfig(&mut config);
        let mut status = ffi::PyConfig_SetBytesArgv(&mut config, words.len() as ffi::Py_ssize_t, pointers.as_mut_ptr());
        if ffi::PyStatus_Exception(status) == 0 {
            status = ffi::PyConfig_Read(&mut config);
        }
        if ffi::PyStatus_Exception(status) != 0 {
            if ffi::PyStatus_IsExit(status) != 0 {
                // A mistake that has been reported, such as a missing argument.
                libc::exit(status.exitcode);
            }
            Py_ExitStatusException(status);
        }
        Ok(config)
    }
}

/// Gives the interpreter the program of another configuration; its flags stay. Returns what the old program had put at
/// the start of `sys.path`.
fn replace_configuration(py: Python<'_>, mut new: ffi::PyConfig) -> PyResult<Option<OsString>> {
    let _ = py;
    // SAFETY: we hold the GIL. The configuration belongs to the interpreter and is only `const` to keep people away from
    // it; CPython's own main function writes to it. Strings and lists change places between two structures that both
    // own theirs, so that each is freed once.
    unsafe {
        let live = &mut *_Py_GetConfig().cast_mut();
        let old_path = wide(live.sys_path_0);
        std::mem::swap(&mut live.argv, &mut new.argv);
        std::mem::swap(&mut live.orig_argv, &mut new.orig_argv);
        std::mem::swap(&mut live.run_command, &mut new.run_command);
        std::mem::swap(&mut live.run_module, &mut new.run_module);
        std::mem::swap(&mut live.run_filename, &mut new.run_filename);
        // Nothing there in the new one: it is computed when the program starts.
        std::mem::swap(&mut live.sys_path_0, &mut new.sys_path_0);
        live.skip_source_first_line = new.skip_source_first_line;
        ffi::PyConfig_Clear(&mut new);
        for (name, list) in [(c"argv", &live.argv), (c"orig_argv", &live.orig_argv)] {
            let values = PyList::empty(py);
            for index in 0..list.length {
                let word = ffi::PyUnicode_FromWideChar(*list.items.offset(index), -1);
                values.append(Bound::from_owned_ptr_or_err(py, word)?)?;
            }
            if ffi::PySys_SetObject(name.as_ptr(), values.as_ptr()) < 0 {
                return Err(PyErr::fetch(py));
            }
        }
        Ok(old_path)
    }
}

/// A wide string as the system writes it. `None` for null.
///
/// # Safety
/// A null pointer or a NUL-terminated string.
unsafe fn wide(text: *const libc::wchar_t) -> Option<OsString> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller promises a string; the result is ours to free.
    unsafe {
        let encoded = Py_EncodeLocale(text, std::ptr::null_mut());
        if encoded.is_null() {
            return None;
        }
        let copy = OsString::from_vec(CStr::from_ptr(encoded).to_bytes().to_vec());
        ffi::PyMem_Free(encoded.cast());
        Some(copy)
    }
}

unsafe extern "C" {
    fn Py_EncodeLocale(text: *const libc::wchar_t, error_position: *mut usize) -> *mut c_char;
}

/// Removes what the program that runs now has left in `sys.path` and in `__main__`.
fn forget_program(py: Python<'_>, old_path: Option<OsString>) -> PyResult<()> {
    let sys = py.import("sys")?;
    if let Some(old) = old_path {
        let path = sys.getattr("path")?;
        if let Ok(first) = path.get_item(0)
            && first.extract::<OsString>().is_ok_and(|first| first == old)
        {
            path.del_item(0)?;
        }
        let _ = sys.getattr("path_importer_cache")?.cast::<PyDict>()?.del_item(&old);
    }
    let modules = sys.getattr("modules")?;
    if modules.contains("hotspur.__main__")? {
        modules.del_item("hotspur.__main__")?;
        if let Ok(package) = modules.get_item("hotspur") {
            let _ = package.delattr("__main__");
        }
    }
    // A new `__main__`, as it is before a program runs, names in that order. Not the old one, emptied: the frames of our
    // program keep the old one's dictionary alive to the end, and objects in it would never be finalized.
    //
    // (An import looks for `__builtins__` in the globals of whoever runs, which with `python -m hotspur` is this very
    // module: first everything is imported, then the old names go.)
    let importer = py.import("_frozen_importlib")?.getattr("BuiltinImporter")?;
    let builtins = py.import("builtins")?;
    let old = modules.get_item("__main__")?.getattr("__dict__")?.cast_into::<PyDict>()?;
    let new = PyModule::new(py, "__main__")?;
    new.setattr("__loader__", importer)?;
    new.setattr("__annotations__", PyDict::new(py))?;
    new.setattr("__builtins__", &builtins)?;
    modules.set_item("__main__", new)?;
    old.clear();
    old.set_item("__builtins__", builtins)?;
    Ok(())
}
